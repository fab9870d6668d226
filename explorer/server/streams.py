"""Event streams at shutdown: each listener gets an error event, and no stream delays the end of the program."""

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

STOPPED = "The server was stopped before this was answered; please ask again once it is back."


def end_streams(page: gr.Blocks):
    """Send every listener the error. To be called in the server's own thread."""
    page.server_app.stop_event.set()  # the heartbeats of open pages
    queue = page._queue
    for session, messages in queue.pending_messages_per_session.items():
        for event_id in list(queue.pending_event_ids_session.get(session, ())):
            messages.put_nowait(ProcessCompletedMessage(event_id=event_id, output={"error": STOPPED}, success=False))
