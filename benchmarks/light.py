"""The page on a slow line: bytes and seconds until heatmaps are seen, in a browser whose network is emulated.

    python -m benchmarks.light [--rounds 3]

Fast 3G: 1.6 Mbit/s down, 750 kbit/s up, 150 ms there and back. A new browser with an empty cache opens the page, clicks
an example, and clicks the first one again; the wheel of hues is opened on a fast line. Bytes are those on the line.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.live import running_app

FAST_3G = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
OLD_POT, NEW_POT = ("#examples button:has-text('Rudo, old red pot')", "#examples button:has-text('Rudo, new blue pot')")


class Line:
    """The browser's line: what came over it, and how long a step took."""

    def __init__(self, page, emulated):
        self._received, self.page = 0, page
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.dataReceived", lambda event: self._add(event["encodedDataLength"]))
        if emulated:
            session.send("Network.emulateNetworkConditions", emulated)

    def measured(self, step, seen):
        """Seconds until the script `seen` is true after the step, and kilobytes by then."""
        before, started = self._received, time.perf_counter()
        step()
        self.page.wait_for_function(seen)
        seconds = time.perf_counter() - started
        self.page.wait_for_timeout(1500)  # whatever else the step asked for
        return seconds, (self._received - before) / 1000

    def _add(self, count):
        self._received += count


def verdict_and_grid(word):
    return (
        f"document.querySelector('#verdict')?.innerText.includes('{word}') && "
        "[...document.querySelectorAll('#grid img, #grid canvas')].some(one => one.checkVisibility())"
    )


def visit(url, playwright):
    """Of one new browser: name → (seconds, kilobytes)."""
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    line, found = Line(page, FAST_3G), {}
    story = verdict_and_grid("Baya")
    found["opening, to the first grid"] = line.measured(lambda: page.goto(url, wait_until="commit"), story)
    page.wait_for_timeout(4000)
    found["an example never shown"] = line.measured(lambda: page.click(OLD_POT), verdict_and_grid("Rudo, "))
    found["one shown before"] = line.measured(lambda: page.click(NEW_POT), story)
    browser.close()
    return found


def hues(url, playwright):
    """Seconds from opening What if? to the wheel with its 36 answers, on a fast line."""
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url + "/?tab=what-if")
    page.wait_for_selector(".what-if .pair")
    page.wait_for_timeout(2000)
    started = time.perf_counter()
    page.locator("#hues").scroll_into_view_if_needed()
    page.wait_for_selector("#hues polyline", state="attached")
    seconds = time.perf_counter() - started
    browser.close()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    visits, wheels = [], []
    with sync_playwright() as playwright:
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as home, running_app(Path(home)) as url:
                visits.append(visit(url, playwright))
                wheels.append(hues(url, playwright))
    for name in visits[0]:
        seconds, kilobytes = (statistics.median(one[name][which] for one in visits) for which in (0, 1))
        print(f"{name:<28} {seconds:5.1f} s {kilobytes:7.0f} kB")
    print(f"the wheel of hues            {statistics.median(wheels):5.1f} s")


if __name__ == "__main__":
    main()
