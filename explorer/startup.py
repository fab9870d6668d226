"""Start the app: print what is served, the model and why, its weights and the device; warm up; serve the page."""

import sys
from contextlib import suppress
from threading import Thread

import torch

import classifiers
import potplants
from classifiers import imagenet
from explorer.explanation.device import Device
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.http_server import ServingError
from explorer.server.sockets import ReservedAddress
from potplants import Choice, HubError, WeightsError

from .page import build, theme
from .server import shutdown
from .server.launch import serve
from .settings import View

SHORT = 12  # digits of a SHA-256, enough to compare by eye


def run(choice: Choice, device: Device, shown: Examples, address: ReservedAddress, share: bool):
    """Serve the page until the process is terminated."""
    device.preload(choice.name)
    service = ExplanationService(device)
    warm_up(service, shown, choice.name)
    print(log(choice, shown, device), flush=True)  # noqa: T201 (the program's output)
    try:
        serve(build(choice, shown, service), address, theme(), share)
    except ServingError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the program's output)
        shutdown.now(1)


def log(choice: Choice, examples: Examples, device: Device) -> str:
    """Four lines for the terminal."""
    served = f"Where did it look?  {len(examples.every)} example photos, {examples.shown_origin}"
    return "\n".join((served, choice.reason, _weights_line(choice.name), _device_line(device)))


def warm_up(service: ExplanationService, examples: Examples, model: str):
    """Explain, in the background, the photo that every page opens with.

    A process's first explanation takes ten times as long as later ones. Not on a lent GPU: its quota is a visitor's.
    """

    def explain_story():
        with suppress(ValueError, HubError, WeightsError):  # the page reports it
            service.explain_file(examples.story.file, model, View().method)

    if not service.device.lent:
        Thread(target=explain_story, name="warm-up", daemon=True).start()


def _weights_line(name):
    """The weights file's fingerprint, compared with the published one; of a repository of the Hub its commit."""
    actual, published = classifiers.fingerprint(name), _published(name)
    if actual is None and name not in potplants.MODELS:
        model = classifiers.find(name)
        return f"Weights: {name}, " + (f"commit {model.revision[:SHORT]}" if model.revision else f"from {model.origin}")
    if published is None:
        origin = "never published"
    elif actual == published:
        origin = "as published"
    else:
        origin = f"not the published file, which is {published[:SHORT]}"
    return f"Weights: {name}, SHA-256 {actual[:SHORT] if actual else 'unknown'}, {origin}"


def _published(name):
    """The SHA-256 that the weights of a classifier of the catalogue were published with, if they were."""
    if name in potplants.MODELS:
        return potplants.MODELS[name].sha256
    return imagenet.SHA256 if name == imagenet.NAME else None


def _device_line(device):
    if device.lent:
        return f"Device: {device.name}, lent by ZeroGPU for each question"
    if device.name == "cpu":
        count = torch.get_num_threads()
        return f"Device: cpu, {count} thread{'s' if count > 1 else ''}"
    model = f" ({torch.cuda.get_device_name(device.name)})" if device.name.startswith("cuda") else ""
    return f"Device: {device.name}{model}"
