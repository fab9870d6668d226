"""Devices: the same results on a GPU, smaller batches when its memory is short, fallback to the CPU, ZeroGPU's process.

Tests marked `gpu` need a real one. The others use a network that runs out of memory, and a fake `spaces` that forks and
pickles as the real one does.
"""

import copy
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import attrgetter

import numpy as np
import pytest
import torch
from live import ROOT
from squares import as_image
from tolerances import HEATMAP_TOLERANCE, relative_difference, same_logits
from trust_case import case, silent
from trust_case import network as small_network

import classifiers
import potplants
from explorer import startup
from explorer.explanation import device as devices
from explorer.explanation.device import BEST_FIRST, HEAT_TOLERANCE, LOGITS_TOLERANCE, QUANTILE, Device, logits_of
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.audit import store
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import in_every_pot
from explorer.tabs.audit.report import report as audit_report
from explorer.tabs.audit.view import shown
from explorer.tabs.steps.breakdown import steps_of
from explorer.tabs.trust import checks as trust
from explorer.tabs.trust import view as trust_view
from explorer.tabs.trust.training_seeds import SeedComparison
from explorer.tabs.what_if.intervention import Change, intervene, repaint_in_every_colour
from gradcam import METHODS, Explainer, occlusion
from gradcam.memory import in_halves

EXAMPLES = examples.embedded()
STORY = EXAMPLES.story
FEW = tuple(
    EXAMPLES.every[f"{split}/{label}_{number:03}"]
    for split in ("val", "test")
    for label in range(4)
    for number in range(2)
)
NOTE = "too small for this, so the CPU computed it"


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def limit_batches(network, most):
    """Make the network run out of memory for more than `most` images. Returns the list of the batch sizes it gets."""
    sizes = []

    def check_size(module, inputs):
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > most:
            out_of_memory()

    network.register_forward_pre_hook(check_size)
    return sizes


class SmallDevice(Device):
    """A device like the CPU, with memory for `most` images at once."""

    def __init__(self, most):
        super().__init__()
        self.name, self._most, self.sizes, self._small = "small", most, [], {}

    def network(self, name):
        with self._lock:
            if name not in self._small:
                self._small[name] = copy.deepcopy(classifiers.load(name).network)
                self.sizes = limit_batches(self._small[name], self._most)
        return self._small[name]


# Choice of the device


def test_auto_is_the_best_device_that_can_compute(monkeypatch):
    broken = set()
    monkeypatch.setattr(devices, "_fault", lambda name: "out of order" if name in broken else "")
    for device in BEST_FIRST:
        assert devices.resolve_device("auto") == device
        broken.add(device)
    with pytest.raises(ValueError, match="device 'mps' cannot be used here: out of order"):
        devices.resolve_device("mps")


def test_missing_device_is_refused():
    with pytest.raises(ValueError, match="device 'abacus' cannot be used here"):
        Device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda' cannot be used here"):
            Device("cuda")


def test_network_is_copied_once_to_a_device():
    device = Device("meta")
    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: device.network("embedded"), range(16)))
    assert all(copy is copies[0] for copy in copies)
    assert {parameter.device.type for parameter in copies[0].parameters()} == {"meta"}
    assert {parameter.device.type for parameter in potplants.load("embedded").parameters()} == {"cpu"}
    assert Device("cpu").network("embedded") is potplants.load("embedded")


def test_preload_copies_the_networks_of_the_repository():
    device = Device("meta")
    device.preload("embedded")
    embedded = {classifiers.load(name).network for name in ("embedded", "debiased", "embedded_gap", "imagenet")}
    assert embedded <= set(device._copies)


def test_log_names_the_device(monkeypatch):
    choice = potplants.Choice("embedded", "It speaks.")
    lines = [startup.log(choice, EXAMPLES, device).splitlines()[-1] for device in (Device("cpu"), Device("meta"))]
    assert lines[0].startswith("Device: cpu, ") and lines[1] == "Device: meta"


