"""Where the models compute: the same answers on a GPU, smaller batches where its memory is short, the CPU behind it, ZeroGPU's other process.

Tests marked `gpu` want a real one. The others make a network that runs out of memory, and a `spaces` that forks and pickles as the real one does.
"""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from operator import attrgetter

import numpy as np
import pytest
import torch
from live import ROOT
from near import HEAT, apart, same_logits
from trust_case import case, silent
from trust_case import network as small_network

import potplants
from explorer import startup
from explorer.explanation import device as devices
from explorer.explanation.device import BEST_FIRST, HEAT_TOLERANCE, LOGITS_TOLERANCE, QUANTILE, Device, logits_of
from explorer.explanation.service import ExplanationService, as_image
from explorer.photos import examples
from explorer.tabs.audit import store
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import in_every_pot
from explorer.tabs.audit.report import report as audit_report
from explorer.tabs.audit.view import shown
from explorer.tabs.steps.breakdown import steps_of
from explorer.tabs.trust import checks as trust
from explorer.tabs.trust import view as trust_markup
from explorer.tabs.trust.training_seeds import SeedComparison
from explorer.tabs.what_if.intervention import Change, in_every_colour, intervene
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


def full(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def small(network, most):
    """The network in a memory that holds so many images at once. Returns the sizes of the batches that came."""
    came = []

    def look(module, inputs):
        came.append(len(inputs[0]))
        if len(inputs[0]) > most:
            full()

    network.register_forward_pre_hook(look)
    return came


class Small(Device):
    """A device like the CPU, with room for so many images at once."""

    def __init__(self, most):
        super().__init__()
        self.name, self._most, self.came = "small", most, []

    def network(self, name):
        with self._lock:
            if name not in self._copies:
                self._copies[name] = copy.deepcopy(potplants.load(name))
                self.came = small(self._copies[name], self._most)
        return self._copies[name]


# Which device


def test_the_best_device_that_can_compute_is_chosen(monkeypatch):
    broken = set()
    monkeypatch.setattr(devices, "_fault", lambda name: "out of order" if name in broken else "")
    for device in BEST_FIRST:
        assert devices.resolve_device("auto") == device
        broken.add(device)
    with pytest.raises(ValueError, match="device 'mps' cannot be used here: out of order"):
        devices.resolve_device("mps")


def test_a_device_that_is_not_there_is_a_sentence():
    with pytest.raises(ValueError, match="device 'abacus' cannot be used here"):
        Device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda' cannot be used here"):
            Device("cuda")


def test_a_model_lives_once_on_a_device():
    device = Device("meta")
    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: device.network("embedded"), range(16)))
    assert all(copy is copies[0] for copy in copies)
    assert {parameter.device.type for parameter in copies[0].parameters()} == {"meta"}
    assert {parameter.device.type for parameter in potplants.load("embedded").parameters()} == {"cpu"}
    assert Device("cpu").network("embedded") is potplants.load("embedded")


def test_what_comes_with_the_repository_is_there_before_the_first_visitor():
    device = Device("meta")
    device.preload("embedded")
    here = {potplants.load(name) for name in ("embedded", "debiased", "embedded_gap")}
    assert here <= set(device._copies)


def test_the_log_tells_the_device(monkeypatch):
    choice = potplants.Choice("embedded", "It speaks.")
    told = [startup.log(choice, EXAMPLES, device).splitlines()[-1] for device in (Device("cpu"), Device("meta"))]
    assert told[0].startswith("Device: cpu, ") and told[1] == "Device: meta"


# Memory runs out: in halves


def test_halves_keep_the_order_and_single_ones_are_told():
    def work(batch, most=3):
        if len(batch) > most:
            full()
        return list(batch)

    assert sum(in_halves(work, list(range(11))), []) == list(range(11))
    assert sum(in_halves(work, tuple(range(3))), []) == [0, 1, 2]
    with pytest.raises(torch.OutOfMemoryError):
        in_halves(partial(work, most=0), [1, 2])


def test_other_faults_are_not_taken_for_want_of_memory():
    asked = []

    def broken(batch):
        asked.append(len(batch))
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        in_halves(broken, [1, 2])
    assert asked == [2]
    with pytest.raises(RuntimeError, match="shapes"):
        Small(9).ask("embedded", broken_work)
    for words in ("MPS backend out of memory (MPS allocated: 9 GB)", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"):
        assert devices.ran_out(RuntimeError(words))


def broken_work(network):
    raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize("method", METHODS)
def test_smaller_batches_give_the_same_maps(method, network, images):
    if method == "CAM":
        pytest.skip("not for this network")
    images, explainer = images.repeat(3, 1, 1, 1)[:5], Explainer(network, ["0", "3", "6"])
    expected = explainer.explain(images, [0, 3, "mixture"], method)
    came = small(network, 1)
    found = explainer.explain(images, [0, 3, "mixture"], method, at_once=8)
    assert max(came) > 1 and came[-1] == 1
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.heatmaps, expected.heatmaps, rtol=1e-4, atol=1e-6)


