"""The tab Audit: one or two models on whole splits, with a button to start and one to stop."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event

import gradio as gr
from gradio.context import Context

from explorer.controls import AUDIT_QUEUE, QUIET, Caller, Controls, Group, components_of, handler
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.errors import EXPECTED
from explorer.settings import SETTINGS, View
from gradcam import Cancelled

from .chosen import filter_of
from .chosen_view import sheet
from .report import ReportFiles
from .store import (
    BOTH,
    NO_COMPARISON,
    AuditRequest,
    Audits,
    audit_request,
    classifiers,
    default_comparison,
    split_names,
)
from .view import invitation, shown, stopped

NO_FILES = (None, None, None)  # in place of the three files


@dataclass(frozen=True)
class Options:
    """The values of the tab's own controls."""

    compare: str  # a model's name or NO_COMPARISON
    split: str
    repaint: bool

    def request(self, view: View) -> AuditRequest:
        return audit_request(view.model, self.compare, self.split, self.repaint)


@dataclass(frozen=True)
class Parts:
    """The tab's components."""

    compare: gr.Dropdown
    split: gr.Dropdown
    repaint: gr.Checkbox
    start: gr.Button
    cancel: gr.Button
    result: gr.HTML
    photos: gr.HTML  # those behind a number of the result
    files: list[gr.DownloadButton]

    @property
    def options(self) -> Group:
        return Group(Options, (self.compare, self.split, self.repaint))


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""
    audits = service.shared(Audits, examples)
    handlers = _Handlers(audits)
    with gr.Tab("Audit", id="audit") as tab:
        model = controls.model.value
        parts = _lay_out(examples, default_comparison(model), _first_invitation(audits, model))
    inputs = [controls.view, parts.options]
    ignored = [name for name in SETTINGS if name not in ("model", "colormap")]
    controls.bind(tab, handlers.show, inputs, [parts.result, *parts.files], unused=ignored)
    _wire(parts, handlers, inputs)


class _Handlers:
    """The handlers of the tab's events."""

    def __init__(self, audits: Audits):
        self._audits, self._reports, self._stop_flags = audits, ReportFiles(), _StopFlags()

    def show(self, view: View, options: Options, caller: Caller):
        """The audit if it is cached, else an invitation to start it."""
        if self._stop_flags.is_running(caller.session):
            return [gr.skip()] * (1 + len(NO_FILES))
        try:
            request = options.request(view)
            result = self._audits.known(request)
        except EXPECTED as error:
            return error_message(str(error)), *_buttons(NO_FILES)
        if result is None:
            return invitation(self._audits.count(options.split, request.models), request.models), *_buttons(NO_FILES)
        return self._show_result(result, view)

    def choose(self, event: gr.EventData, *values):
        """The photos behind a number that was pressed, or of another filter."""
        view, options = View(*values[: len(SETTINGS)]), Options(*values[len(SETTINGS) :])
        try:
            result = self._audits.known(options.request(view))
            if result is None:
                raise ValueError("This audit is no longer kept: press Audit to compute it again.")
            return sheet(result, filter_of(event._data or {}, result))
        except EXPECTED as error:
            return error_message(str(error))

    def run(self, view: View, options: Options, caller: Caller):
        with self._stop_flags.of(caller.session) as stop:

            def progress(part, task):
                caller.progress(part, task)
                return not stop.is_set()

            try:
                result = self._audits.of(options.request(view), progress)
            except EXPECTED as error:
                return error_message(str(error)), *_buttons(NO_FILES), gr.Button(visible=False)
            except Cancelled:
                return stopped(), *_buttons(NO_FILES), gr.Button(visible=False)
        return *self._show_result(result, view), gr.Button(visible=False)

    def stop(self, request: gr.Request):
        self._stop_flags.stop(request.session_hash)
        return stopped(), gr.Button(visible=False)

    def leave(self, request: gr.Request):
        self._stop_flags.stop(request.session_hash)

    def _show_result(self, result, view):
        return shown(result, view), *_buttons(self._reports.files(result, view).paths)


def _lay_out(examples: Examples, comparison: str, initial: str) -> Parts:
    """comparison: the model to compare with. initial: the HTML shown before the first audit."""
    with gr.Row():
        compare = gr.Dropdown(
            _comparison_choices(),
            value=comparison,
            label="Compare with",
            allow_custom_value=True,
            min_width=140,
            elem_id="compare",
        )
        split = gr.Dropdown(_split_choices(examples), value=BOTH, label="Photos", min_width=140, elem_id="split")
        cost = "takes most of the time"
        repaint = gr.Checkbox(True, label="Repaint every pot", info=cost, min_width=140, elem_id="repaint")
    with gr.Row():
        start = gr.Button("Audit", variant="primary", elem_id="audit-start")
        cancel = gr.Button("Stop", variant="stop", visible=False, elem_id="audit-stop")
    result = gr.HTML(initial, elem_id="audit-result", js_on_load=script("counts.js"), apply_default_css=False)
    photos = gr.HTML(
        elem_id="audit-photos", elem_classes="sheet", js_on_load=script("sheet.js"), apply_default_css=False
    )
    with gr.Row():
        kinds = ("CSV", "JSON", "report")
        files = [gr.DownloadButton(f"Download {kind}", visible=False, size="sm", min_width=120) for kind in kinds]
    return Parts(compare, split, repaint, start, cancel, result, photos, files)


def _wire(parts: Parts, handlers: _Handlers, inputs: list):
    """Start and stop. An audit is stopped as well when its visitor leaves."""
    status = [parts.result, parts.cancel]
    parts.start.click(lambda: ("", gr.Button(visible=True)), None, status, queue=False, **QUIET)
    running = parts.start.click(
        handler(handlers.run, inputs),
        components_of(inputs),
        [parts.result, *parts.files, parts.cancel],
        show_progress_on=parts.result,
        trigger_mode="once",
        **AUDIT_QUEUE,
        **{**QUIET, "show_progress": "full"},
    )
    for each in (parts.result, parts.photos):
        each.select(handlers.choose, components_of(inputs), parts.photos, queue=False, **QUIET)
    parts.cancel.click(handlers.stop, None, status, queue=False, cancels=[running], **QUIET)
    assert Context.root_block is not None  # a tab is built inside the page's Blocks
    Context.root_block.unload(handlers.leave)


class _StopFlags:
    """For each session that runs an audit, the flag that stops it."""

    def __init__(self):
        self._flags: dict[str | None, Event] = {}

    @contextmanager
    def of(self, session):
        """The flag of a session, registered while its audit runs."""
        flag = self._flags[session] = Event()
        try:
            yield flag
        finally:
            if self._flags.get(session) is flag:
                del self._flags[session]

    def is_running(self, session) -> bool:
        return session in self._flags

    def stop(self, session):
        flag = self._flags.pop(session, None)
        if flag is not None:
            flag.set()


def _comparison_choices():
    return [("no other", NO_COMPARISON), *((name, name) for name in classifiers())]


def _split_choices(examples):
    names = split_names(examples)
    if len(names) == 1:
        return [(f"all ({names[0]})", BOTH)]
    return [("all that fit the model", BOTH), *((name, name) for name in names)]


def _first_invitation(audits, model):
    """What the tab says before it is opened; with a model that knows none of the photos nothing."""
    with suppress(*EXPECTED):
        return invitation(audits.count(BOTH, (model,)), (model,))
    return ""


def _buttons(files):
    return [gr.DownloadButton(value=file, visible=file is not None) for file in files]
