"""Deep links, copying and saving in a real browser."""

import io
import json
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browsing import QUEUE_JOIN, settle, wait_for_verdict
from PIL import Image


def value_of(page, name):
    return page.locator(f"#{name} input").first.input_value()


def checked(page, name):
    """What is chosen among the radio buttons of Appearance, which is folded at first."""
    if not page.locator(f"#{name}").is_visible():
        page.click("#appearance button.label-wrap")
    return page.locator(f"#{name} input:checked").input_value()


def test_a_link_opens_its_view(visit):
    page = visit("/?example=test/3_001&target=greg&layer=conv2&method=HiResCAM&colormap=viridis")
    wait_for_verdict(page, "really Yuki")
    page.wait_for_selector("button.cell.chosen[data-target=greg][data-column=conv2]")
    assert (
        value_of(page, "method") == "HiResCAM"
        and value_of(page, "target") == "Greg"
        and value_of(page, "layer") == "conv2"
    )
    assert checked(page, "colormap") == "viridis"


def test_address_bar_follows_the_controls(page):
    page.click("#examples button:has-text('Rudo, old red pot')")
    page.wait_for_function("location.search.includes('example=val%2F0_000')")
    page.click("#appearance button.label-wrap")
    page.click("#colormap label:has-text('cividis')")
    page.wait_for_function("location.search.includes('colormap=cividis')")
    settle(page)
    page.reload()
    assert "Rudo" in wait_for_verdict(page, "✓ really Rudo") and checked(page, "colormap") == "cividis"


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("/", 1),
        ("/?__theme=dark", 1),
        ("/?model=debiased", 3),
        ("/?tab=trust&model=debiased&target=greg&layer=conv1", 4),
        ("/?tab=what-if&example=test/3_001", 3),
    ],
)
def test_a_link_sends_each_request_once_and_leaves_nothing_pending(window, visit, path, times):
    """One for the link, if it has a query, one for what another model offers to choose from, and one for the tab in
    front; Trust's table and the hues of What if? are requests of their own."""
    requests = []
    window.page.on("request", lambda request: requests.append(request.url) if QUEUE_JOIN in request.url else None)
    page = visit(path)
    count = len(requests)
    page.wait_for_timeout(1000)
    assert count == len(requests) == times
    assert page.locator("#tabs .html-container.pending:visible").count() == 0


def test_a_click_sends_one_request_for_the_tab_in_front(page):
    requests = []
    page.on("request", lambda request: requests.append(request.url) if QUEUE_JOIN in request.url else None)
    page.click("#examples button:has-text('Rudo, old red pot')")
    wait_for_verdict(page, "✓ really Rudo")
    settle(page)
    assert len(requests) == 1


def test_an_unknown_example_is_a_warning_and_the_rest_opens(visit):
    page = visit("/?example=test/9_999&layer=conv1")
    page.wait_for_selector("text=The example that the link asks for is not here")
    assert "Baya" in wait_for_verdict(page, "really Rudo") and value_of(page, "layer") == "conv1"


def test_one_click_saves_the_archive(page):
    with page.expect_download() as download:
        page.click("button:has-text('Save figure, maps and report')")
    assert download.value.suggested_filename == "embedded-Grad-CAM.zip"
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert json.loads(archive.read("report.json"))["predicted"] == "baya"


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


RECORD_WARNINGS = """if (location.search.includes('evil')) {
    window.warnings = new Set();  // a warning is shown for ten seconds, which a busy machine may need for the next
    const toasts = () => document.querySelectorAll('.toast-text, .toast-body');
    const record = () => toasts().forEach((e) => window.warnings.add(e.textContent.trim()));
    new MutationObserver(record).observe(document, { childList: true, subtree: true, characterData: true });
}"""


def test_a_link_injects_no_markup(window, visit):
    """No value of a link becomes part of the page, and none causes an external request: `visit` would fail the test."""
    window.page.add_init_script(RECORD_WARNINGS)
    names = ["example", "model", "method", "target", "layer", "base", "colormap", "scale", "outline", "beside", "tab"]
    page = visit("/?" + urlencode([*zip(names, MARKUP * 2), ("other", MARKUP[0])]))
    page.wait_for_function(
        """names => names.every((name) =>
            [...window.warnings].some((text) => text.includes(`The ${name} that the link asks for is not here`)))""",
        arg=names,
    )
    assert "evil" not in page.inner_text("body")
    assert not any("evil" in text for text in page.evaluate("[...window.warnings]"))
    injected = page.evaluate(f"[...document.querySelectorAll('{ELEMENTS}')].map((e) => e.outerHTML)")
    assert [html for html in injected if "evil" in html] == []


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: () => Promise.reject(new DOMException('no')) }"])
def test_without_clipboard_access_the_link_is_shown_selected(visit, clipboard):
    page = visit("/?layer=conv2")
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard}, configurable: true }})")
    page.click("button:has-text('Copy link to this view')")
    field = page.locator("dialog input")
    field.wait_for()
    assert field.input_value() == page.url and "layer=conv2" in page.url
    selection = page.evaluate("[document.activeElement.selectionStart, document.activeElement.selectionEnd]")
    assert selection == [0, len(page.url)]
    assert page.get_by_label("here is the link").count() == 1 and page.get_by_text("Error", exact=True).count() == 0
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.innerText") == "Copy link to this view"