# Out of memory: batches are halved


def test_halving_keeps_the_order_and_raises_for_a_single_item():
    def work(batch, most=3):
        if len(batch) > most:
            out_of_memory()
        return list(batch)

    assert list(chain(*in_halves(work, list(range(11))))) == list(range(11))
    assert list(chain(*in_halves(work, tuple(range(3))))) == [0, 1, 2]
    with pytest.raises(torch.OutOfMemoryError):
        in_halves(partial(work, most=0), [1, 2])


def test_other_errors_are_not_taken_for_out_of_memory():
    sizes = []

    def broken(batch):
        sizes.append(len(batch))
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        in_halves(broken, [1, 2])
    assert sizes == [2]
    with pytest.raises(RuntimeError, match="shapes"):
        SmallDevice(9).ask("embedded", broken_work)
    for message in ("MPS backend out of memory (MPS allocated: 9 GB)", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"):
        assert devices.ran_out(RuntimeError(message))


def broken_work(network):
    raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize("method", METHODS)
def test_smaller_batches_give_the_same_maps(method, network, images):
    if method == "CAM":
        pytest.skip("CAM does not support this network")
    images, explainer = images.repeat(3, 1, 1, 1)[:5], Explainer(network, ["0", "3", "6"])
    expected = explainer.explain(images, [0, 3, "mixture"], method)
    sizes = limit_batches(network, 1)
    explanation = explainer.explain(images, [0, 3, "mixture"], method, at_once=8)
    assert max(sizes) > 1 and sizes[-1] == 1
    torch.testing.assert_close(explanation.logits, expected.logits)
    torch.testing.assert_close(explanation.heatmaps, expected.heatmaps, rtol=1e-4, atol=1e-6)


def test_fewer_targets_give_the_same_maps(network, images, monkeypatch):
    from gradcam import explainer as module

    explainer, upsample = Explainer(network, ["0", "6"]), module.upsample
    expected, sizes = explainer.explain(images, [0, 1, 2, 3]), []

    def limited(evidence, size):
        sizes.append(len(evidence))
        return out_of_memory() if len(evidence) > 1 else upsample(evidence, size)

    monkeypatch.setattr(module, "upsample", limited)
    explanation = explainer.explain(images, [0, 1, 2, 3])
    assert max(sizes) == 4 and explanation.targets == (0, 1, 2, 3)
    torch.testing.assert_close(explanation.heatmaps, expected.heatmaps)


def test_occlusion_halves_its_batches(network, images):
    expected = occlusion(network, images[0], 1, patch=8, stride=4)
    sizes = limit_batches(network, 2)
    torch.testing.assert_close(occlusion(network, images[0], 1, patch=8, stride=4, at_once=8), expected)
    assert 8 in sizes and sizes[-1] <= 2


# Out of memory: fallback to the CPU, with a note


@pytest.fixture(scope="module")
def by_cpu():
    return ExplanationService().explain_file(STORY.file, "embedded", "Grad-CAM")


@pytest.fixture
def crowded():
    """A service on a device where nothing fits."""
    return ExplanationService(SmallDevice(0))


def test_work_that_does_not_fit_runs_on_the_cpu(crowded, by_cpu):
    explained = crowded.explain_file(STORY.file, "embedded", "Grad-CAM")
    assert crowded.device.sizes == [1]
    assert torch.equal(explained.evidence, by_cpu.evidence) and explained.logits == by_cpu.logits
    assert NOTE in explained.note and NOTE in explained.report()["note"] and by_cpu.note == ""


def test_work_that_fits_in_smaller_batches_has_no_note(by_cpu):
    service = ExplanationService(SmallDevice(1))
    explained = service.explain_file(STORY.file, "embedded", "Grad-CAM")
    repainted, note = repaint_in_every_colour(service.device, explained, np.ones((256, 256), bool))
    assert explained.note == note == "" and service.device.sizes == [1, 5, 2, 1, 1, 3, 1, 2, 1, 1]
    expected, _ = repaint_in_every_colour(Device(), by_cpu, np.ones((256, 256), bool))
    for halved, whole in zip(repainted, expected, strict=True):
        same_logits(halved.logits, whole.logits)


def test_steps_and_what_if_have_the_note(crowded, by_cpu):
    steps = steps_of(crowded.device, by_cpu, "predicted", "conv3")
    assert NOTE in steps.report()["note"]
    torch.testing.assert_close(steps.anatomy.heatmap, by_cpu.heat("predicted", "conv3"))
    result = intervene(crowded, by_cpu, Change(region="pot", colour="red"), STORY)
    assert NOTE in result.report()["note"] and result.report()["after"]["predicted"] == "rudo"
    _, note = repaint_in_every_colour(crowded.device, by_cpu, result.region)
    assert NOTE in note and result.noted(note).report()["note"].count(NOTE) == 1


def test_audit_has_the_note(crowded):
    few = replace(EXAMPLES, every={example.key: example for example in FEW[::4]})
    request = store.audit_request("embedded")
    result, expected = (
        store.Audits(service, few).of(request, lambda *_: True) for service in (crowded, ExplanationService())
    )
    assert NOTE in audit_report(result)["note"] and NOTE in shown(result, View())
    assert audit_report(expected)["note"] == ""
    assert result.audits[0].predictions == expected.audits[0].predictions and result.repainted == expected.repainted


def test_trust_has_the_note(crowded, monkeypatch):
    monkeypatch.setattr("explorer.tabs.trust.methods.METHODS", {"Grad-CAM": METHODS["Grad-CAM"]})
    monkeypatch.setattr("explorer.tabs.trust.methods.DRAWS", 1)
    monkeypatch.setattr("explorer.tabs.trust.sanity_check.DRAWS", 1)
    monkeypatch.setattr("explorer.tabs.trust.checks.cost_rows", lambda comparison, progress: ())
    monkeypatch.setattr("explorer.tabs.trust.checks.cheapest", lambda ways: "")
    service = trust.Trust(crowded)
    checks = service.checks(STORY.file, "embedded", "Grad-CAM", "predicted", "conv3")
    measured = service.measured(STORY.file, "embedded", "predicted", "conv3")
    report = trust.report(checks, measured)
    assert NOTE in report["note"] and report["sanity"]["steps"] and report["methods"][0]["state"] == "evidence"
    assert NOTE in trust_view.methods(measured, View())
    assert NOTE in trust_view.sanity(checks, View())


class Unsupported(potplants.CNN):
    """As on a device for which torch lacks a kernel that the network needs."""

    def forward(self, images):
        raise NotImplementedError("no such kernel")


def test_unsupported_work_runs_on_the_cpu(by_cpu, monkeypatch):
    monkeypatch.setattr(Device, "network", lambda self, name: Unsupported(hidden=32))
    explained = ExplanationService("meta").explain_file(STORY.file, "embedded", "Grad-CAM")
    assert torch.equal(explained.evidence, by_cpu.evidence)
    assert explained.note == "The device meta cannot compute this, so the CPU did."


# ZeroGPU: work runs in another process

SPACES = '''
"""A fake `spaces`: functions run in a forked process, arguments and results are pickled, errors become names."""
import multiprocessing, pickle
from concurrent.futures import ThreadPoolExecutor

CALLS, QUOTA = [], [99]

def GPU(task=None, *, duration=60):
    if task is None:
        return lambda task: GPU(task, duration=duration)
    context = multiprocessing.get_context("fork")

    def child(sent, back):
        def run():
            import torch
            torch.set_num_threads(1)
            arguments = pickle.loads(sent)
            try:
                return pickle.dumps((True, task(*arguments)))
            except Exception as error:
                return pickle.dumps((False, type(error).__name__))
        with ThreadPoolExecutor(1) as pool:
            back.send_bytes(pool.submit(run).result())

    def handler(*arguments):
        CALLS.append(duration)
        if len(CALLS) > QUOTA[0]:
            raise RuntimeError("You have exceeded your GPU quota")
        sent = pickle.dumps(arguments)
        here, back = context.Pipe()
        process = context.Process(target=child, args=(sent, back), daemon=True)
        process.start()
        back.close()
        try:
            succeeded, result = pickle.loads(here.recv_bytes())
        finally:
            process.join()
        if not succeeded:
            raise RuntimeError("ZeroGPU worker error: " + result)
        return result

    return handler
'''


@pytest.fixture
def zero(monkeypatch, tmp_path):
    """The environment of a Space with ZeroGPU. Yields the fake package."""
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    import spaces

    yield spaces
    sys.modules.pop("spaces", None)


def test_all_work_runs_in_the_process_with_the_gpu(zero, passes, by_cpu):
    passes.clear()
    service = ExplanationService()
    explained = service.explain_file(STORY.file, "embedded", "Grad-CAM", lambda part, task: None)
    torch.testing.assert_close(explained.evidence, by_cpu.evidence)
    assert explained.note == "" and zero.CALLS == [devices.LENT_SECONDS]
    steps = steps_of(service.device, explained, "predicted", "conv3")
    torch.testing.assert_close(steps.anatomy.heatmap, by_cpu.heat("predicted", "conv3"))
    intervention = intervene(service, explained, Change(region="pot", colour="red"), STORY)
    repainted, note = repaint_in_every_colour(service.device, explained, intervention.region)
    assert intervention.after.predicted == "rudo" and len(repainted) == 5 and note == ""
    few = replace(EXAMPLES, every={example.key: example for example in FEW[::4]})
    result = store.Audits(service, few).of(store.audit_request("embedded"), lambda *_: True)
    assert len(result.audits[0].predictions) == 4 and len(result.repainted["embedded"]) == 16
    assert len(zero.CALLS) == 6 and passes == []  # nothing was computed in this process


def test_work_of_trust_can_be_pickled(monkeypatch):
    """Work and result; the result does not hold the network."""
    monkeypatch.setattr(trust, "compare_seeds", lambda *_: SeedComparison((), (), ""))
    monkeypatch.setattr(trust, "cost_rows", lambda *_: ())
    map_under_test, network = case(), small_network()
    for work, path in (
        (partial(trust._check, method="HiResCAM"), "tested"),
        (trust._measure, "comparison.tested"),
    ):
        sent = pickle.loads(pickle.dumps(partial(work, tested=map_under_test)))
        received = attrgetter(path)(pickle.loads(pickle.dumps(sent(network, progress=silent))))
        assert received.network is None
        assert received.explained.report() == map_under_test.explained.report()


def test_invalid_request_is_refused_as_without_zero_gpu(zero):
    with pytest.raises(ValueError, match="CAM"):
        ExplanationService().explain_file(STORY.file, "embedded", "CAM")


def test_work_runs_on_the_cpu_when_no_gpu_is_free(zero, by_cpu):
    zero.QUOTA[0] = 0
    explained = ExplanationService().explain_file(STORY.file, "embedded", "Grad-CAM")
    assert torch.equal(explained.evidence, by_cpu.evidence) and explained.note.startswith("No GPU could be had")


def test_log_names_a_lent_gpu(zero):
    lines = startup.log(potplants.Choice("embedded", ""), EXAMPLES, Device("cpu"))
    assert lines.endswith("lent by ZeroGPU for each question")


def test_spaces_is_not_imported_without_zero_gpu(tmp_path):
    """Even where the package is installed, as on every Space."""
    (tmp_path / "spaces.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; from explorer.explanation.device import Device; "
        "assert not Device().lent and 'spaces' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})


def test_explained_photo_can_be_pickled(by_cpu):
    assert pickle.loads(pickle.dumps(by_cpu)).report() == by_cpu.report()


# On a GPU

GPU = next((device for device in BEST_FIRST[:-1] if not devices._fault(device)), None)


@pytest.fixture(scope="module")
def on_gpu():
    return ExplanationService(GPU)


def gpu(test):
    """Mark a test `gpu`, and skip it without one."""
    missing = pytest.mark.skipif(GPU is None, reason="no GPU on this machine: neither CUDA nor Metal can compute")
    return pytest.mark.gpu(missing(test))


@gpu
@pytest.mark.parametrize("name", ["embedded", "debiased", "embedded_gap"])
@pytest.mark.parametrize("method", METHODS)
def test_gpu_agrees_with_the_cpu(on_gpu, name, method):
    for example in FEW[::5]:
        try:
            expected = ExplanationService().explain_file(example.file, name, method)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                on_gpu.explain_file(example.file, name, method)
            return
        explained = on_gpu.explain_file(example.file, name, method)
        assert explained.note == "" and explained.evidence.device.type == "cpu"
        same_logits(explained.logits, expected.logits)
        difference = relative_difference(explained.evidence, expected.evidence)
        quantile = difference.flatten().quantile(QUANTILE.get(method, 1.0))
        assert quantile <= HEAT_TOLERANCE.get(method, HEATMAP_TOLERANCE), difference


@gpu
def test_concurrent_requests_on_a_gpu_do_not_interfere(on_gpu):
    files = [example.file for example in FEW] * 2
    alone = {
        file: ExplanationService(on_gpu.device, kept=1).explain_file(file, "embedded", "Grad-CAM")
        for file in set(files)
    }
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda file: ExplanationService(on_gpu.device).explain_file(file, "embedded", "Grad-CAM"), files)
        )
    for file, explained in zip(files, together):
        same_logits(explained.logits, alone[file].logits)
        assert relative_difference(explained.evidence, alone[file].evidence).max() <= HEATMAP_TOLERANCE


