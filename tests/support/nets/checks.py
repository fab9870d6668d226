"""What every network is held to: right maps, the model as found, threads that do not meet, or one clear sentence."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from gradcam import Explainer

from .case import Case, meetings
from .found import differences, written_down
from .oracle import METHODS, plain_maps

THREADS, CALLS = 4, 2
DRAWS = 24  # forward passes of a network that draws from a handful of possibilities
LONGEST = 600  # letters of a sentence


def check_maps(case: Case, explainer=Explainer):
    """Outputs and maps by three methods are the oracle's, and nothing about the model or the images changes."""
    model, images = case.make(), case.images()
    possible = _possible(case, images)
    before, given = written_down(model), images.clone()
    with case.around():
        explain = _explain(case, explainer, model)  # one for all: what it keeps must not tell
    for method in METHODS:
        outputs, maps = _asked(case, explain, images, method)
        _assert_as_found(before, model, images, given)
        _assert_one_of(case, (outputs, maps), _answers(possible, method), method)


def check_sentence(case: Case, explainer=Explainer):
    """One sentence in a ValueError or TypeError that says what stands in the way; nothing about the model changes.

    True if it was said, False where right maps came instead and are allowed.
    """
    model, images = case.make(), case.images()
    before, given = written_down(model), images.clone()
    try:
        with case.around():
            explain = _explain(case, explainer, model)
        _asked(case, explain, images, METHODS[0])
    except (ValueError, TypeError) as error:
        _assert_sentence(str(error), case.sentence)
    except Exception as error:
        raise AssertionError(f"not a sentence: {type(error).__name__}: {str(error)[:200]}") from error
    else:
        assert case.or_right, "maps came without a word"
        return False
    _assert_as_found(before, model, images, given)
    return True


def check_threads(case: Case, explainer=Explainer):
    """Threads that share one explainer, with photos of their own, get what they get alone."""
    model = case.make()
    photos = [case.images(seed) for seed in range(THREADS)]
    if case.draws:
        alone = [_answers(_possible(case, images), "HiResCAM") for images in photos]
    else:
        alone = [[(*_asked(case, _explain(case, explainer, model), images, "HiResCAM"), None)] for images in photos]
    before, shared, start = written_down(model), _explain(case, explainer, model), threading.Barrier(THREADS)

    def ask(index):
        start.wait()
        return [_asked(case, shared, photos[index], "HiResCAM") for _ in range(CALLS)]

    with meetings(THREADS), ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    assert not (changed := differences(before, written_down(model))), f"with threads: {'; '.join(changed)[:300]}"
    for index, found in enumerate(answers):
        for answer in found:
            _assert_one_of(case, answer, alone[index], f"thread {index}")


def _explain(case, explainer, model):
    return explainer(model, list(case.layers), case.reshape).explain


def _asked(case, explain, images, method):
    """Outputs and maps [B, K, L, H, W], both in float64."""
    with case.around():
        explanation = explain(images, list(case.targets), method)
    return explanation.logits.double(), explanation.heatmaps.double()


def _possible(case, images):
    """What a right explainer may answer: one answer, or some for a network that draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        found = [
            plain_maps(
                case.make_plain(),
                case.layers,
                images.to(case.plain_dtype or case.dtype),
                case.targets,
                case.reshape,
                case.opened,
            )
            for _ in range(DRAWS if case.draws else 1)
        ]
    full = any(plain.maps[method].any() for plain in found for method in METHODS)
    assert full != case.empty, f"the oracle's maps are {'not ' * full}empty"
    return found


def _answers(possible, method):
    """(outputs, maps, size of their terms) of each."""
    return [(plain.outputs, plain.maps[method], plain.terms[method]) for plain in possible]


def _assert_one_of(case, answer, possible, what):
    """Each image's outputs and maps are those of one of the possible answers."""
    outputs, maps = answer
    assert maps.shape == possible[0][1].shape, (
        f"{what}: shape {list(maps.shape)} in place of {list(possible[0][1].shape)}"
    )
    assert outputs.shape == possible[0][0].shape, (
        f"{what}: outputs {list(outputs.shape)} in place of {list(possible[0][0].shape)}"
    )
    off = torch.stack([_off(case, outputs, maps, *expected) for expected in possible])  # [draws, B] or [1]
    worst = off.amin(0).max().item()
    assert worst <= case.tolerance, f"{what}: off by {worst:.1e} of the size of what is summed"


def _off(case, outputs, maps, said, heat, terms):
    """The largest distance as part of the size of the terms: a number; [B] for a network that draws, image by image."""
    sizes = heat.flatten(3).abs().amax((0, 3)) if terms is None else terms  # [K, L]
    of_maps = (maps - heat).abs().flatten(3).amax(3) / sizes.clamp(min=1e-30)  # [B, K, L]
    of_outputs = (outputs - said).abs() / said.abs().max().clamp(min=1e-30)
    if case.draws:
        return torch.maximum(of_maps.flatten(1).amax(1), of_outputs.flatten(1).amax(1)).nan_to_num(nan=torch.inf)
    return torch.maximum(of_maps.max(), of_outputs.max()).nan_to_num(nan=torch.inf)


def _assert_as_found(before, model, images, given):
    changed = differences(before, written_down(model))
    assert not changed, f"not as found: {'; '.join(changed)[:300]}"
    assert torch.equal(images, given), "the caller's images changed"


def _assert_sentence(said, pattern):

    assert said and "\n" not in said and len(said) <= LONGEST, f"not one sentence: {said[:200]!r}"
    assert re.search(pattern, said, re.IGNORECASE), f"another sentence than /{pattern}/: {said[:250]!r}"
    assert "expected" in said or ":" in said, f"no word on what to do: {said!r}"