def test_a_link_is_copied(visit):
    page = visit("/?layer=conv2")
    page.evaluate("""Object.defineProperty(navigator, 'clipboard', {
        value: { writeText: async (text) => { window.copied = text; } },
    })""")
    page.click("button:has-text('Copy link to this view')")
    page.wait_for_function("window.copied === location.href")
    assert page.locator("dialog").count() == 0


def test_without_javascript_there_is_a_notice_with_links(browser, app_url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(app_url)
    assert "needs JavaScript" in page.inner_text("main")
    assert page.get_by_role("link").count() == 2
    for link in page.get_by_role("link").all():
        assert context.request.get(f"{app_url}/{link.get_attribute('href')}").ok
    context.close()


def test_a_shared_link_shows_the_story_and_not_gradio(browser, app_url):
    """As a reader of previews sees it: without scripts, the picture by its whole address."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(app_url)
    tags = dict(
        page.eval_on_selector_all(
            "head meta[property^='og:'], head meta[name^='twitter:']",
            "tags => tags.map(tag => [tag.getAttribute('property') ?? tag.name, tag.content])",
        )
    )
    assert tags["og:title"] == "Where did it look?" and "Baya" in tags["og:description"]
    assert tags["og:url"] == f"{app_url}/" and not any("radio" in words for words in tags.values())
    picture = context.request.get(tags["og:image"])
    assert tags["og:image"].startswith(f"{app_url}/") and picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.body())).size == (1200, 630)
    context.close()


def test_errors_while_a_page_is_unloaded_are_ignored(window, app_url, complaints):
    page = window.open(app_url)
    page.evaluate("addEventListener('beforeunload', () => console.error('aborted'))")
    page.goto(f"{app_url}/?layer=conv2")
    page.evaluate("console.error('this one counts')")
    settle(page)
    assert complaints == ["this one counts"]


def selected_tab(page):
    return page.inner_text("#tabs [role=tab][aria-selected=true]")


MOST_ENTRIES = 50  # that Chromium keeps of a tab


def test_back_and_forward_return_to_photos_and_tabs(visit):
    page = visit("/")
    settle(page)
    entries = min(page.evaluate("history.length") + 2, MOST_ENTRIES)
    page.click("#examples button >> nth=0")  # Rudo in red, who is recognised
    page.wait_for_selector(".truth.right")
    settle(page)
    page.click("#tabs button[role=tab]:has-text('What if?')")
    page.wait_for_selector(".what-if")
    settle(page)
    assert page.evaluate("history.length") == entries and "tab=what-if" in page.url
    page.go_back()
    page.wait_for_function("!location.search.includes('tab=')")
    settle(page)
    assert selected_tab(page) == "Explain" and "val%2F0_000" in page.url
    page.go_back()
    page.wait_for_selector(".truth.wrong")
    settle(page)
    assert "test%2F0_000" in page.url
    page.go_forward()
    page.wait_for_selector(".truth.right")
    page.go_forward()
    page.wait_for_selector(".what-if:visible")
    settle(page)
    assert selected_tab(page) == "What if?" and page.evaluate("history.length") == entries


def test_other_settings_make_no_history(visit):
    page = visit("/")
    settle(page)
    entries = page.evaluate("history.length")
    page.click("#layer input")
    page.click("ul[role=listbox] li[aria-label='conv1']")
    page.wait_for_function("location.search.includes('layer=conv1')")
    assert page.evaluate("history.length") == entries


def test_what_a_copied_link_holds_is_said(visit, tmp_path):
    page = visit("/")
    settle(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async () => {} } })")
    page.click("button:has-text('Copy link to this view')")
    page.wait_for_selector("#copied:has-text('Link copied.')")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "mine.png")
    page.set_input_files("#photo input[type=file]", tmp_path / "mine.png")
    page.wait_for_function("location.search.includes('example=own')")
    page.click("button:has-text('Copy link to this view')")
    page.wait_for_selector("#copied:has-text('Your own photo is not in it')")
    page.reload()  # as whoever gets the link
    page.wait_for_selector(":text('which no link can hold')")
    wait_for_verdict(page, "really Rudo")


PARENT = """<!doctype html><title>A Space's page</title>
<iframe src="{url}" style="width: 1300px; height: 900px"></iframe>
<script>
  addEventListener('message', (event) => {{
    if (event.origin !== '{url}' || !('queryString' in event.data)) return;
    history.replaceState(null, '', '?' + event.data.queryString);
  }});
</script>"""


def test_in_a_frame_of_a_spaces_page_its_address_follows(browser, app_url):
    """The parent's origin is the platform's own, played by this test: it does what the platform documents."""
    with browser.new_context(viewport={"width": 1360, "height": 960}) as context:
        context.route(
            "https://huggingface.co/**",
            lambda route: route.fulfill(body=PARENT.format(url=app_url), content_type="text/html"),
        )
        page = context.new_page()
        page.goto("https://huggingface.co/spaces/user/space")
        app = page.frame_locator("iframe")
        app.locator("table.matrix").wait_for()
        app.locator("#examples button >> nth=0").click()
        page.wait_for_function("location.search.includes('example=val%2F0_000')")
        app.locator("button:has-text('Copy link to this view')").click()
        link = app.locator("dialog input")
        link.wait_for()  # a frame may not copy
        assert link.input_value() == page.url
