"""Gradio's page template: our message without JavaScript, and our preview in place of Gradio's."""

import re

from gradio import routes
from PIL import Image

from explorer.server import frontend


def sources(monkeypatch):
    """Gradio's template, and ours after one call and after another."""
    environment = routes.templates.env
    monkeypatch.setattr(environment, "loader", environment.loader)  # restored afterwards
    yield environment.loader.get_source(environment, "frontend/index.html")[0]
    for _ in range(2):  # once a process, however often it is called
        frontend.install()
        yield environment.loader.get_source(environment, "frontend/index.html")[0]


def test_the_message_is_in_gradios_templates(monkeypatch):
    _, *ours = sources(monkeypatch)
    for source in ours:
        assert source.count(frontend.MESSAGE) == 1 and frontend.MESSAGE + frontend.APP_ELEMENT in source


def test_nothing_else_is_changed_but_the_preview(monkeypatch):
    before, *ours = sources(monkeypatch)
    for source in ours:
        rest = source.replace(frontend.MESSAGE, "").replace(f"{frontend.PREVIEW}\n", "")
        assert rest == frontend.GRADIOS.sub("", before)
    removed = frontend.GRADIOS.findall(before)
    assert len(removed) >= 20 and all(re.search("og:|twitter:", tag) and tag.count("<") == 1 for tag in removed)
    assert "github" not in source and source.count("og:image") == 4  # the picture, its size, its words


def test_the_picture_has_the_size_that_the_preview_says():
    assert Image.open(frontend.CARD_FILE).size == (1200, 630)
    assert frontend.CARD_FILE.stat().st_size < 300_000
