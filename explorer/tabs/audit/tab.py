"""The tab Audit: one or two models against whole splits, begun by a button, stopped by another."""

from contextlib import contextmanager
from threading import Event

import gradio as gr
from gradio.context import Context

from explorer.controls import AUDIT_LINE, QUIET, Controls
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED
from gradcam import Cancelled

from .report import ReportFiles
from .store import BOTH, NO_RIVAL, Audits, audit_request, comparable, rival
from .view import invitation, shown, stopped

NOTHING = (None, None, None)  # in place of the three files


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""
    audits, shelf, stops = service.shared(Audits, examples), ReportFiles(), _Stops()

    def show(model, compare, split, repaint, colormap, request: gr.Request):
        if stops.runs(request):
            return tuple(gr.skip() for _ in answer)
        try:
            asked = audit_request(model, compare, split, repaint)
            found = audits.known(asked)
        except EXPECTED as error:
            return error_message(str(error)), *_buttons(NOTHING)
        if found is None:
            return invitation(audits.count(split), asked.models), *_buttons(NOTHING)
        return shown(found, colormap), *_buttons(shelf.files(found, colormap).paths)

    def run(model, compare, split, repaint, colormap, request: gr.Request, progress=gr.Progress()):  # noqa: B008 (Gradio finds it there)
        tell = cancellable(progress)
        with stops.of(request) as stop:

            def told(part, task):
                tell(part, task)
                return not stop.is_set()

            try:
                found = audits.of(audit_request(model, compare, split, repaint), told)
            except EXPECTED as error:
                return error_message(str(error)), *_buttons(NOTHING), gr.Button(visible=False)
            except Cancelled:
                return stopped(), *_buttons(NOTHING), gr.Button(visible=False)
        return shown(found, colormap), *_buttons(shelf.files(found, colormap).paths), gr.Button(visible=False)

    def stop(request: gr.Request):
        stops.stop(request)
        return stopped(), gr.Button(visible=False)

    with gr.Tab("Audit", id="audit") as tab:
        with gr.Row():
            compare = gr.Dropdown(
                _others(), value=rival(controls.model.value), label="Compare with", min_width=140, elem_id="compare"
            )
            split = gr.Dropdown(_splits(examples), value=BOTH, label="Photos", min_width=140, elem_id="split")
            repaint = gr.Checkbox(
                True, label="Repaint every pot", info="takes most of the time", min_width=140, elem_id="repaint"
            )
        with gr.Row():
            start = gr.Button("Audit", variant="primary", elem_id="audit-start")
            cancel = gr.Button("Stop", variant="stop", visible=False, elem_id="audit-stop")
        before = invitation(audits.count(BOTH), (controls.model.value,))
        result = gr.HTML(before, elem_id="audit-result", apply_default_css=False)
        with gr.Row():
            files = [
                gr.DownloadButton(f"Download {kind}", visible=False, size="sm", min_width=120)
                for kind in ("CSV", "JSON", "report")
            ]

    asked, answer = [controls.model, compare, split, repaint, controls.colormap], [result, *files]
    controls.bind(tab, show, asked, answer)
    start.click(lambda: ("", gr.Button(visible=True)), None, [result, cancel], queue=False, **QUIET)
    running = start.click(
        run,
        asked,
        [*answer, cancel],
        show_progress_on=result,
        trigger_mode="once",
        **AUDIT_LINE,
        **{**QUIET, "show_progress": "full"},
    )
    cancel.click(stop, None, [result, cancel], queue=False, cancels=[running], **QUIET)
    Context.root_block.unload(stops.stop_of_gone)


class _Stops:
    """Who runs an audit now, by session, and the flag that ends it."""

    def __init__(self):
        self._flags: dict[str, Event] = {}

    @contextmanager
    def of(self, request):
        """The flag of a visitor while the audit runs."""
        flag = self._flags[request.session_hash] = Event()
        try:
            yield flag
        finally:
            if self._flags.get(request.session_hash) is flag:
                del self._flags[request.session_hash]

    def runs(self, request) -> bool:
        return request.session_hash in self._flags

    def stop(self, request):
        flag = self._flags.pop(request.session_hash, None)
        if flag is not None:
            flag.set()

    def stop_of_gone(self, request: gr.Request):
        """The visitor has left; nobody waits for the answer."""
        self.stop(request)


def _others():
    return [("no other", NO_RIVAL), *((name, name) for name in comparable())]


def _splits(examples):
    names = list(examples.splits)
    return (
        [(" and ".join(names), BOTH), *((name, name) for name in names)]
        if len(names) > 1
        else [(f"all ({names[0]})", BOTH)]
    )


def _buttons(files):
    return [gr.DownloadButton(value=file, visible=file is not None) for file in files]
