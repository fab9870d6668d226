"""Accessibility in a real browser: keyboard, visible focus, contrast, axe-core, narrow screens, progress."""

from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import WIDE, Window, audit_val, choose, settle

CONTENT = {  # tab → selector of its answer
    "Explain": "table.matrix",
    "Step by step": "#steps table.summary",
    "What if?": ".what-if .paints",
    "Audit": "#audit-start",
    "Trust": "table.trust-methods",
}

# The focused element: whether it, or an element around it, has a visible focus outline that nothing clips.
CHECK_FOCUS = """() => {
  const focused = document.activeElement;
  if (focused === document.body || focused.dataset.reached) return null;
  focused.dataset.reached = ++window.reached;
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const background = (part) => {
    for (; part; part = part.parentElement) {
      const colour = getComputedStyle(part).backgroundColor;
      if (/^rgb\\(/.test(colour)) return colour; // rgba( is transparent
    }
    return 'rgb(255, 255, 255)';
  };
  const outline = (part) => {
    const style = getComputedStyle(part);
    const wide = parseFloat(style.outlineWidth), away = parseFloat(style.outlineOffset) + wide;
    if (style.outlineStyle !== 'solid' || wide < 2 || style.opacity === '0') return null;
    if (contrast(style.outlineColor, background(part.parentElement)) < 3) return null;
    const box = part.getBoundingClientRect();
    return box.width && box.height ? [box.left - away, box.top - away, box.right + away, box.bottom + away] : null;
  };
  const candidates = [focused];
  while (candidates.length < 4) candidates.push(candidates.at(-1).parentElement);
  const outlined = candidates.find(outline);
  const name = focused.getAttribute('aria-label') || focused.innerText || focused.value || focused.title;
  const result = { is: `${focused.tagName} ${name}`.slice(0, 60), fault: '' };
  if (!outlined) return { ...result, fault: 'has no outline' };
  const [left, top, right, bottom] = outline(outlined);
  for (let part = outlined.parentElement; part && part !== document.body; part = part.parentElement) {
    if (getComputedStyle(part).overflow === 'visible') continue;
    const box = part.getBoundingClientRect();
    if (left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1) {
      result.fault = `is clipped by ${part.tagName} ${part.id} ${part.className}`;
    }
  }
  if (top > innerHeight || bottom < 0) result.fault = 'is out of view';
  return result;
}"""
FOCUSABLE = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])'
NOT_REACHED = f"""(part) => [...document.querySelector(part).querySelectorAll('{FOCUSABLE}')]
  .filter((part) => part.checkVisibility({{ visibilityProperty: true }}) && !part.dataset.reached && !part.disabled)
  .filter((part) => !part.closest('.tab-container.visually-hidden'))  // Gradio's copy of the tabs, which it measures
  .map((part) => part.outerHTML.slice(0, 120))"""
FOCUS_FIRST = """() => {
  window.reached = 0;
  document.querySelectorAll('[data-reached]').forEach((part) => delete part.dataset.reached);
  document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0);
}"""
# The same elements again, focused by script: the browser draws :focus-visible, since the last input was a key.
RECHECK_FOCUS = f"""() => [...document.querySelectorAll('[data-reached]')]
  .sort((a, b) => a.dataset.reached - b.dataset.reached)
  .map((part) => {{
    part.focus();
    delete part.dataset.reached;
    return ({CHECK_FOCUS})();
  }})"""
# during a transition a colour is neither of the two
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def still(page):
    page.add_style_tag(content=STILL)
    return page


@pytest.fixture(scope="module")
def shared(visitor, app_url):
    """One page for all tabs: a test opens its tab, and leaves the page light and wide."""
    window = Window(visitor)
    page = window.open(app_url)
    page.add_style_tag(content=STILL)
    yield page
    page.close()
    assert window.complaints == []


def open_tab(page, tab):
    """The tab in front, with its answer."""
    page.click(f"#tabs button[role=tab]:visible:has-text('{tab}')")
    page.wait_for_selector(CONTENT[tab])
    if tab == "Audit":
        audit_val(page)
    if tab == "What if?":  # the wheel asks once it is seen, and a key on its way would lose the focus
        page.locator("#hues").scroll_into_view_if_needed()
        page.wait_for_selector("#hues polyline")
    wait_until_idle(page)


def wait_until_idle(page):
    """No answer is pending: until then Gradio fades the old one."""
    page.wait_for_timeout(200)
    page.wait_for_function("!document.querySelector('#tabs .pending')")


@contextmanager
def dark(page):
    page.evaluate("document.body.classList.add('dark')")
    yield
    page.evaluate("document.body.classList.remove('dark')")


