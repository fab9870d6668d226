"""What the page has shown before is shown again by the browser alone, and is always the answer to what is chosen."""

from contextlib import contextmanager

from browsing import QUEUE_JOIN, choose, settle, wait_for_verdict

OLD_POT, NEW_POT = "button:has-text('Rudo, old red pot')", "button:has-text('Rudo, new blue pot')"
OTHER = "button:has-text('Greg') >> nth=0"
ASKED = f"**{QUEUE_JOIN}*"


@contextmanager
def held_back(page):
    """The requests for answers, which the server does not get."""
    requests = []
    page.route(ASKED, lambda route: requests.append(route))  # noqa: PLW0108 (Playwright marks what it is given)
    yield requests
    page.unroute(ASKED)


def press(page, example):
    page.click(f"#examples {example}")


def shown(page):
    settle(page)
    return page.inner_html("#verdict"), page.inner_html("#grid")


def test_an_example_shown_before_is_shown_again_without_a_request(page):
    new = shown(page)
    press(page, OLD_POT)
    wait_for_verdict(page, "✓ really Rudo")
    old = shown(page)
    with held_back(page) as requests:
        press(page, NEW_POT)
        wait_for_verdict(page, "✗ really Rudo")
        assert shown(page) == new
        press(page, OLD_POT)
        wait_for_verdict(page, "✓ really Rudo")
        assert shown(page) == old != new
    assert requests == []


def test_the_steps_of_a_photo_are_shown_again_as_well(visit):
    page = visit("/?tab=steps&example=test/0_000")
    there = "text => document.querySelector('#steps').innerText === text"
    deepest = page.inner_text("#steps")
    choose(page, "#layer", "conv1")
    page.wait_for_function(f"text => !({there})(text)", arg=deepest)
    settle(page)
    with held_back(page) as requests:
        choose(page, "#layer", "deepest")
        page.wait_for_function(there, arg=deepest)
    assert requests == []


def test_an_answer_that_comes_late_does_not_replace_what_was_chosen_since(page):
    """And is kept as the answer to what it was asked for."""
    new = shown(page)
    with held_back(page) as requests:
        press(page, OTHER)
        while not requests:
            page.wait_for_timeout(50)
        press(page, NEW_POT)
        wait_for_verdict(page, "✗ really Rudo")
        requests[0].continue_()
        page.wait_for_function("whereDidItLook.memory.recall('1')")  # the second answer is here
        assert shown(page) == new
        press(page, OTHER)
        wait_for_verdict(page, "really Greg")
    assert len(requests) == 1


def test_a_refusal_is_not_kept(page):
    remove = page.locator("#photo button[aria-label='Remove Image']")
    remove.click()
    wait_for_verdict(page, "No photo")
    press(page, OLD_POT)
    wait_for_verdict(page, "✓ really Rudo")
    with page.expect_request(lambda request: QUEUE_JOIN in request.url):
        remove.click()
    wait_for_verdict(page, "No photo")
