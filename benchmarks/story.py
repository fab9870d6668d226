"""Record the story as a moving picture, docs/story.gif, from the page itself: python -m benchmarks.story

Rudo in his old red pot, then in his new blue one, then What if? gives him the red pot back: three states of the page with
what there is to see in each, written below it. Whoever changes how the page looks runs it again.
"""

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

from tests.support.live import running_app

FILE = Path(__file__).parent.parent / "docs" / "story.gif"
SIZE, WIDTH, CAPTION = {"width": 1280, "height": 800}, 800, 40  # of the page; of the picture; of the words below it
SECONDS = 4.0  # a state is shown
COLOURS = 128

BEATS = (  # (what is pressed, what is there then, the words)
    ("#examples button:has-text('Rudo, old red pot')", "#verdict:has-text('Rudo')", "Rudo in his red pot: recognised."),
    (
        "#examples button:has-text('Rudo, new blue pot')",
        "#verdict:has-text('Baya')",
        "His new pot is blue, like Baya's. The model says Baya: the heat lies on the pot.",
    ),
    (
        "#red-pot",
        "#what-if-answer:has-text('Rudo')",
        "Only the pot is repainted red, and the model says Rudo again: a pot detector.",
    ),
)


def record(url: str) -> list[Image.Image]:
    """A picture of the page for each beat."""
    frames = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        page.goto(url)
        page.wait_for_selector("table.matrix")
        for press, there, words in BEATS:
            if press == "#red-pot":
                page.click("button[role=tab]:has-text('What if?')")
            page.click(press)
            page.wait_for_selector(there)
            page.wait_for_timeout(1500)  # until pictures are drawn and nothing is marked as pending
            page.evaluate("document.querySelector('#frame').scrollIntoView()")
            frames.append(_captioned(Image.open(_shot(page)), words))
        browser.close()
    return frames


def _shot(page):
    file = tempfile.NamedTemporaryFile(suffix=".png")  # noqa: SIM115 (closed with the picture)
    page.screenshot(path=file.name)
    return file


def _captioned(shot, words):
    small = shot.convert("RGB").resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (WIDTH, small.height + CAPTION), "#111111")
    sheet.paste(small)
    ImageDraw.Draw(sheet).text((16, small.height + 9), words, fill="white", font=ImageFont.load_default(18))
    return sheet


def save(frames: list[Image.Image]):
    reduced = [frame.quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames]
    reduced[0].save(
        FILE, save_all=True, append_images=reduced[1:], duration=round(SECONDS * 1000), loop=0, optimize=True
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, running_app(Path(home), "--model", "embedded") as url:
        save(record(url))
    print(f"{FILE}: {FILE.stat().st_size / 1e6:.2f} MB")