@contextmanager
def narrow(page):
    page.set_viewport_size(NARROW)
    yield
    page.set_viewport_size(WIDE)


def press_tab_through(page):
    """What the key Tab reaches, from the first control to the last."""
    page.evaluate(FOCUS_FIRST)
    reached = []
    while True:
        page.keyboard.press("Tab")
        focused = page.evaluate(CHECK_FOCUS)
        if focused is None:
            return reached
        reached.append(focused)


def assert_keyboard_accessible(page, where):
    """The key Tab reaches everything, each with a visible outline. Returns the names."""
    reached = press_tab_through(page)
    assert [(where, stop) for stop in reached if stop["fault"]] == []
    assert [(where, part) for part in page.evaluate(NOT_REACHED, "body")] == []
    return [stop["is"] for stop in reached]


CONTRAST = "color-contrast"  # axe's rule; the only one that dark and light can differ in


def violations(page, part, **options):
    """What axe-core calls serious or critical in a part of the page: rule, where, why."""
    violated = Axe().run(page, part, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in violated
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("tab", CONTENT)
def test_a_tab_is_accessible(shared, tab):
    """By keyboard, in light and dark, to screen readers, on a phone."""
    shared.bring_to_front()
    open_tab(shared, tab)
    reached = assert_keyboard_accessible(shared, tab)
    wait_until_idle(shared)  # what came into view may have asked
    cells = shared.locator("button.cell:visible").count()
    assert sum("Enlarge" in name for name in reached) == cells and (cells == 20 or tab != "Explain")
    part = "body" if tab == "Explain" else "#tabs"  # the rest of the page is the same for all
    assert violations(shared, part) == []
    with dark(shared):
        again = shared.evaluate(RECHECK_FOCUS)
        assert len(again) == len(reached) and [stop for stop in again if stop is None or stop["fault"]] == []
        assert violations(shared, part, runOnly=[CONTRAST]) == []
    with narrow(shared):
        assert violations(shared, part, rules={CONTRAST: {"enabled": False}}) == []


def two_models(page):
    choose(page, "#beside", "debiased (rendered photos, pots of any colour)")
    page.wait_for_selector(".pair section:nth-child(2) table.matrix")


def columns_without_maps(page):
    choose(page, "#model", "embedded_gap (rendered photos)")
    choose(page, "#method", "CAM")
    page.wait_for_selector("table.matrix td.gap")


def a_map_taken_out(page):
    page.locator("button.take").first.click()
    page.wait_for_selector(".recomputed [role=status]:has-text('Without map')")


def strongest_photos(page):
    page.locator("button.strongest").first.click()
    page.wait_for_selector(".block.sheet.open .strong figure")


def photos_that_a_number_counts(page):
    page.locator("table.confusion button.count").last.click()
    page.wait_for_selector("#audit-photos.open .chosen figure")
    photos = "[...document.querySelectorAll('#audit-photos img')]"
    # a link around a photo that is not there yet has no outline
    page.evaluate(f"{photos}.forEach((image) => {{ image.loading = 'eager'; }})")
    page.wait_for_function(f"{photos}.every((image) => image.complete && image.naturalWidth)")


def the_story(page):
    page.click("#story .begin")
    page.locator("#story .panel").wait_for()


STATES = {  # what is done, on which tab → the part of the page that it changes
    two_models: ("Explain", ".pair"),
    columns_without_maps: ("Explain", "table.matrix"),
    a_map_taken_out: ("Step by step", ".steps"),
    strongest_photos: ("Step by step", ".block.sheet.open"),
    photos_that_a_number_counts: ("Audit", "#audit-photos"),
    the_story: ("Explain", "#story"),
}
FOCUS_PART = """(part) => {
  window.reached = 0;
  document.querySelectorAll('[data-reached]').forEach((each) => delete each.dataset.reached);
  const first = document.querySelector(part);
  first.tabIndex = -1; first.focus(); first.removeAttribute('tabindex');
}"""


def stops_within(page, part):
    """What the key Tab reaches within a part of the page, each with what is wrong with its outline."""
    page.evaluate(FOCUS_PART, part)
    stops = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(CHECK_FOCUS)
        if stop is None or not page.evaluate("(part) => document.activeElement.closest(part) !== null", part):
            return stops
        stops.append(stop)


@pytest.mark.parametrize("act", STATES, ids=lambda act: act.__name__)
def test_what_opens_on_a_tab_is_accessible(still, act):
    """By keyboard, in light and dark, to screen readers, without scrolling a phone sideways."""
    tab, part = STATES[act]
    still.bring_to_front()  # the page that the tests above share may be
    if tab != "Explain":
        open_tab(still, tab)
    act(still)
    wait_until_idle(still)
    stops = stops_within(still, part)
    assert stops and [stop for stop in stops if stop["fault"]] == []
    assert still.evaluate(NOT_REACHED, part) == []
    assert violations(still, part) == []
    with dark(still):
        assert violations(still, part, runOnly=[CONTRAST]) == []
    with narrow(still):
        assert still.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_keyboard_reaches_conditional_controls(still):
    open_tab(still, "What if?")
    still.click("#colour label:has-text('Another')")
    still.wait_for_selector("#own-colour:visible")
    for region, control in (("Hottest part", "#percent:visible"), ("Draw it", "#pad canvas:visible")):
        still.click(f"#region label:has-text('{region}')")
        still.wait_for_selector(control)
        wait_until_idle(still)
        assert_keyboard_accessible(still, region)


NAME_OF_FOCUSED = """(({ ariaLabel, labels, textContent }) =>
    ariaLabel || labels?.[0]?.innerText.trim() || textContent)(document.activeElement)"""


def test_an_enlarged_cell_traps_and_restores_focus(still):
    still.locator("button.cell").nth(1).focus()
    still.keyboard.press("Enter")
    still.wait_for_selector("dialog.lightbox")
    names = set()
    for _ in range(9):
        still.keyboard.press("Tab")
        if still.evaluate("document.activeElement.closest('dialog') !== null"):
            still.evaluate("delete document.activeElement.dataset.reached")
            assert still.evaluate(CHECK_FOCUS)["fault"] == ""
            names.add(still.evaluate(NAME_OF_FOCUSED))
    assert names == {"Previous", "Next", "Heat", "Save", "Step by step", "Close"}
    still.keyboard.press("Escape")
    assert still.evaluate("document.activeElement.dataset.name") == "rudo-conv2"


def test_an_audit_shows_its_progress(page):
    page.click("#tabs button[role=tab]:visible:has-text('Audit')")
    page.click("#audit-start")
    page.wait_for_selector("#audit-result .progress-level:visible")
    page.wait_for_function("document.querySelector('#audit-result').innerText.includes('%')")
    page.click("#audit-stop")
    page.wait_for_selector("#audit-result :text('Stopped')")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080)])
