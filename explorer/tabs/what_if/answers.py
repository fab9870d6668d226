"""What the tab shows for a photo and its settings: the tab's handlers, without Gradio."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from explorer.explanation.service import ExplanationService
from explorer.photos.colours import STEP, hues
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.server.errors import EXPECTED

from .card import as_jpeg, card
from .hue_view import heat_at, wheel
from .hues import Wheel
from .intervention import apply, compare_both, repaint_in_every_colour
from .pad import PADS, drawn_region, pad_of
from .regions import region_of, settled, unmarked
from .settings import HUE_DEGREES, EditSettings
from .view import more, name_of, not_offered, nothing_yet, result

ALL = "all"  # the wheel's question for every hue; its others are HUE_DEGREES


class Shown(NamedTuple):
    """What the tab shows, as HTML unless said otherwise; None: what it shows already."""

    pad: str | None = ""
    answer: str | None = ""
    hues: str | None = ""
    hue_heat: str | None = ""
    more: str | None = ""
    not_offered: str = ""
    displaced: str = ""  # see regions.settled
    region: str | None = None  # the choice among regions


class Turned(NamedTuple):
    """What the wheel shows; None: what it shows already."""

    hues: str | None = None
    heat: str | None = None


@dataclass(frozen=True)
class Answers:
    service: ExplanationService
    examples: Examples

    @property
    def wheel(self) -> Wheel:
        return self.service.shared(Wheel)

    def show(self, file, view, settings: EditSettings, displaced: str | None, caller) -> Shown:
        """All below the controls. A region that the photo does not offer gives way to another, which asks again."""
        missing = unmarked(self.examples.known(file)) if file else {}
        region, displaced = settled(settings.region, displaced or "", missing)
        if region != settings.region:
            return Shown(None, None, None, None, None, not_offered(missing), displaced, region)
        shown = Shown(not_offered=not_offered(missing), displaced=displaced)
        try:
            before = self.service.explain_file(file, view.model, view.method, caller.progress, view.target)
            shown = shown._replace(pad=pad_of(before.frame, settings))
            return self._answer(shown, file, before, view, settings, caller)
        except EXPECTED as error:
            return shown._replace(answer=error_message(str(error)))

    def turn(self, file, view, settings: EditSettings, question: str | None, caller) -> Turned:
        """The wheel with the answers at every hue, or the heat at one, for a question "all …" or "340 …"."""
        wanted = (question or "").partition(" ")[0]
        if wanted not in (ALL, *HUE_DEGREES):
            return Turned()
        try:
            before = self.service.explain_file(file, view.model, view.method, caller.progress, view.target)
            change, region = self._region(file, before, view, settings)
            if wanted == ALL:
                turned = self.wheel.turn(before, region, caller.progress)
                return Turned(hues=wheel(apply(self.service, before, change, region, caller.progress), turned))
            change = replace(change, edit="repaint", colour=hues()[int(wanted) // STEP])
            intervention = apply(self.service, before, change, region, caller.progress)
            cells = compare_both(self.service, intervention, view, caller.progress)
            return Turned(heat=heat_at(int(wanted), intervention, cells, view))
        except EXPECTED as error:
            return Turned(heat=error_message(str(error)))

    def card(self, file, view, settings: EditSettings, caller) -> bytes:
        """What is shown as a picture to share, JPEG. Raises what explaining and changing the photo raise."""
        before = self.service.explain_file(file, view.model, view.method, caller.progress, view.target)
        change, region = self._region(file, before, view, settings)
        intervention = apply(self.service, before, change, region, caller.progress)
        cells = compare_both(self.service, intervention, view, caller.progress)
        return as_jpeg(card(intervention, cells[0][0], cells[-1][1]))

    def _region(self, file, before, view, settings):
        change = settings.change(view, name_of(before.photo))
        return change, region_of(before, change, self.examples.known(file), drawn_region(before, settings.strokes))

    def _answer(self, shown, file, before, view, settings, caller):
        nothing = {"click": not settings.change(view, name_of(before.photo)).points}
        nothing["brush"] = settings.region == "brush" and drawn_region(before, settings.strokes) is None
        if settings.region in PADS and nothing[settings.region]:
            return shown._replace(answer=nothing_yet(settings.region))
        change, region = self._region(file, before, view, settings)
        intervention = apply(self.service, before, change, region, caller.progress)
        repainted, note = repaint_in_every_colour(self.service.device, before, region)
        cells = compare_both(self.service, intervention, view, caller.progress)
        return shown._replace(
            answer=result(intervention.noted(note)),
            hues=wheel(intervention, self.wheel.known(before, region)),
            more=more(intervention, cells, repainted, view),
        )
