"""A card to share: one picture with the photo and its heat before and after the change, and what the model said."""

import io

from PIL import Image

from explorer.explanation.grid import Cell
from explorer.rendering.drawing import FAINT, INK, Layout, Rectangle, Text, as_image
from explorer.rendering.wording import titled

from .intervention import Intervention
from .view import answer, edited

WIDTH, HEIGHT = 1200, 630  # pixels: what Open Graph's readers show whole
SIDE, GAP, TOP = 276, 19, 232  # of each of the four pictures in a row
ACCENT = "#4f46e5"
QUALITY = 90  # of the JPEG


def card(intervention: Intervention, before_heat: Cell, after_heat: Cell) -> Image.Image:
    """1200 × 630: the photo, its heat, the changed photo, its heat; what the model said above them."""
    before, after = intervention.before, intervention.after
    said, says = (answer(one.model, one.logits) for one in (before, after))
    still = "still " if before.predicted == after.predicted else ""
    sheet = Layout(WIDTH, HEIGHT)
    sheet.rectangles.append(Rectangle(0, 0, WIDTH, 12, ACCENT))
    _line(sheet, f"The model said {said}.", 42, 48)
    _line(sheet, f"With {edited(intervention)} it {still}says {says}.", 108, 48)
    _line(sheet, f"{before.model.name}, {before.method} at {intervention.change.layer}", 176, 26, FAINT)
    pictures = [
        (before.shown, "before"),
        (before_heat.picture, f"heat for {titled(before_heat.target)}"),
        (after.shown, "after"),
        (after_heat.picture, f"heat for {titled(after_heat.target)}, same scale"),
    ]
    for number, (picture, words) in enumerate(pictures):
        x = GAP + number * (SIDE + GAP)
        sheet.picture(picture, x, TOP, SIDE)
        sheet.texts.append(Text(words, x + SIDE / 2, TOP + SIDE + 10, 26, FAINT, centred=True, most=SIDE))
    _line(sheet, "Where did it look?   Heat is evidence, not proof: the change is the test.", 574, 28)
    return as_image(sheet)


def _line(sheet, words, y, size, ink=INK):
    sheet.texts.append(Text(words, GAP, y, size, ink, most=WIDTH - 2 * GAP))


def as_jpeg(picture: Image.Image) -> bytes:
    """The bytes of a card as a file: the same card gives the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
