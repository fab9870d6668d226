"""Golden files: what the page and the endpoints said once, held against what they say now.

Markup is compared entity by entity: elements with their own classes and attributes, words, numbers, and pictures by a thumbnail.
What may differ between two runs or two processors is left out or compared loosely: identifiers that Gradio numbers, milliseconds,
a number's last shown digit, a few levels of a thumbnail's brightness.

    GOLDEN=write python -m pytest tests/browser/test_golden.py     writes the files anew, where a change is wanted
"""

import json
import os
import re
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"
WRITES = os.environ.get("GOLDEN") == "write"
THUMBNAIL = 4  # pixels a side
LEVELS = 6  # of 255: a JPEG's quantisation may round otherwise on another processor
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
DURATION = re.compile(r"\d[\d.,]*\s*(?:(?:ms|s|milliseconds|seconds)\b|× as long|× Grad-CAM)")
PASSING = {"id", "for", "style", "src", "href", "data-testid", "tabindex"}  # ids of Gradio's own, blob addresses
KEPT_STYLE = re.compile(r"--[\w-]+: ?[^;]+")
NUMBERED = re.compile(r"component-\d+|range_id_\d+|svelte-\w+|^s[\w-]{12}$")
VOLATILE = {
    "milliseconds",
    "ms",
    "seconds",
    "path",
    "url",
    "orig_name",
    "size",
    "status",
}  # status: what this server has loaded so far


def hold(name: str, lines: list[str]):
    """Compare lines with those of the golden file `name`, or write it where GOLDEN=write. Raises AssertionError for the first that differ."""
    file = FOLDER / f"{name}.txt"
    if WRITES:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    golden = file.read_text(encoding="utf-8").splitlines()
    for number, (was, now) in enumerate(zip_longest(golden, lines), 1):
        assert same(was, now), (
            f"{file.name}, line {number}, after {golden[max(0, number - 4) : number - 1]}:\nwas {was}\nnow {now}"
        )


def same(was: str | None, now: str | None) -> bool:
    """Whether two lines are equal but for the last shown digit of their numbers, or a little of a thumbnail."""
    if was is None or now is None:
        return False
    if NUMBER.sub("#", was) != NUMBER.sub("#", now):
        return False
    near = _near_levels if was.startswith("picture") else _near_number
    return all(map(near, NUMBER.findall(was), NUMBER.findall(now)))


def _near_levels(was, now):
    return abs(float(was) - float(now)) <= LEVELS


def _near_number(was, now):
    if was == now:
        return True
    if not (set(".e") & set(was) and set(".e") & set(now)):  # counts, sizes and whole percents
        return "." not in was + now and abs(int(was) - int(now)) <= 1 and int(was) > 12
    decimals = len(was.partition(".")[2]) if "e" not in was else 99
    return abs(float(was) - float(now)) <= max(1.01 * 10.0**-decimals, 2e-3 * abs(float(was)))


class Entities(HTMLParser):
    """HTML → a line for each element, text and picture. `thumbnails`: for every <img>, in their order, its levels."""

    def __init__(self, thumbnails):
        super().__init__()
        self.lines, self._thumbnails, self._raw = [], iter(thumbnails), False

    def handle_starttag(self, tag, attributes):
        self._raw = tag in ("script", "style")
        said = {
            name: _plain(name, value or "")
            for name, value in attributes
            if name not in PASSING and not name.startswith("aria-labelledby")
        }
        style = dict(attributes).get("style") or ""
        said |= {"style": " ".join(KEPT_STYLE.findall(style))} if KEPT_STYLE.search(style) else {}
        self.lines.append(
            " ".join(
                [f"<{tag}", *(f"{name}={value!r}" for name, value in sorted(said.items()) if value or name == "alt")]
            )
        )
        if tag == "img":
            self.lines.append(f"picture {' '.join(map(str, next(self._thumbnails)))}")

    def handle_endtag(self, tag):
        self._raw = False
        self.lines.append(f"</{tag}")

    def handle_data(self, data):
        if not self._raw and (words := " ".join(data.split())):
            self.lines.append(DURATION.sub("(a while)", words))


def _plain(name, value):
    if name == "class":
        return " ".join(sorted(part for part in value.split() if not NUMBERED.search(part)))
    return DURATION.sub("(a while)", NUMBERED.sub("", value))


SEEN = """async ([selector, side]) => {
    const shown = [...document.querySelectorAll(selector)].filter((e) => e.offsetParent !== null || e.getClientRects().length);
    const html = shown.map((e) => e.innerHTML).join('\\n');
    const images = shown.flatMap((e) => [...e.querySelectorAll('img')]);
    const canvas = Object.assign(document.createElement('canvas'), { width: side, height: side });
    const brush = canvas.getContext('2d', { willReadFrequently: true });
    brush.imageSmoothingQuality = 'high';
    const thumbnails = [];
    for (const image of images) {
        image.loading = 'eager';  // else one that is folded away is never fetched
        await image.decode().catch(() => {});
        brush.clearRect(0, 0, side, side);
        if (image.naturalWidth) brush.drawImage(image, 0, 0, side, side);
        const levels = [...brush.getImageData(0, 0, side, side).data].filter((_, index) => index % 4 < 3);
        thumbnails.push([image.naturalWidth, image.naturalHeight, ...levels]);
    }
    return [html, thumbnails];
}"""


def of_page(page, selector: str) -> list[str]:
    """The lines of what a page shows below a selector."""
    html, thumbnails = page.evaluate(SEEN, [selector, THUMBNAIL])
    entities = Entities(thumbnails)
    entities.feed(html)
    return entities.lines


def of_json(value) -> list[str]:
    """The lines of an answer, a leaf each, but for what passes: durations, addresses and sizes of files."""
    return [f"{place}: {leaf}" for place, leaf in _leaves("", value)]


def _leaves(place, value):
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in VOLATILE:
                yield from _leaves(f"{place}.{name}", part)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _leaves(f"{place}[{index}]", part)
    else:
        yield place, DURATION.sub("(a while)", json.dumps(value, ensure_ascii=False))


def of_picture(image) -> str:
    """The line of a picture that an endpoint has sent, as PIL opens it."""
    small = image.convert("RGB").resize((THUMBNAIL, THUMBNAIL), 5)  # 5: the mean of what each covers, or nearly
    return f"picture {image.width} {image.height} {' '.join(map(str, small.tobytes()))}"
