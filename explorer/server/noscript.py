"""What a browser without JavaScript is told, since Gradio's page is empty there."""

from gradio import routes
from jinja2 import FunctionLoader

WORDS = """<noscript><main style="max-width: 40rem; margin: 3rem auto; padding: 0 1rem"><h1>Where did it look?</h1>
<p>This page needs JavaScript: allow it for this address and load the page again.</p>
<p>Programs can ask without a page: <a href="gradio_api/info">gradio_api/info</a> lists the endpoints and what they take,
<a href="gradio_api/openapi.json">gradio_api/openapi.json</a> describes them in full.</p></main></noscript>"""
PAGE = "<gradio-app"  # the element in which Gradio's scripts build the page


def tell():
    """Put the words into Gradio's templates, once a process. It takes HTML for the head of a page only, and adds that by a script."""
    environment, whole = routes.templates.env, routes.templates.env.loader

    def with_words(name):
        source, _, up_to_date = whole.get_source(environment, name)
        return source.replace(PAGE, WORDS + PAGE, 1), name, up_to_date

    if not isinstance(whole, FunctionLoader):
        environment.loader = FunctionLoader(with_words)
