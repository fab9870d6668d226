"""The page without JavaScript: a <noscript> message in Gradio's templates, whose page is empty there."""

from gradio import routes
from jinja2 import FunctionLoader

MESSAGE = """<noscript><main style="max-width: 40rem; margin: 3rem auto; padding: 0 1rem"><h1>Where did it look?</h1>
<p>This page needs JavaScript: allow it for this address and load the page again.</p>
<p>Programs can ask without a page: <a href="gradio_api/info">gradio_api/info</a> lists the endpoints and what they
take, <a href="gradio_api/openapi.json">gradio_api/openapi.json</a> describes them in full.</p></main></noscript>"""
APP_ELEMENT = "<gradio-app"  # in which Gradio's scripts build the page


def install():
    """Put the message into Gradio's templates, once a process.

    It takes HTML for the <head> only, and adds that by a script.
    """
    environment = routes.templates.env
    loader = environment.loader
    if loader is None or isinstance(loader, FunctionLoader):
        return

    def source_with_message(name):
        source, _, up_to_date = loader.get_source(environment, name)
        return source.replace(APP_ELEMENT, MESSAGE + APP_ELEMENT, 1), name, up_to_date

    environment.loader = FunctionLoader(source_with_message)