def test_four_rows_of_the_grid_are_above_the_fold(window, visit, width, height):
    page = visit("/")
    page.set_viewport_size({"width": width, "height": height})
    rows = page.locator("table.matrix tbody tr")
    page.wait_for_function("document.querySelectorAll('table.matrix td img.heat').length === 20")
    bottoms = [box["y"] + box["height"] for box in (row.bounding_box() for row in rows.all())]
    assert sum(bottom <= height for bottom in bottoms) >= 4, bottoms
    page.mouse.wheel(0, 400)  # and the photo stays in sight
    page.wait_for_function("scrollY > 0")
    assert 0 <= page.locator("#photo").bounding_box()["y"] < 40


def test_a_phone_shows_all_five_tabs(visit):
    page = visit("/")
    page.set_viewport_size(NARROW)
    page.reload()
    settle(page)
    tabs = page.locator("#tabs .tab-container button[role=tab]:visible")
    boxes = [tab.bounding_box() for tab in tabs.all()]
    assert len(boxes) == 5 and all(box["x"] >= 0 and box["x"] + box["width"] <= NARROW["width"] for box in boxes)


@pytest.mark.parametrize(
    ("tab", "hidden"),
    [
        ("Explain", set()),
        ("Step by step", {"scale", "outline", "beside"}),
        ("What if?", {"scale", "outline", "beside"}),
        ("Audit", {"photo", "examples", "method", "target", "layer", "base", "scale", "outline", "beside"}),
        ("Trust", {"scale", "outline", "beside"}),
    ],
)
def test_a_tab_shows_the_controls_that_it_reads(shared, tab, hidden):
    shared.bring_to_front()
    shared.click(f"#tabs button[role=tab]:visible:has-text('{tab}')")
    settle(shared)
    shared.click("#appearance button.label-wrap")
    shared.locator("#colormap").wait_for()
    names = (
        "photo",
        "examples",
        "model",
        "method",
        "target",
        "layer",
        "base",
        "colormap",
        "scale",
        "outline",
        "beside",
    )
    assert {name for name in names if not shared.locator(f"#{name}").is_visible()} == hidden
    shared.click("#appearance button.label-wrap")  # folded again, as the others of this page find it
    shared.locator("#colormap").wait_for(state="hidden")