@gpu
def test_audit_on_a_gpu_agrees_with_the_cpu(on_gpu):
    model = classifiers.find("embedded")
    result, expected = (
        audit(network, model, FEW, lambda part: True)
        for network in (on_gpu.network("embedded"), potplants.load("embedded"))
    )
    for actual, reference in zip(result.predictions, expected.predictions):
        assert actual.predicted == reference.predicted and actual.peak == pytest.approx(reference.peak, rel=1e-3)
        same_logits(actual.logits, reference.logits)
    repainted_on_gpu, repainted_on_cpu = (
        in_every_pot(network, model, FEW[:4], lambda part: True)
        for network in (on_gpu.network("embedded"), potplants.load("embedded"))
    )
    assert repainted_on_gpu == repainted_on_cpu


@gpu
def test_full_gpu_falls_back_to_the_cpu_with_a_note(on_gpu, monkeypatch):
    network = on_gpu.network("embedded")
    handle = network.register_forward_pre_hook(out_of_memory)
    try:
        explained = ExplanationService(on_gpu.device).explain_file(FEW[0].file, "embedded", "Grad-CAM")
    finally:
        handle.remove()
    expected = ExplanationService().explain_file(FEW[0].file, "embedded", "Grad-CAM")
    assert NOTE in explained.note and torch.equal(explained.evidence, expected.evidence)


@gpu
@pytest.mark.skipif(GPU != "cuda", reason="only CUDA lets a process limit its own memory")
def test_batch_beyond_the_gpu_memory_is_halved(on_gpu):
    """A batch that does not fit into the limited memory; its halves do."""
    photos = [as_image(ExplanationService().prepare(example.file, "embedded")[0].canvas) for example in FEW]
    images = torch.cat(photos).repeat(16, 1, 1, 1)
    expected = logits_of(potplants.load("embedded"), images)
    # the first layer's activations for 256 photos take four times as much
    limit = torch.cuda.memory_allocated() + images.nbytes + 2**29
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        logits = logits_of(on_gpu.network("embedded"), images)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (logits - expected).abs().max() <= LOGITS_TOLERANCE * expected.abs().max()