def test_fewer_targets_give_the_same_maps(network, images, monkeypatch):
    from gradcam import explainer as module

    explainer, upsample = Explainer(network, ["0", "6"]), module.upsample
    expected, sizes = explainer.explain(images, [0, 1, 2, 3]), []

    def narrow(evidence, size):
        sizes.append(len(evidence))
        return full() if len(evidence) > 1 else upsample(evidence, size)

    monkeypatch.setattr(module, "upsample", narrow)
    found = explainer.explain(images, [0, 1, 2, 3])
    assert max(sizes) == 4 and found.targets == (0, 1, 2, 3)
    torch.testing.assert_close(found.heatmaps, expected.heatmaps)


def test_occlusion_covers_fewer_patches_at_once(network, images):
    expected = occlusion(network, images[0], 1, patch=8, stride=4)
    came = small(network, 2)
    torch.testing.assert_close(occlusion(network, images[0], 1, patch=8, stride=4, at_once=8), expected)
    assert 8 in came and came[-1] <= 2


# Memory runs out: the CPU, and a note


@pytest.fixture(scope="module")
def by_cpu():
    return ExplanationService().explain_file(STORY.file, "embedded", "Grad-CAM")


@pytest.fixture
def crowded():
    """Studies on a device where nothing fits."""
    return ExplanationService(Small(0))


def test_what_does_not_fit_is_asked_of_the_cpu(crowded, by_cpu):
    explained = crowded.explain_file(STORY.file, "embedded", "Grad-CAM")
    assert crowded.device.came == [1]
    assert torch.equal(explained.evidence, by_cpu.evidence) and explained.logits == by_cpu.logits
    assert NOTE in explained.note and NOTE in explained.report()["note"] and by_cpu.note == ""


def test_what_fits_in_smaller_batches_needs_no_note(by_cpu):
    service = ExplanationService(Small(1))
    explained = service.explain_file(STORY.file, "embedded", "Grad-CAM")
    paints, note = in_every_colour(service.device, explained, np.ones((256, 256), bool))
    assert explained.note == note == "" and service.device.came == [1, 5, 2, 1, 1, 3, 1, 2, 1, 1]
    expected, _ = in_every_colour(Device(), by_cpu, np.ones((256, 256), bool))
    for found, alone in zip(paints, expected, strict=True):
        same_logits(found.logits, alone.logits)


def test_steps_and_what_if_say_so(crowded, by_cpu):
    steps = steps_of(crowded.device, by_cpu, "predicted", "conv3")
    assert NOTE in steps.report()["note"]
    torch.testing.assert_close(steps.anatomy.heatmap, by_cpu.heat("predicted", "conv3"))
    found = intervene(crowded, by_cpu, Change(region="pot", colour="red"), STORY)
    assert NOTE in found.report()["note"] and found.report()["after"]["predicted"] == "rudo"
    paints, note = in_every_colour(crowded.device, by_cpu, found.where)
    assert NOTE in note and found.noted(note).report()["note"].count(NOTE) == 1


def test_an_audit_says_so(crowded):
    few = replace(EXAMPLES, every={example.key: example for example in FEW[::4]})
    asked = store.audit_request("embedded")
    found, expected = (
        store.Audits(service, few, store.StoredAudits(4)).of(asked, lambda *_: True)
        for service in (crowded, ExplanationService())
    )
    assert NOTE in audit_report(found)["note"] and NOTE in shown(found, "jet") and audit_report(expected)["note"] == ""
    assert found.audits[0].answers == expected.audits[0].answers and found.repainted == expected.repainted


def test_trust_says_so(crowded, monkeypatch):
    monkeypatch.setattr("explorer.tabs.trust.methods.METHODS", {"Grad-CAM": METHODS["Grad-CAM"]})
    monkeypatch.setattr("explorer.tabs.trust.methods.DRAWS", 1)
    monkeypatch.setattr("explorer.tabs.trust.sanity_check.DRAWS", 1)
    monkeypatch.setattr("explorer.tabs.trust.checks.cost_rows", lambda comparison, tell: ())
    monkeypatch.setattr("explorer.tabs.trust.checks.verdict", lambda ways: "")
    asked = trust.Trust(crowded)
    checks = asked.checks(STORY.file, "embedded", "Grad-CAM", "predicted", "conv3")
    measured = asked.measured(STORY.file, "embedded", "predicted", "conv3")
    told = trust.report(checks, measured)
    assert NOTE in told["note"] and told["sanity"]["steps"] and told["methods"][0]["state"] == "evidence"
    assert NOTE in trust_markup.methods(measured, "edges", "jet", "Grad-CAM") and NOTE in trust_markup.sanity(
        checks, "edges", "jet"
    )


