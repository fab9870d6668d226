"""The tab Audit: one or two models against whole splits, begun by a button, stopped by another."""

from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

import gradio as gr
from gradio.context import Context

from explorer.controls import AUDIT_QUEUE, QUIET, Controls, Group, components_of, handler
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.server.errors import EXPECTED
from explorer.settings import SETTINGS, View
from gradcam import Cancelled

from .report import ReportFiles
from .store import BOTH, NO_RIVAL, AuditRequest, Audits, audit_request, comparable, rival
from .view import invitation, shown, stopped

NOTHING = (None, None, None)  # in place of the three files


@dataclass(frozen=True)
class Options:
    """The tab's own controls."""

    compare: str  # a model's name or NO_RIVAL
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
    files: list[gr.DownloadButton]

    @property
    def options(self) -> Group:
        return Group(Options, (self.compare, self.split, self.repaint))


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""
    audits, reports, stops = service.shared(Audits, examples), ReportFiles(), _Stops()

    def answer(result, view):
        return shown(result, view), *_buttons(reports.files(result, view).paths)

    def show(view, options, caller):
        if stops.runs(caller.session):
            return [gr.skip()] * (1 + len(NOTHING))
        try:
            request = options.request(view)
            known = audits.known(request)
        except EXPECTED as error:
            return error_message(str(error)), *_buttons(NOTHING)
        if known is None:
            return invitation(audits.count(options.split), request.models), *_buttons(NOTHING)
        return answer(known, view)

    def run(view, options, caller):
        with stops.of(caller.session) as stop:

            def progress(part, task):
                caller.progress(part, task)
                return not stop.is_set()

            try:
                result = audits.of(options.request(view), progress)
            except EXPECTED as error:
                return error_message(str(error)), *_buttons(NOTHING), gr.Button(visible=False)
            except Cancelled:
                return stopped(), *_buttons(NOTHING), gr.Button(visible=False)
        return *answer(result, view), gr.Button(visible=False)

    with gr.Tab("Audit", id="audit") as tab:
        model = controls.model.value
        parts = _lay_out(examples, rival(model), invitation(audits.count(BOTH), (model,)))
    inputs = [controls.view, parts.options]
    ignored = [name for name in SETTINGS if name not in ("model", "colormap")]
    controls.bind(tab, show, inputs, [parts.result, *parts.files], unused=ignored)
    _wire(parts, handler(run, inputs), components_of(inputs), stops)


def _lay_out(examples: Examples, other: str, before: str) -> Parts:
    """other: the model to compare with. before: what stands there until an audit is there."""
    with gr.Row():
        compare = gr.Dropdown(_others(), value=other, label="Compare with", min_width=140, elem_id="compare")
        split = gr.Dropdown(_splits(examples), value=BOTH, label="Photos", min_width=140, elem_id="split")
        cost = "takes most of the time"
        repaint = gr.Checkbox(True, label="Repaint every pot", info=cost, min_width=140, elem_id="repaint")
    with gr.Row():
        start = gr.Button("Audit", variant="primary", elem_id="audit-start")
        cancel = gr.Button("Stop", variant="stop", visible=False, elem_id="audit-stop")
    result = gr.HTML(before, elem_id="audit-result", apply_default_css=False)
    with gr.Row():
        kinds = ("CSV", "JSON", "report")
        files = [gr.DownloadButton(f"Download {kind}", visible=False, size="sm", min_width=120) for kind in kinds]
    return Parts(compare, split, repaint, start, cancel, result, files)


def _wire(parts: Parts, run, inputs, stops):
    """Start and stop. An audit ends as well when its visitor leaves."""

    def stop(request: gr.Request):
        stops.stop(request.session_hash)
        return stopped(), gr.Button(visible=False)

    def leave(request: gr.Request):
        stops.stop(request.session_hash)

    shown_while = [parts.result, parts.cancel]
    parts.start.click(lambda: ("", gr.Button(visible=True)), None, shown_while, queue=False, **QUIET)
    running = parts.start.click(
        run,
        inputs,
        [parts.result, *parts.files, parts.cancel],
        show_progress_on=parts.result,
        trigger_mode="once",
        **AUDIT_QUEUE,
        **{**QUIET, "show_progress": "full"},
    )
    parts.cancel.click(stop, None, shown_while, queue=False, cancels=[running], **QUIET)
    Context.root_block.unload(leave)


class _Stops:
    """Who runs an audit now, by session, and the flag that ends it."""

    def __init__(self):
        self._flags: dict[str | None, Event] = {}

    @contextmanager
    def of(self, session):
        """The flag of a visitor while the audit runs."""
        flag = self._flags[session] = Event()
        try:
            yield flag
        finally:
            if self._flags.get(session) is flag:
                del self._flags[session]

    def runs(self, session) -> bool:
        return session in self._flags

    def stop(self, session):
        flag = self._flags.pop(session, None)
        if flag is not None:
            flag.set()


def _others():
    return [("no other", NO_RIVAL), *((name, name) for name in comparable())]


def _splits(examples):
    names = list(examples.splits)
    if len(names) == 1:
        return [(f"all ({names[0]})", BOTH)]
    return [(" and ".join(names), BOTH), *((name, name) for name in names)]


def _buttons(files):
    return [gr.DownloadButton(value=file, visible=file is not None) for file in files]
