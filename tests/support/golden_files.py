"""Golden files: recorded page content and endpoint responses, compared with the current ones.

Markup is compared entity by entity: elements with their own classes and attributes, text, numbers, and pictures by a
thumbnail. What may differ between two runs or two processors is left out or compared loosely: ids numbered by Gradio,
milliseconds, a number's last digit, a few levels of a thumbnail's brightness.

    GOLDEN=write python -m pytest tests/browser/test_golden.py     records the files again, where a change is wanted
"""

import json
import os
import re
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).parents[1] / "golden"
WRITE = os.environ.get("GOLDEN") == "write"
THUMBNAIL = 4  # pixels a side
LEVELS = 6  # of 255: JPEG quantisation may round differently on another processor
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
# a map's numbers in base64: their last bits differ between processors, and tests of Step by step compare the numbers
MAP = re.compile(r" data-values='[^']*'")
DURATION = re.compile(r"\d[\d.,]*\s*(?:(?:ms|s|milliseconds|seconds)\b|× as long|× Grad-CAM)")
IGNORED_ATTRIBUTES = {"id", "for", "style", "src", "href", "data-testid", "tabindex"}  # Gradio's ids, blob URLs
KEPT_STYLE = re.compile(r"--[\w-]+: ?[^;]+")
NUMBERED = re.compile(r"component-\d+|range_id_\d+|svelte-\w+|^s[\w-]{12}$")
# keys of JSON; status: what this server has loaded so far
VOLATILE = {"milliseconds", "ms", "seconds", "path", "url", "orig_name", "size", "status"}


def compare_with_golden(name: str, lines: list[str]):
    """Compare lines with the golden file `name`, or write it if GOLDEN=write. Raises AssertionError."""
    file = FOLDER / f"{name}.txt"
    if WRITE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    golden = file.read_text(encoding="utf-8").splitlines()
    for number, (was, now) in enumerate(zip_longest(golden, lines), 1):
        assert similar(was, now), (
            f"{file.name}, line {number}, after {golden[max(0, number - 4) : number - 1]}:\nwas {was}\nnow {now}"
        )


def similar(was: str | None, now: str | None) -> bool:
    """Whether two lines are equal up to the last digit of their numbers, or LEVELS of a thumbnail."""
    if was is None or now is None:
        return False
    was, now = MAP.sub(" data-values", was), MAP.sub(" data-values", now)
    if NUMBER.sub("#", was) != NUMBER.sub("#", now):
        return False
    close = _close_levels if was.startswith("picture") else _close_numbers
    return all(map(close, NUMBER.findall(was), NUMBER.findall(now)))


def _close_levels(was, now):
    return abs(float(was) - float(now)) <= LEVELS


def _close_numbers(was, now):
    if was == now:
        return True
    if not (set(".e") & set(was) and set(".e") & set(now)):  # counts, sizes and whole percents
        return "." not in was + now and abs(int(was) - int(now)) <= 1 and int(was) > 12
    decimals = len(was.partition(".")[2]) if "e" not in was else 99
    return abs(float(was) - float(now)) <= max(1.01 * 10.0**-decimals, 2e-3 * abs(float(was)))


class Entities(HTMLParser):
    """HTML → a line for each element, text and picture. `thumbnails`: levels of every <img>, in order."""

    def __init__(self, thumbnails):
        super().__init__()
        self.lines, self._thumbnails, self._raw = [], iter(thumbnails), False

    def handle_starttag(self, tag, attributes):
        self._raw = tag in ("script", "style")
        kept = {
            name: _stable(name, value or "")
            for name, value in attributes
            if name not in IGNORED_ATTRIBUTES and not name.startswith("aria-labelledby")
        }
        style = dict(attributes).get("style") or ""
        if KEPT_STYLE.search(style):
            kept["style"] = " ".join(KEPT_STYLE.findall(style))
        written = [f"{name}={value!r}" for name, value in sorted(kept.items()) if value or name == "alt"]
        self.lines.append(" ".join([f"<{tag}", *written]))
        if tag == "img":
            self.lines.append(f"picture {' '.join(map(str, next(self._thumbnails)))}")

    def handle_endtag(self, tag):
        self._raw = False
        self.lines.append(f"</{tag}")

    def handle_data(self, data):
        if not self._raw and (text := " ".join(data.split())):
            self.lines.append(DURATION.sub("(a while)", text))


def _stable(name, value):
    if name == "class":
        return " ".join(sorted(part for part in value.split() if not NUMBERED.search(part)))
    return DURATION.sub("(a while)", NUMBERED.sub("", value))


SNAPSHOT = """async ([selector, side]) => {
    const visible = (e) => e.offsetParent !== null || e.getClientRects().length;
    const shown = [...document.querySelectorAll(selector)].filter(visible);
    const html = shown.map((e) => e.innerHTML).join('\\n');
    const images = shown.flatMap((e) => [...e.querySelectorAll('img')]);
    const canvas = Object.assign(document.createElement('canvas'), { width: side, height: side });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.imageSmoothingQuality = 'high';
    const thumbnails = [];
    for (const image of images) {
        image.loading = 'eager';  // else a folded one is never fetched
        await image.decode().catch(() => {});
        context.clearRect(0, 0, side, side);
        if (image.naturalWidth) context.drawImage(image, 0, 0, side, side);
        const levels = [...context.getImageData(0, 0, side, side).data].filter((_, index) => index % 4 < 3);
        thumbnails.push([image.naturalWidth, image.naturalHeight, ...levels]);
    }
    return [html, thumbnails];
}"""


def page_lines(page, selector: str) -> list[str]:
    """The lines of the visible elements of a selector."""
    html, thumbnails = page.evaluate(SNAPSHOT, [selector, THUMBNAIL])
    entities = Entities(thumbnails)
    entities.feed(html)
    return entities.lines


def json_lines(value) -> list[str]:
    """A line for each leaf of JSON, except durations, paths and sizes of files."""
    return [f"{path}: {leaf}" for path, leaf in _leaves("", value)]


def _leaves(path, value):
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in VOLATILE:
                yield from _leaves(f"{path}.{name}", part)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _leaves(f"{path}[{index}]", part)
    else:
        yield path, DURATION.sub("(a while)", json.dumps(value, ensure_ascii=False))


def picture_line(image) -> str:
    """The line of a PIL image."""
    small = image.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.HAMMING)
    return f"picture {image.width} {image.height} {' '.join(map(str, small.tobytes()))}"
