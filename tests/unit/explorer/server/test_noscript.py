"""The page without JavaScript: the message in Gradio's templates."""

from gradio import routes

from explorer.server import noscript


def test_the_message_is_in_gradios_templates(monkeypatch):
    environment = routes.templates.env
    monkeypatch.setattr(environment, "loader", environment.loader)  # restored afterwards
    before, _, _ = environment.loader.get_source(environment, "frontend/index.html")
    for _ in range(2):  # once a process, however often it is called
        noscript.install()
        source, _, _ = environment.loader.get_source(environment, "frontend/index.html")
        assert source.count(noscript.MESSAGE) == 1 and source.replace(noscript.MESSAGE, "") == before
        assert noscript.MESSAGE + noscript.APP_ELEMENT in source
