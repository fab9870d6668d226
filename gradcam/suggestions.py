"""The layers worth reading, found by what they put out in one forward pass and by what reaches them in one backward."""

import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from .arrangement import Arrangement, arrangement_of, in_proportion
from .bottlenecks import bottlenecks
from .forward_pass import Layer, record, unwrapped
from .gradients import gradients
from .images import as_batch
from .model_copy import BorrowedCopy, ModelCopies
from .sources import activations_of

_KERNELS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Suggestion:
    """A layer worth reading, which `Explainer` and `take_apart` take as it is."""

    name: str
    shape: tuple[int, ...]  # of the layer's output: [B, C, h, w], [B, h, w, C] or [B, N, C]
    reason: str
    arrangement: Arrangement  # how that output becomes maps
    call: int | None = None  # of a layer that runs several times, the run to read

    @property
    def grid(self) -> tuple[int, int]:
        """The places: h, w."""
        return self.arrangement.grid

    @property
    def layer(self) -> Layer:
        return Layer(self.name, self.call, self.arrangement)


@dataclass(frozen=True)
class _Run:
    """One call of one module during a forward pass."""

    name: str
    call: int
    kind: type[nn.Module]
    output: Tensor  # kept: two layers that put out the same tensor are known by it
    kernels: int  # convolutions and Linears at places that had run by the time it finished
    inside: int  # convolutions and Linears that it is or holds
    by_patches: bool  # it is a Conv2d whose windows do not overlap

    @property
    def shape(self):
        return tuple(self.output.shape)


@dataclass(frozen=True)
class _Candidate:
    run: _Run
    layer: Layer
    bottleneck: bool = False  # everything that reaches the outputs passes through it

    @property
    def arrangement(self) -> Arrangement:
        assert self.layer.arrangement is not None
        return self.layer.arrangement


def suggest_layers(model: nn.Module, images: Tensor, most: int = 4) -> tuple[Suggestion, ...]:
    """Up to `most` layers worth reading, in the order in which they run; the last is the deepest that has places.

    One forward pass over `images` [B, 3, H, W] tells which modules put out maps, channels first or last, or tokens over
    a grid that a convolution made; a second with one backward, of each image's largest output, which of them the
    answer is read from by place. Behind the last attention of a network that reads a class token it is none.
    Of each resolution the last is taken, a stage before its blocks and a block before one of its branches; of a network
    with one resolution, layers at even depths. A patch embedding, which has seen each patch alone, is left out.

    Raises ValueError for a network in which nothing of this kind is found or whose tokens do not lie in the order of
    the image, as a third pass over a changed corner shows, and what its forward raises.
    """
    if not isinstance(most, int) or most < 1:
        raise ValueError(f"expected most as a number of layers from 1, got {most!r}")
    images, copies = as_batch(images, model), ModelCopies(model)
    with torch.inference_mode(False), torch.no_grad():
        with copies.borrow() as borrowed:
            runs = _runs(borrowed, images)
        candidates = _without_embedding(_candidates(runs, images.shape[2:]), runs)
        usable = _usable(copies, candidates, images)
        row_by_row = _row_by_row(copies, usable, images)
    if not row_by_row:
        raise ValueError(
            "expected a model that keeps its tokens in the order of the image, row by row, got one that sorts them "
            "otherwise: name the layers to read and pass a reshape that sorts them back"
        )
    if not usable:
        raise ValueError(
            "expected a model whose answer is read from layers over a grid that Conv2d layers made, found none: "
            "name the layers to read and pass reshape"
        )
    chosen = _chosen(usable, [one.run.name for one in candidates], most)
    return tuple(
        Suggestion(one.run.name, one.run.shape, _reason(one, chosen), one.arrangement, one.layer.call) for one in chosen
    )


