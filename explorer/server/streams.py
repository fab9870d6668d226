"""The answers that are being listened to when the program ends: each listener is told, and no stream keeps the program waiting."""

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

ENDED = "The server was stopped before this was answered; please ask again once it is back."


def end_streams(page: gr.Blocks):
    """Tell whoever listens that no answer will come. For the server's own thread."""
    page.server_app.stop_event.set()  # the heartbeats of open pages
    queue = page._queue
    for session, messages in queue.pending_messages_per_session.items():
        for event in list(queue.pending_event_ids_session.get(session, ())):
            messages.put_nowait(ProcessCompletedMessage(event_id=event, output={"error": ENDED}, success=False))