class Cannot(potplants.CNN):
    """As on a device for which torch has not all that a network needs."""

    def forward(self, images):
        raise NotImplementedError("no such kernel")


def test_what_a_device_cannot_compute_is_asked_of_the_cpu(by_cpu, monkeypatch):
    monkeypatch.setattr(Device, "network", lambda self, name: Cannot(hidden=32))
    explained = ExplanationService("meta").explain_file(STORY.file, "embedded", "Grad-CAM")
    assert torch.equal(explained.evidence, by_cpu.evidence)
    assert explained.note == "The device meta cannot compute this, so the CPU did."


# ZeroGPU: another process

SPACES = '''
"""A stand-in for the package `spaces`: a function runs in a forked process, what goes in and what comes out is pickled, a failure is its name."""
import multiprocessing, pickle
from concurrent.futures import ThreadPoolExecutor

CALLS, QUOTA = [], [99]

def GPU(task=None, *, duration=60):
    if task is None:
        return lambda task: GPU(task, duration=duration)
    context = multiprocessing.get_context("fork")

    def there(sent, back):
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
        process = context.Process(target=there, args=(sent, back), daemon=True)
        process.start()
        back.close()
        try:
            went_well, result = pickle.loads(here.recv_bytes())
        finally:
            process.join()
        if not went_well:
            raise RuntimeError("ZeroGPU worker error: " + result)
        return result

    return handler
'''


@pytest.fixture
def zero(monkeypatch, tmp_path):
    """A Space with ZeroGPU, as far as the app can tell. Yields the stand-in."""
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    import spaces

    yield spaces
    sys.modules.pop("spaces", None)


@pytest.fixture
def passes(monkeypatch):
    """Explanations made in this process."""
    counted, explain = [], Explainer.explain
    monkeypatch.setattr(Explainer, "explain", lambda *args, **options: counted.append(1) or explain(*args, **options))
    return counted


def test_everything_that_is_asked_travels(zero, passes, by_cpu):
    passes.clear()
    service = ExplanationService()
    explained = service.explain_file(STORY.file, "embedded", "Grad-CAM", lambda part, task: None)
    torch.testing.assert_close(explained.evidence, by_cpu.evidence)
    assert explained.note == "" and zero.CALLS == [devices.LENT_SECONDS]
    steps = steps_of(service.device, explained, "predicted", "conv3")
    torch.testing.assert_close(steps.anatomy.heatmap, by_cpu.heat("predicted", "conv3"))
    found = intervene(service, explained, Change(region="pot", colour="red"), STORY)
    paints, note = in_every_colour(service.device, explained, found.where)
    assert found.after.predicted == "rudo" and len(paints) == 5 and note == ""
    few = replace(EXAMPLES, every={example.key: example for example in FEW[::4]})
    result = store.Audits(service, few, store.StoredAudits(4)).of(store.audit_request("embedded"), lambda *_: True)
    assert len(result.audits[0].answers) == 4 and len(result.repainted["embedded"]) == 16
    assert len(zero.CALLS) == 6 and passes == []  # nothing of it was computed here


def test_what_trust_asks_can_be_sent(monkeypatch):
    """There and back, and the network stays where it computes."""
    monkeypatch.setattr(trust, "compare_seeds", lambda *_: SeedComparison((), (), ""))
    monkeypatch.setattr(trust, "cost_rows", lambda *_: ())
    asked, there = case(), small_network()
    for work, subject in (
        (partial(trust._check, method="HiResCAM"), "subject"),
        (trust._measure, "comparison.subject"),
    ):
        sent = pickle.loads(pickle.dumps(partial(work, asked=asked)))
        found = pickle.loads(pickle.dumps(sent(there, progress=silent)))
        assert (
            attrgetter(subject)(found).network is None
            and attrgetter(subject)(found).explained.report() == asked.explained.report()
        )


def test_a_mistake_in_the_question_is_told_as_everywhere(zero):
    with pytest.raises(ValueError, match="CAM"):
        ExplanationService().explain_file(STORY.file, "embedded", "CAM")


