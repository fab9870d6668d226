"""The page for everybody: without a mouse, in light and dark, for those who listen to it, and while it works."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_page_audit import ask_about_val

SOME_SECONDS = 60_000  # ms; the tab Trust measures every method
FULL = {  # tab → what stands there once it has its answer
    "Explain": "table.matrix",
    "Step by step": "#steps table.summary",
    "What if?": ".what-if .paints",
    "Audit": "#audit-start",
    "Trust": "table.trust-methods",
}

# The element in focus: whether a frame is drawn around it, or around the part that stands for it, which nothing cuts off.
LOOK = """() => {
  const focused = document.activeElement;
  if (focused === document.body || focused.dataset.reached) return null;
  focused.dataset.reached = 'yes';
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const ground = (part) => {
    for (; part; part = part.parentElement) {
      const colour = getComputedStyle(part).backgroundColor;
      if (/^rgb\\(/.test(colour)) return colour; // rgba( lets through what is behind
    }
    return 'rgb(255, 255, 255)';
  };
  const frame = (part) => {
    const style = getComputedStyle(part);
    const wide = parseFloat(style.outlineWidth), away = parseFloat(style.outlineOffset) + wide;
    if (style.outlineStyle !== 'solid' || wide < 2 || style.opacity === '0') return null;
    if (contrast(style.outlineColor, ground(part.parentElement)) < 3) return null;
    const box = part.getBoundingClientRect();
    return box.width && box.height ? [box.left - away, box.top - away, box.right + away, box.bottom + away] : null;
  };
  const around = [focused, focused.parentElement, focused.parentElement.parentElement, focused.parentElement.parentElement.parentElement];
  const framed = around.find(frame);
  const told = { is: `${focused.tagName} ${focused.getAttribute('aria-label') || focused.innerText || focused.value || focused.title}`.slice(0, 60), fault: '' };
  if (!framed) return { ...told, fault: 'has no frame' };
  const [left, top, right, bottom] = frame(framed);
  for (let part = framed.parentElement; part && part !== document.body; part = part.parentElement) {
    if (getComputedStyle(part).overflow === 'visible') continue;
    const box = part.getBoundingClientRect();
    if (left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1) told.fault = `is cut off by ${part.tagName} ${part.id} ${part.className}`;
  }
  if (top > innerHeight || bottom < 0) told.fault = 'is out of sight';
  return told;
}"""
PASSED_BY = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, canvas, [tabindex]')]
  .filter((part) => part.checkVisibility({ visibilityProperty: true }) && !part.dataset.reached && !part.disabled)
  .filter((part) => !part.closest('.tab-container.visually-hidden'))  // Gradio's copy of the tabs, which it measures
  .map((part) => part.outerHTML.slice(0, 120))"""
FROM_THE_TOP = """() => {
  document.querySelectorAll('[data-reached]').forEach((part) => delete part.dataset.reached);
  document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0);
}"""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"  # a colour on its way is neither of the two


@pytest.fixture
def still(page):
    page.add_style_tag(content=STILL)
    return page


def bring(page, tab):
    """The tab in front, with its answer on it."""
    page.click(f"#tabs button[role=tab]:visible:has-text('{tab}')")
    page.wait_for_selector(FULL[tab], timeout=SOME_SECONDS)
    if tab == "Audit":
        ask_about_val(page)
    at_rest(page)


def at_rest(page):
    """Nothing is being worked out: until then Gradio fades what stood there before."""
    page.wait_for_timeout(200)
    page.wait_for_function("!document.querySelector('#tabs .pending')", timeout=SOME_SECONDS)


def dress(page, theme):
    page.evaluate("theme => document.body.classList.toggle('dark', theme === 'dark')", theme)


def walk(page):
    """What Tab reaches, from the first control to the last."""
    page.evaluate(FROM_THE_TOP)
    reached = []
    while True:
        page.keyboard.press("Tab")
        told = page.evaluate(LOOK)
        if told is None:
            return reached
        reached.append(told)


def assert_seen(page, where):
    """Tab reaches everything, and each stop can be seen. Returns what was reached."""
    reached = walk(page)
    assert [(where, told) for told in reached if told["fault"]] == []
    assert [(where, part) for part in page.evaluate(PASSED_BY)] == []
    return [told["is"] for told in reached]


def test_the_keyboard_reaches_all_and_its_place_is_seen(still):
    for tab in FULL:
        bring(still, tab)
        reached = assert_seen(still, tab)
        cells = still.locator("button.cell:visible").count()
        assert sum("Enlarge" in name for name in reached) == cells and (cells == 20 or tab != "Explain")
        dress(still, "dark")
        assert [(tab, told) for told in walk(still) if told["fault"]] == []
        dress(still, "light")


def test_the_keyboard_reaches_what_a_choice_brings(still):
    bring(still, "What if?")
    still.click("#colour label:has-text('Another')")
    still.wait_for_selector("#own-colour:visible")
    for region, brought in (("Hottest part", "#percent:visible"), ("Draw it", "#pad canvas:visible")):
        still.click(f"#region label:has-text('{region}')")
        still.wait_for_selector(brought)
        at_rest(still)
        assert_seen(still, region)


def test_an_enlarged_cell_keeps_the_keyboard_and_gives_it_back(still):
    still.locator("button.cell").nth(1).focus()
    still.keyboard.press("Enter")
    still.wait_for_selector("dialog.lightbox")
    seen = set()
    for _ in range(6):
        still.keyboard.press("Tab")
        if still.evaluate("document.activeElement.closest('dialog') !== null"):
            still.evaluate("delete document.activeElement.dataset.reached")
            told = still.evaluate(LOOK)
            assert told["fault"] == ""
            seen.add(still.evaluate("document.activeElement.textContent"))
    assert seen == {"Save", "Step by step", "Close"}
    still.keyboard.press("Escape")
    assert still.evaluate("document.activeElement.dataset.name") == "rudo-conv2"


def violations(page):
    """What axe-core calls serious or critical: rule, part of the page, why."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_axe_finds_nothing_serious(still):
    found = {}
    for tab in FULL:
        bring(still, tab)
        for theme in ("light", "dark"):
            dress(still, theme)
            found[tab, theme] = violations(still)
        dress(still, "light")
        still.set_viewport_size({"width": 390, "height": 844})
        found[tab, "narrow"] = violations(still)
        still.set_viewport_size({"width": 1280, "height": 900})
    assert {where: faults for where, faults in found.items() if faults} == {}


def test_what_takes_long_says_how_far_it_is(page):
    page.click("#tabs button[role=tab]:visible:has-text('Audit')")
    page.click("#audit-start")
    page.wait_for_selector("#audit-result .progress-level:visible")
    page.wait_for_function("document.querySelector('#audit-result').innerText.includes('%')")
    page.click("#audit-stop")
    page.wait_for_selector("#audit-result :text('Stopped')")
