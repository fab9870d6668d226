"""The start: what is served, who speaks and why, from which weights, on which device, in four lines; and the first answer, begun before anybody asks."""

import sys
from contextlib import suppress
from threading import Thread

import torch

import potplants
from explorer.explanation.device import Device
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.http_server import ServingError
from explorer.server.sockets import ReservedAddress
from potplants import Choice, HubError, WeightsError

from .page import build, theme
from .server import shutdown as ending
from .server.launch import serve
from .settings import View

SHORT = 12  # digits of a SHA-256 that people compare


def run(choice: Choice, device: Device, shown: Examples, place: ReservedAddress, share: bool):
    """Serve the page until the process is told to end."""
    device.settle(choice.name)
    service = ExplanationService(device)
    warm_up(service, shown, choice.name)
    print(log(choice, shown, device), flush=True)
    try:
        serve(build(choice, shown, service), place, theme(), share)
    except ServingError as error:
        print(error, file=sys.stderr)
        ending.now(1)


def log(choice: Choice, examples: Examples, device: Device) -> str:
    """Four lines for whoever started the app."""
    served = f"Where did it look?  {len(examples.every)} example photos, {examples.origin}"
    return "\n".join((served, choice.reason, _weights(choice.name), _computes(device)))


def warm_up(service: ExplanationService, examples: Examples, model: str):
    """Begin, beside whatever else the start has to do, the study that every page opens with.

    The first of a process takes ten times as long as later ones. Where a GPU is lent it waits for a visitor, whose loan it is.
    """

    def look():
        with suppress(ValueError, HubError, WeightsError):  # whoever opens the page is told
            service.explain_file(examples.story.file, model, View().method)

    if not service.device.lent:
        Thread(target=look, name="look ahead", daemon=True).start()


def _weights(name):
    """The file behind the answers, held against what its makers published."""
    found, published = potplants.fingerprint(name), potplants.MODELS[name].sha256
    if published is None:
        origin = "never published"
    elif found == published:
        origin = "as published"
    else:
        origin = f"not the published file, which is {published[:SHORT]}"
    return f"Weights: {name}, SHA-256 {found[:SHORT] if found else 'unknown'}, {origin}"


def _computes(device):
    if device.lent:
        return f"Device: {device.name}, lent by ZeroGPU for each question"
    if device.name == "cpu":
        count = torch.get_num_threads()
        return f"Device: cpu, {count} thread{'s' if count > 1 else ''}"
    named = f" ({torch.cuda.get_device_name(device.name)})" if device.name.startswith("cuda") else ""
    return f"Device: {device.name}{named}"
