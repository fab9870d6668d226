"""/audit: one or two classifiers on whole splits, as a report and files, for callers."""

import gradio as gr

from explorer.controls import AUDIT_QUEUE, model_box
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.settings import View

from .report import ReportFiles, report
from .store import BOTH, NO_COMPARISON, Audits, audit_request, default_comparison, split_names


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /audit. Nothing of it is shown."""
    audits, reports = service.shared(Audits, examples), ReportFiles()

    def audit(model, compare, split, repaint):
        """One or two classifiers against whole splits: how often right, where the heat lies, whether they follow the pot or the plant.

        Args:
            model: a classifier that /models lists, or one of the Hub as owner/name
            compare: a second one beside it, or none
            split: which photos, or both: all whose classes the model knows
            repaint: whether every plant is also shown in every pot, which takes most of the time

        Returns:
            report: photos, models (weights' SHA-256, accuracy with its interval, confusion, heat shares, pointing game, repainted
            pots, the photos shown), differences, unreadable, and notes on what was measured
            table: a CSV file, a row for every photo and model
            file: the report as a JSON file
            page: one page of HTML that needs nothing beside it
        """  # noqa: E501 (callers see the lines as they stand)
        with as_sentence():
            result = audits.of(audit_request(model, compare, split, repaint), cancellable())
        return report(result), *reports.files(result, View()).paths

    with gr.Column(visible=False):
        model = model_box(default_model)
        label = f"compare: a second classifier, or {NO_COMPARISON}"
        compare = gr.Textbox(default_comparison(default_model), label=label)
        split = gr.Dropdown([BOTH, *split_names(examples)], value=BOTH, label="split: which photos")
        repaint = gr.Checkbox(True, label="repaint: whether every plant is also shown in every pot")
        numbers = gr.JSON(label="report: photos, models, differences, unreadable, notes")
        files = [
            gr.File(label="table: CSV, a row for every photo and model"),
            gr.File(label="file: the report as JSON"),
            gr.File(label="page: one page of HTML"),
        ]
        trigger = gr.Button()
    trigger.click(audit, [model, compare, split, repaint], [numbers, *files], api_name="audit", **AUDIT_QUEUE)