def _runs(borrowed: BorrowedCopy, images: Tensor) -> list[_Run]:
    """Every run of a module that put out floating-point numbers for each image, in the order in which they finished."""
    runs: list[_Run] = []
    calls: dict[str, int] = {}

    def note(name, module, output):
        call = calls[name] = calls.get(name, -1) + 1
        try:
            tensor, _ = unwrapped(output, name)
        except TypeError:
            return
        wrapped = is_functorch_wrapped_tensor(tensor) or tensor.is_inference() or not tensor.is_floating_point()
        if not wrapped and tensor.ndim > 2 and len(tensor) == len(images):
            kernels = (runs[-1].kernels if runs else 0) + isinstance(module, _KERNELS)
            runs.append(_Run(name, call, type(module), tensor, kernels, _kernels_in(module), _by_patches(module)))

    def attach(root):
        runs.clear()
        calls.clear()
        return [
            module.register_forward_hook(lambda module, args, output, name=name: note(name, module, output))
            for name, module in root.named_modules()
            if name and not isinstance(module, torch.jit.ScriptModule)
        ]

    borrowed.forward(images, attach)
    return runs


def _kernels_in(module):
    return sum(isinstance(part, _KERNELS) for part in module.modules())


def _by_patches(module):
    return isinstance(module, nn.Conv2d) and module.stride == module.kernel_size != (1, 1)


def _candidates(runs, image):
    """The runs whose output is over a grid on which a convolution or Linear ran; one for each tensor, the outermost."""
    grids = _grids(runs, image)
    calls = {run.name: run.call + 1 for run in runs}
    by_tensor, computed = {}, set()
    for run in runs:
        arrangement = arrangement_of(run.shape, grids)
        if arrangement is None or not run.inside:
            continue
        if issubclass(run.kind, _KERNELS):
            computed.add(arrangement.grid)
        layer = Layer(run.name, run.call if calls[run.name] > 1 else None, arrangement)
        by_tensor.pop(id(run.output), None)  # so that the outermost stands where it finished
        by_tensor[id(run.output)] = _Candidate(run, layer)
    return [one for one in by_tensor.values() if one.arrangement.grid in computed]


