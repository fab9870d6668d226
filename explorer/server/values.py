"""Validation of each component's value, with one sentence for a wrong one that never repeats what was sent.

Gradio's own checks accept a list for a choice and a path for a photo, repeat megabytes in their errors, or give no
message at all.
"""

import gradio as gr

from .upload import Upload

MAX_TEXT = 2000  # characters: a link is the longest text that a visitor sends
MAX_NAME = 200  # characters of a model's or a class's name that is not among the choices
MAX_NUMBER = 10**9  # above any number that a handler takes


async def validated(blocks, values, state=None) -> list:
    """The blocks' values, with photos as files of the upload folder. Raises ValueError (PhotoError)."""
    current = [_as_updated(block, state) for block in blocks]
    return [await _validated(block, value) for block, value in zip(current, _matched(blocks, values))]


async def validated_for_queue(blocks, values) -> list:
    """The same for a queued event, small and of the right types. Raises ValueError (PhotoError).

    A photo's bytes are saved, a URL is not yet fetched, and a choice is looked up when the event is processed, since
    the page's choices change.
    """
    return [await _validated_for_queue(block, value) for block, value in zip(blocks, _matched(blocks, values))]


def event_value(event: gr.EventData, name: str, known=None):
    """An event's field: a text, or one of the `known` values. Raises gr.Error for anything else that was sent."""
    value = (event._data or {}).get(name)
    if isinstance(value, str) if known is None else value in known:
        return value
    raise gr.Error("This click tells of something that is not on the page; open the page again.", print_exception=False)


def name_in(event: gr.EventData, field: str) -> str:
    """An event's field that names something of a model. Raises gr.Error for what cannot be such a name."""
    value = str(event_value(event, field))
    return str(event_value(event, field, [value[:MAX_NAME]]))


def _matched(blocks, values):
    if len(values) < len(blocks):
        names = ", ".join(name_of(block) for block in blocks)
        raise ValueError(f"This takes {len(blocks)} values, of which {len(values)} came: {names}.")
    return values[: len(blocks)]


def _as_updated(block, state):
    """The component as it is on this visitor's page, since choices change; under a State's id there is its value."""
    return state[block._id] if state is not None and not block.stateful and block._id in state else block


async def _validated(block, value):
    if block.stateful:  # its value is the session's own
        return None
    if isinstance(block, gr.Dropdown | gr.Radio):
        return _choice(block, value)
    if value is None:  # reported where it is needed
        return value
    if isinstance(block, Upload):
        return await block.receive(value)
    if isinstance(block, gr.Checkbox):
        return _boolean(block, value)
    if isinstance(block, gr.Number | gr.Slider):
        return _number(block, value)
    return _text(block, value)


async def _validated_for_queue(block, value):
    if isinstance(block, Upload) and isinstance(value, dict):
        return {"path": _text(block, value.get("path"))} if _needs_fetching(value) else await block.receive(value)
    if isinstance(block, gr.Dropdown | gr.Radio) and _is_text(value):
        return value
    return await _validated(block, value)


def _needs_fetching(photo):
    """Whether only its URL was sent; of a photo with a data: URL too, `Upload.receive` takes that."""
    path, url = photo.get("path"), photo.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        return False
    return isinstance(path, str) and path.startswith(("http://", "https://"))


def _choice(block, value):
    choices = [name for _, name in block.choices]
    if getattr(block, "allow_custom_value", False) and isinstance(value, str) and len(value) <= MAX_NAME:
        return value  # whoever uses it looks for what has that name
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"There is no {name_of(block)} of that name; choose one of {', '.join(choices)}.")
    return value


def _boolean(block, value):
    if not isinstance(value, bool):
        raise ValueError(f"The {name_of(block)} must be true or false.")
    return value


def _number(block, value):
    minimum = -MAX_NUMBER if block.minimum is None else block.minimum
    maximum = MAX_NUMBER if block.maximum is None else block.maximum
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not minimum <= value <= maximum:  # which a NaN is not either
        raise ValueError(f"The {name_of(block)} must be a number from {minimum:,} to {maximum:,}.")
    return value


def _text(block, value):
    if not _is_text(value):
        raise ValueError(f"The {name_of(block)} must be a text of at most {MAX_TEXT} characters.")
    return value


def _is_text(value):
    return isinstance(value, str) and len(value) <= MAX_TEXT


def name_of(block) -> str:
    """A component's name in sentences: the start of its label."""
    return (block.label or block.get_block_name()).partition(":")[0].lower()
