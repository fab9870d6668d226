"""What every case is checked for: right maps, an unchanged model, thread safety, or one clear error message."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from gradcam import Explainer

from .case import Case, synchronised_threads
from .oracle import METHODS, plain_maps
from .snapshot import differences, snapshot

THREADS, CALLS = 4, 2
DRAWS = 24  # forward passes of a network whose random draws have a handful of outcomes
LONGEST = 600  # characters of an error message


def check_maps(case: Case, explainer=Explainer):
    """Outputs and maps of three methods equal the oracle's, and neither the model nor the images change."""
    model, images = case.make(), case.images()
    expected = _expected(case, images)
    before, images_before = snapshot(model), images.clone()
    with case.context():
        explain = _explain(case, explainer, model)  # shared by all methods: what it caches must not change the results
    for method in METHODS:
        outputs, maps = _outputs_and_maps(case, explain, images, method)
        _assert_unchanged(before, model, images, images_before)
        _assert_one_of(case, (outputs, maps), _of_method(expected, method), method)


def check_error(case: Case, explainer=Explainer):
    """A ValueError or TypeError of one sentence says what the obstacle is, and the model does not change.

    True if it was raised, False where maps are returned instead and are allowed.
    """
    model, images = case.make(), case.images()
    before, images_before = snapshot(model), images.clone()
    try:
        with case.context():
            explain = _explain(case, explainer, model)
        _outputs_and_maps(case, explain, images, METHODS[0])
    except (ValueError, TypeError) as error:
        _assert_message(str(error), case.error)
    except Exception as error:
        raise AssertionError(f"not a clear error: {type(error).__name__}: {str(error)[:200]}") from error
    else:
        assert case.maps_allowed, "maps were returned without an error"
        return False
    _assert_unchanged(before, model, images, images_before)
    return True


def check_threads(case: Case, explainer=Explainer):
    """Threads that share one explainer, each with its own photos, get the same results as one thread alone."""
    model = case.make()
    photos = [case.images(seed) for seed in range(THREADS)]
    if case.draws_random:
        alone = [_of_method(_expected(case, images), "HiResCAM") for images in photos]
    else:
        alone = [
            [(*_outputs_and_maps(case, _explain(case, explainer, model), images, "HiResCAM"), None)]
            for images in photos
        ]
    before, shared, start = snapshot(model), _explain(case, explainer, model), threading.Barrier(THREADS)

    def explain_in_thread(index):
        start.wait()
        return [_outputs_and_maps(case, shared, photos[index], "HiResCAM") for _ in range(CALLS)]

    with synchronised_threads(THREADS), ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(explain_in_thread, range(THREADS)))
    assert not (changed := differences(before, snapshot(model))), f"with threads: {'; '.join(changed)[:300]}"
    for index, calls in enumerate(results):
        for result in calls:
            _assert_one_of(case, result, alone[index], f"thread {index}")


def _explain(case, explainer, model):
    return explainer(model, list(case.layers), case.reshape).explain


def _outputs_and_maps(case, explain, images, method):
    """Outputs and maps [B, K, L, H, W], both in float64."""
    with case.context():
        explanation = explain(images, list(case.targets), method)
    return explanation.logits.double(), explanation.heatmaps.double()


def _expected(case, images):
    """The oracle's results: one, or several samples for a network that draws random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        results = [
            plain_maps(
                case.make_for_oracle(),
                case.layers,
                images.to(case.oracle_dtype or case.dtype),
                case.targets,
                case.reshape,
                case.activation_of,
            )
            for _ in range(DRAWS if case.draws_random else 1)
        ]
    full = any(result.maps[method].any() for result in results for method in METHODS)
    assert full != case.empty_maps, f"the oracle's maps are {'not ' * full}empty"
    return results


def _of_method(results, method):
    """(outputs, maps, magnitude of their terms) of each result."""
    return [(result.outputs, result.maps[method], result.terms[method]) for result in results]


def _assert_one_of(case, result, expected, label):
    """Each image's outputs and maps equal those of one of the expected results."""
    outputs, maps = result
    expected_outputs, expected_maps, _ = expected[0]
    for kind, got, wanted in (("maps", maps, expected_maps), ("outputs", outputs, expected_outputs)):
        assert got.shape == wanted.shape, f"{label}: {kind} {list(got.shape)} instead of {list(wanted.shape)}"
    deviations = torch.stack([_deviation(case, outputs, maps, *one) for one in expected])  # [draws, B] or [1]
    worst = deviations.amin(0).max().item()
    assert worst <= case.tolerance, f"{label}: off by {worst:.1e} of the magnitude of the terms"


def _deviation(case, outputs, maps, expected_outputs, expected_maps, terms):
    """The largest error relative to the magnitude of the terms: a number, or [B] for a random network, per image."""
    sizes = expected_maps.flatten(3).abs().amax((0, 3)) if terms is None else terms  # [K, L]
    of_maps = (maps - expected_maps).abs().flatten(3).amax(3) / sizes.clamp(min=1e-30)  # [B, K, L]
    of_outputs = (outputs - expected_outputs).abs() / expected_outputs.abs().max().clamp(min=1e-30)
    if case.draws_random:
        return torch.maximum(of_maps.flatten(1).amax(1), of_outputs.flatten(1).amax(1)).nan_to_num(nan=torch.inf)
    return torch.maximum(of_maps.max(), of_outputs.max()).nan_to_num(nan=torch.inf)


def _assert_unchanged(before, model, images, images_before):
    changed = differences(before, snapshot(model))
    assert not changed, f"the model changed: {'; '.join(changed)[:300]}"
    assert torch.equal(images, images_before), "the caller's images changed"


def _assert_message(message, pattern):
    assert message and "\n" not in message and len(message) <= LONGEST, f"not one sentence: {message[:200]!r}"
    assert re.search(pattern, message, re.IGNORECASE), f"does not match /{pattern}/: {message[:250]!r}"
    assert "expected" in message or ":" in message, f"does not say what to do: {message!r}"
