"""The page for everybody: without a mouse, in light and dark, for those who listen to it, and while it works."""

from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import WIDE, Window, ask_about_val

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
  focused.dataset.reached = ++window.reached;
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
  window.reached = 0;
  document.querySelectorAll('[data-reached]').forEach((part) => delete part.dataset.reached);
  document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0);
}"""
# The same stops once more, without the keys: the browser draws its frame as after a key, since a key was the last that was pressed.
LOOK_AGAIN = f"""() => [...document.querySelectorAll('[data-reached]')].sort((a, b) => a.dataset.reached - b.dataset.reached).map((part) => {{
  part.focus();
  delete part.dataset.reached;
  return ({LOOK})();
}})"""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"  # a colour on its way is neither of the two
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def still(page):
    page.add_style_tag(content=STILL)
    return page


@pytest.fixture(scope="module")
def shared(visitor, app_url):
    """One page whose tabs are looked at one after the other; whoever takes it brings a tab to the front, and leaves it light and wide."""
    window = Window(visitor)
    page = window.open(app_url)
    page.add_style_tag(content=STILL)
    yield page
    page.close()
    assert window.complaints == []


def bring(page, tab):
    """The tab in front, with its answer on it."""
    page.click(f"#tabs button[role=tab]:visible:has-text('{tab}')")
    page.wait_for_selector(FULL[tab])
    if tab == "Audit":
        ask_about_val(page)
    at_rest(page)


def at_rest(page):
    """Nothing is being worked out: until then Gradio fades what stood there before."""
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


CONTRAST = "color-contrast"  # axe's rule; the only one that dark and light can differ in


def violations(page, part, **options):
    """What axe-core calls serious or critical in a part of the page: rule, where, why."""
    found = Axe().run(page, part, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("tab", FULL)
def test_a_tab_is_for_everybody(shared, tab):
    """Without a mouse, in light and dark, read aloud, on a phone."""
    shared.bring_to_front()
    bring(shared, tab)
    reached = assert_seen(shared, tab)
    cells = shared.locator("button.cell:visible").count()
    assert sum("Enlarge" in name for name in reached) == cells and (cells == 20 or tab != "Explain")
    part = "body" if tab == "Explain" else "#tabs"  # what is around the tabs is the same for all
    assert violations(shared, part) == []
    with dark(shared):
        again = shared.evaluate(LOOK_AGAIN)
        assert len(again) == len(reached) and [told for told in again if told is None or told["fault"]] == []
        assert violations(shared, part, runOnly=[CONTRAST]) == []
    with narrow(shared):
        assert violations(shared, part, rules={CONTRAST: {"enabled": False}}) == []


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


def test_what_takes_long_says_how_far_it_is(page):
    page.click("#tabs button[role=tab]:visible:has-text('Audit')")
    page.click("#audit-start")
    page.wait_for_selector("#audit-result .progress-level:visible")
    page.wait_for_function("document.querySelector('#audit-result').innerText.includes('%')")
    page.click("#audit-stop")
    page.wait_for_selector("#audit-result :text('Stopped')")
