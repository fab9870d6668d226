"""Values: what each component takes from outside, and the one sentence for whatever else was sent. It never repeats what was sent.

Gradio's own checks let a list pass for a choice and a path for a photo, repeat megabytes in their errors, or end in no word at all.
"""

import gradio as gr

from .upload import Upload

MAX_TEXT = 2000  # characters: a link is the longest text that a visitor sends
LARGEST = 10**9  # no number that is asked for here comes near it


async def validated(blocks, sent, state=None) -> list:
    """What was sent for the blocks, as they take it: photos as files of the upload folder. Raises ValueError (PhotoError)."""
    now = [_as_changed(block, state) for block in blocks]
    return [await _judged(block, value) for block, value in zip(now, _each(blocks, sent))]


async def validated_for_queue(blocks, sent) -> list:
    """The same as it may wait in a line, small and of the right kind: a photo's bytes are filed, an address is not yet gone to,
    and whether a choice is there is seen in its turn, since the page's choices change. Raises ValueError (PhotoError)."""
    return [await _fit(block, value) for block, value in zip(blocks, _each(blocks, sent))]


def event_value(event: gr.EventData, name: str, known=None):
    """What an event tells under the name: a text, or one of what is `known`. Raises gr.Error for whatever else was sent as an event."""
    value = (event._data or {}).get(name)
    if isinstance(value, str) if known is None else value in known:
        return value
    raise gr.Error("This click tells of something that is not on the page; open the page again.", print_exception=False)


def _each(blocks, sent):
    if len(sent) < len(blocks):
        names = ", ".join(name_of(block) for block in blocks)
        raise ValueError(f"This takes {len(blocks)} values, of which {len(sent)} came: {names}.")
    return sent[: len(blocks)]


def _as_changed(block, state):
    """The component as this visitor's page has it: its choices may have changed. Under a State's number lies its value instead."""
    return state[block._id] if state is not None and not block.stateful and block._id in state else block


async def _judged(block, value):
    if block.stateful:  # the session's own counts
        return None
    if isinstance(block, gr.Dropdown | gr.Radio):
        return _choice(block, value)
    if value is None:  # has its sentence where it is needed
        return value
    if isinstance(block, Upload):
        return await block.receive(value)
    if isinstance(block, gr.Checkbox):
        return _yes_or_no(block, value)
    if isinstance(block, gr.Number | gr.Slider):
        return _number(block, value)
    return _text(block, value)


async def _fit(block, value):
    if isinstance(block, Upload) and isinstance(value, dict):
        address = value.get("path")
        return {"path": _text(block, address)} if _to_be_fetched(value) else await block.receive(value)
    if isinstance(block, gr.Dropdown | gr.Radio) and _is_text(value):
        return value
    return await _judged(block, value)


def _to_be_fetched(photo):
    """Whether only its address was sent; of a photo that has both, `Upload.receive` takes the one within the message."""
    path, url = photo.get("path"), photo.get("url")
    return (
        isinstance(path, str)
        and path.startswith(("http://", "https://"))
        and not (isinstance(url, str) and url.startswith("data:"))
    )


def _choice(block, value):
    there = [name for _, name in block.choices]
    if not isinstance(value, str) or value not in there:
        raise ValueError(f"There is no {name_of(block)} of that name; choose one of {', '.join(there)}.")
    return value


def _yes_or_no(block, value):
    if not isinstance(value, bool):
        raise ValueError(f"The {name_of(block)} must be true or false.")
    return value


def _number(block, value):
    least, most = (
        -LARGEST if block.minimum is None else block.minimum,
        LARGEST if block.maximum is None else block.maximum,
    )
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:  # nor is a NaN
        raise ValueError(f"The {name_of(block)} must be a number from {least:,} to {most:,}.")
    return value


def _text(block, value):
    if not _is_text(value):
        raise ValueError(f"The {name_of(block)} must be a text of at most {MAX_TEXT} characters.")
    return value


def _is_text(value):
    return isinstance(value, str) and len(value) <= MAX_TEXT


def name_of(block) -> str:
    """What callers know a component by: the head of its label."""
    return (block.label or block.get_block_name()).partition(":")[0].lower()
