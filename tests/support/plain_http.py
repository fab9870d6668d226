"""The app asked over plain HTTP: uploads, questions to endpoints, a question of each kind."""

import json

from explorer.photos import examples

STORY = examples.embedded().story.file

FILE_DATA = {"_type": "gradio.FileData"}


def uploaded(server, data, name="photo.jpg") -> str:
    answer = server.post("/gradio_api/upload", files={"files": (name, data)})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


def call(server, endpoint, values):
    """What curl would do: ("complete", outputs), ("error", sentence) or (the status, sentence)."""
    asked = server.post(
        f"/gradio_api/call{endpoint}",
        content=json.dumps({"data": values}),
        headers={"Content-Type": "application/json"},
    )
    if asked.status_code != 200:
        return asked.status_code, asked.json()["detail"]
    told = server.get(f"/gradio_api/call{endpoint}/{asked.json()['event_id']}").text
    event, data = told.strip().split("\n\n")[-1].split("\n", 1)
    content = json.loads(data.removeprefix("data: "))
    event = event.removeprefix("event: ")
    return event, content["error"] if event == "error" else content


USUAL = {
    "/explain": ["embedded", "Grad-CAM", "edges", "jet", "each map"],
    "/heatmaps": ["embedded", "Grad-CAM"],
    "/step_by_step": ["embedded", "predicted", "conv3"],
    "/what_if": ["embedded", "Grad-CAM", "hottest", 10, "predicted", "conv3", "repaint", "red", None],
    "/audit": ["embedded", "none", "val", False],
    "/trust": ["embedded", "Grad-CAM", "predicted", "conv3"],
}


def press(app, handler, values, event=None):
    """What the page does: the outputs of one of its own handlers."""
    number = next(fn["id"] for fn in app.http.get("/config").json()["dependencies"] if fn["api_name"] == handler)
    asked = {"data": values, "fn_index": number, "session_hash": handler, "event_data": event}
    app.http.post("/gradio_api/queue/join", json=asked).raise_for_status()
    told = app.http.get("/gradio_api/queue/data", params={"session_hash": handler}).text
    ended = next(line for line in told.splitlines() if "process_completed" in line)
    return json.loads(ended.removeprefix("data: "))["output"]["data"]