def _grids(runs, image):
    """The grids that Conv2d layers made, and those that merging neighbours makes of them; a single place is none.

    A grid out of the image's proportions is none either where another has as many places: MobileViTV2 sorts a map's
    places into patches × places in a patch, and convolves that.
    """
    makers = (nn.Conv2d, nn.ConvTranspose2d)
    made = list(dict.fromkeys(run.shape[2:] for run in runs if issubclass(run.kind, makers) and len(run.shape) == 4))
    areas = {math.prod(grid) for grid in made if in_proportion(grid, image)}
    grids = [grid for grid in made if in_proportion(grid, image) or math.prod(grid) not in areas]
    for height, width in grids:  # grows on the way
        for merged in ((math.ceil(height / 2), math.ceil(width / 2)), (height // 2, width // 2)):
            if min(merged) > 0 and merged not in grids:
                grids.append(merged)
    return [grid for grid in grids if grid != (1, 1)]


def _without_embedding(candidates, runs):
    """Without what finished when only a convolution over separate patches had run, unless nothing follows it."""
    first = next((run for run in runs if issubclass(run.kind, _KERNELS)), None)
    if first is None or first.kernels == runs[-1].kernels or not first.by_patches:
        return candidates
    return [one for one in candidates if one.run.kernels > first.kernels]


def _usable(copies, candidates, images):
    """The candidates that the largest output depends on at their places, each with whether it is a bottleneck."""
    if not candidates:
        return []
    try:
        with copies.borrow() as borrowed:
            reached = _reached(borrowed, candidates, images)
    except ValueError:  # some of them cannot be recorded: each by itself
        if len(candidates) == 1:
            return []
        middle = len(candidates) // 2
        return [one for half in (candidates[:middle], candidates[middle:]) for one in _usable(copies, half, images)]
    with_places = [one for one, places in reached if places]
    return with_places or [one for one, _ in reached]  # a saturated output has no gradient anywhere


def _reached(borrowed, candidates, images):
    """(candidate, whether its places have a gradient) for those that a gradient leads to."""
    with torch.enable_grad():
        recording = record(borrowed, tuple(one.layer for one in candidates), images)
    outputs = recording.outputs.detach()
    rows = outputs.reshape(len(outputs), -1)
    largest = torch.zeros_like(rows).scatter_(1, rows.argmax(1, keepdim=True), 1).view_as(outputs)
    found = gradients(recording.outputs, activations_of(recording), largest[None])
    return [
        (_Candidate(one.run, one.layer, through), bool(one.arrangement.as_maps(gradient[0]).any()))
        for one, gradient, through in zip(candidates, found, bottlenecks(recording))
        if gradient is not None
    ]


def _row_by_row(copies, candidates, images):
    """Whether tokens lie in the order of the image: a change of its corner changes them most at that corner, or nearly.

    Hiera sorts its tokens by windows. A tenth of the largest change is enough: deep layers have spread it.
    """
    tokens = {(one.run.name, one.run.call): one for one in candidates if one.arrangement.kind == "tokens"}
    through = {key: one for key, one in tokens.items() if one.bottleneck} or tokens
    if not through:
        return True
    rows, columns = next(iter(through.values())).arrangement.grid
    changed = images.clone()
    changed[..., : images.shape[2] // rows, -(images.shape[3] // columns) :] += 1  # upper right
    with copies.borrow() as borrowed:
        runs = {(run.name, run.call): run for run in _runs(borrowed, changed)}
    changes = [
        one.arrangement.as_maps(runs[key].output - one.run.output).norm(dim=1)[0]  # [h, w]
        for key, one in through.items()
        if key in runs and runs[key].shape == one.run.shape
    ]
    return all(change[:2, -2:].max() >= change.max() / 10 for change in changes)


def _chosen(candidates, names, most):
    """Of each grid the last, the deepest `most`; of a network whose blocks share one grid, blocks at even depths.

    names: of all layers over a grid, also those that cannot be used. A part of one stands for a grid only where there
    is nothing else at all.
    """
    through = [one for one in candidates if one.bottleneck]
    blocks = [one for one in through if one.run.inside > 1]
    last = {one.arrangement.grid: one for one in candidates if not _lies_in(one, names)}
    last |= {one.arrangement.grid: one for one in through}
    last |= {one.arrangement.grid: one for one in through if one in blocks or not _lies_in(one, names)}
    last = last or {one.arrangement.grid: one for one in candidates}
    with_blocks = {one.arrangement.grid for one in blocks}
    if len(with_blocks) == 1 and len(_repeated(blocks)) >= most:  # finer grids are its patch embedding's
        return _at_even_depths(blocks, most)
    if len(last) > 1 or not through:
        return sorted(last.values(), key=candidates.index)[-most:]
    return _at_even_depths(through, most)


def _at_even_depths(layers, most):
    """As many of the repeated blocks as are wanted; the last layer of all stands for the last of them."""
    blocks = [one for one in layers if one in _repeated(layers) or one is layers[-1]]
    depths = [math.ceil(len(blocks) * part / most) for part in range(1, most + 1)]
    return [blocks[depth - 1] for depth in dict.fromkeys(depths)]


def _repeated(layers):
    """The layers of the class that occurs most often; of several, of the one that finishes last."""
    kinds = Counter(one.run.kind for one in reversed(layers))
    return [one for one in layers if one.run.kind is kinds.most_common(1)[0][0]]


def _lies_in(candidate, names):
    """Whether it is part of a layer of these names: a branch of a block is read as the block."""
    return any(candidate.run.name.startswith(name + ".") for name in names)


def _reason(candidate, chosen):
    arrangement, kind = candidate.arrangement, candidate.run.kind
    channels = candidate.run.shape[1] if arrangement.kind == "maps" else candidate.run.shape[-1]
    maps = f"{channels} maps of {arrangement.grid[0]} × {arrangement.grid[1]}"
    if arrangement.kind == "channels last":
        maps += ", channels last"
    if arrangement.kind == "tokens":
        maps += f", tokens behind {arrangement.prefix} without a place" if arrangement.prefix else ", tokens"
    is_convolution = issubclass(kind, nn.Conv2d)
    last = "the last convolution to run" if is_convolution else f"the last {kind.__name__} to finish"
    if candidate is chosen[-1]:
        return f"{last} ({maps}): the most of the model's knowledge that still has a place"
    later = chosen[chosen.index(candidate) + 1 :]
    if any(one.arrangement.grid == arrangement.grid for one in later):
        return f"an earlier {'convolution' if is_convolution else kind.__name__} ({maps})"
    return f"{last} at this resolution ({maps})"
