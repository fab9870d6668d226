"""Gradio's page template, changed: a message without JavaScript, and what a shared link shows of the page."""

import re
from pathlib import Path

from gradio import routes
from jinja2 import FunctionLoader
from starlette.responses import FileResponse
from starlette.routing import Route

MESSAGE = """<noscript><main style="max-width: 40rem; margin: 3rem auto; padding: 0 1rem"><h1>Where did it look?</h1>
<p>This page needs JavaScript: allow it for this address and load the page again.</p>
<p>Programs can ask without a page: <a href="gradio_api/info">gradio_api/info</a> lists the endpoints and what they
take, <a href="gradio_api/openapi.json">gradio_api/openapi.json</a> describes them in full.</p></main></noscript>"""
APP_ELEMENT = "<gradio-app"  # in which Gradio's scripts build the page

CARD = "/share-card.jpg"
CARD_FILE = Path(__file__).parents[1] / "static" / "share-card.jpg"  # `what_if.card` of the story's photo
PREVIEW_WORDS = (  # Open Graph (https://ogp.me), which chats and social networks read; Gradio's own names Gradio
    ("og:type", "website"),
    ("og:title", "Where did it look?"),
    ("og:description", "Rudo's new pot is blue, and the model calls him Baya. Repaint the pot, and ask it again."),
    ("og:url", "{{ config['root'] or '' }}/"),
    ("og:image", "{{ config['root'] or '' }}" + CARD),
    ("og:image:width", "1200"),
    ("og:image:height", "630"),
    ("og:image:alt", "Rudo in his blue pot is called Baya, the heat on the pot; with the pot repainted red, Rudo"),
)
PREVIEW = "\n".join(f'<meta property="{name}" content="{words}">' for name, words in PREVIEW_WORDS)
PREVIEW += '\n<meta name="twitter:card" content="summary_large_image">'
GRADIOS = re.compile(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*?/>\s*')  # its own, of which there are two sets


def install():
    """Put both into Gradio's templates, once a process.

    It takes HTML for the <head> only, and adds that by a script, which no reader of previews runs.
    """
    environment = routes.templates.env
    loader = environment.loader
    if loader is None or isinstance(loader, FunctionLoader):
        return

    def changed_source(name):
        source, _, up_to_date = loader.get_source(environment, name)
        return changed(source), name, up_to_date

    environment.loader = FunctionLoader(changed_source)


def changed(source: str) -> str:
    """A template with the message, and with our preview in place of Gradio's."""
    source = GRADIOS.sub("", source).replace("</head>", f"{PREVIEW}\n</head>", 1)
    return source.replace(APP_ELEMENT, MESSAGE + APP_ELEMENT, 1)


def card_route() -> Route:
    """The picture of the preview."""

    def card(request):
        return FileResponse(CARD_FILE, headers={"Cache-Control": "public, max-age=86400"})

    return Route(CARD, card)
