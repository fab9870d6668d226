"""Sessions keep what a visitor changed, apart from each other, and nothing of what was answered."""

import gradio as gr
import pytest

from explorer.server.sessions import Sessions


@pytest.fixture
def page():
    with gr.Blocks() as page:
        page.dropdown = gr.Dropdown(["a", "b"], value="a")
        page.state = gr.State([])
    page.state_session_capacity = 2
    return page


@pytest.fixture
def sessions(page):
    sessions = Sessions()
    sessions.set_blocks(page)
    return sessions


def test_changes_are_kept_per_session(page, sessions):
    dropdown, state = page.dropdown._id, page.state._id
    first, second = sessions["first"], sessions["second"]
    first[dropdown] = gr.Dropdown(["c"])
    first[state] = ["drawn"]
    assert sessions["first"][dropdown].choices == [("c", "c")] and sessions["second"][dropdown].choices == [
        ("a", "a"),
        ("b", "b"),
    ]
    assert first[state] == ["drawn"] and second[state] == []


def test_outputs_are_not_kept(page, sessions):
    session = sessions["caller"]
    session._update_value_in_config(page.dropdown._id, "a long answer")
    assert not session.config_values and not list(session.components)


def test_the_least_recently_used_session_is_dropped(sessions):
    first = sessions["first"]
    for name in ("second", "first", "third"):
        sessions[name]
    assert set(sessions.session_data) == {"first", "third"} and sessions["first"] is first