def test_without_a_gpu_to_be_had_the_cpu_answers(zero, by_cpu):
    zero.QUOTA[0] = 0
    explained = ExplanationService().explain_file(STORY.file, "embedded", "Grad-CAM")
    assert torch.equal(explained.evidence, by_cpu.evidence) and explained.note.startswith("No GPU could be had")


def test_the_log_tells_of_a_lent_gpu(zero):
    assert startup.log(potplants.Choice("embedded", ""), EXAMPLES, Device("cpu")).endswith(
        "lent by ZeroGPU for each question"
    )


def test_elsewhere_nothing_is_imported_and_nothing_changes(tmp_path):
    """Even where the package is installed: it is on every Space."""
    (tmp_path / "spaces.py").write_text("raise SystemExit('imported')")
    code = "import sys; sys.path.append(sys.argv[1]); from explorer.explanation.device import Device; assert not Device().lent and 'spaces' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True)


def test_an_answer_weighs_what_can_be_sent(by_cpu):
    assert pickle.loads(pickle.dumps(by_cpu)).report() == by_cpu.report()


# On a GPU

GPU = next((device for device in BEST_FIRST[:-1] if not devices._fault(device)), None)
on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPU is None, reason="no GPU on this machine: neither CUDA nor Metal can compute"),
]


@pytest.fixture(scope="module")
def there():
    return ExplanationService(GPU)


def gpu(test):
    for mark in on_gpu:
        test = mark(test)
    return test


@gpu
@pytest.mark.parametrize("name", ["embedded", "debiased", "embedded_gap"])
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_says_what_the_cpu_says(there, name, method):
    for example in FEW[::5]:
        try:
            expected = ExplanationService().explain_file(example.file, name, method)
        except ValueError:
            with pytest.raises(ValueError):
                there.explain_file(example.file, name, method)
            return
        found = there.explain_file(example.file, name, method)
        assert found.note == "" and found.evidence.device.type == "cpu"
        same_logits(found.logits, expected.logits)
        far = apart(found.evidence, expected.evidence)
        assert far.flatten().quantile(QUANTILE.get(method, 1.0)) <= HEAT_TOLERANCE.get(method, HEAT), far


@gpu
def test_threads_on_a_gpu_do_not_mix(there):
    files = [example.file for example in FEW] * 2
    alone = {
        file: ExplanationService(there.device, kept=1).explain_file(file, "embedded", "Grad-CAM") for file in set(files)
    }
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda file: ExplanationService(there.device).explain_file(file, "embedded", "Grad-CAM"), files)
        )
    for file, explained in zip(files, together):
        same_logits(explained.logits, alone[file].logits)
        assert apart(explained.evidence, alone[file].evidence).max() <= HEAT


@gpu
def test_an_audit_on_a_gpu_says_what_the_cpu_says(there):
    model = potplants.MODELS["embedded"]
    found, expected = (
        audit(network, model, FEW, lambda part: True)
        for network in (there.network("embedded"), potplants.load("embedded"))
    )
    for one, other in zip(found.answers, expected.answers):
        assert one.said == other.said and one.peak == pytest.approx(other.peak, rel=1e-3)
        same_logits(one.logits, other.logits)
    painted, plain = (
        in_every_pot(network, model, FEW[:4], lambda part: True)
        for network in (there.network("embedded"), potplants.load("embedded"))
    )
    assert painted == plain


@gpu
def test_a_gpu_that_is_full_gives_way_to_the_cpu_with_a_note(there, monkeypatch):
    network = there.network("embedded")
    handle = network.register_forward_pre_hook(full)
    try:
        explained = ExplanationService(there.device).explain_file(FEW[0].file, "embedded", "Grad-CAM")
    finally:
        handle.remove()
    assert NOTE in explained.note and torch.equal(
        explained.evidence, ExplanationService().explain_file(FEW[0].file, "embedded", "Grad-CAM").evidence
    )


@gpu
@pytest.mark.skipif(GPU != "cuda", reason="only CUDA lets a process bound its own memory")
def test_a_real_shortage_of_memory_is_survived(there):
    """The network's photos in one batch that the bound cannot hold: halves do."""
    images = torch.cat([as_image(ExplanationService().prepare(example.file, "embedded")[0]) for example in FEW]).repeat(
        16, 1, 1, 1
    )
    expected = logits_of(potplants.load("embedded"), images)
    held = (
        torch.cuda.memory_allocated() + images.nbytes + 2**29
    )  # the first layer's maps of 256 photos take four times as much
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(held / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = logits_of(there.network("embedded"), images)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (found - expected).abs().max() <= LOGITS_TOLERANCE * expected.abs().max()
