"""A plain HTTP client: uploads, calls of endpoints and handlers, valid arguments for each endpoint."""

import json

from explorer.photos import examples

STORY = examples.embedded().story.file

FILE_DATA = {"_type": "gradio.FileData"}


def uploaded(server, data, name="photo.jpg") -> str:
    answer = server.post("/gradio_api/upload", files={"files": (name, data)})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


def call(server, endpoint, values):
    """As by curl: ("complete", outputs), ("error", sentence) or (status, sentence)."""
    response = server.post(
        f"/gradio_api/call{endpoint}",
        content=json.dumps({"data": values}),
        headers={"Content-Type": "application/json"},
    )
    if response.status_code != 200:
        return response.status_code, response.json()["detail"]
    stream = server.get(f"/gradio_api/call{endpoint}/{response.json()['event_id']}").text
    event, data = stream.strip().split("\n\n")[-1].split("\n", 1)
    content = json.loads(data.removeprefix("data: "))
    event = event.removeprefix("event: ")
    return event, content["error"] if event == "error" else content


USUAL = {
    "/explain": ["embedded", "Grad-CAM", "edges", "jet", "each map"],
    "/heatmaps": ["embedded", "Grad-CAM"],
    "/step_by_step": ["embedded", "predicted", "conv3"],
    "/what_if": ["embedded", "Grad-CAM", "hottest", 10, "predicted", "conv3", "repaint", "red", None, "", 20],
    "/audit": ["embedded", "none", "val", False],
    "/trust": ["embedded", "Grad-CAM", "predicted", "conv3"],
}


def press(app, handler, values, event=None):
    """As by the page: the outputs of one of its handlers."""
    number = next(fn["id"] for fn in app.http.get("/config").json()["dependencies"] if fn["api_name"] == handler)
    body = {"data": values, "fn_index": number, "session_hash": handler, "event_data": event}
    app.http.post("/gradio_api/queue/join", json=body).raise_for_status()
    stream = app.http.get("/gradio_api/queue/data", params={"session_hash": handler}).text
    ended = next(line for line in stream.splitlines() if "process_completed" in line)
    return json.loads(ended.removeprefix("data: "))["output"]["data"]
