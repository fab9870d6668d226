"""How layers run: in place, several times, recursively, in loops; and what they put out."""

from collections import namedtuple
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .case import BOTH, Small, also, network


@network(BOTH)
class InPlaceReLU(Small):
    """nn.ReLU(inplace=True) right behind the layer: it overwrites what a hook has kept."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def stem(self, x):
        return self.norm(self.act(self.conv1(x)))

    def top(self, x):
        return self.head(self.act(self.conv2(x)).mean((2, 3)))


@network(("conv1", "act"))
class ReadAtAnInPlaceReLU(InPlaceReLU):
    """The in-place layer itself is asked for, and its output changed in place again."""

    def stem(self, x):
        return self.norm(self.act(self.conv1(x)).mul_(2))

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3)))


@network(BOTH)
class InPlaceArithmetic(Small):
    """`x += shortcut`, `x.mul_()`, `x[:, 0] = 0`, `out=`: on the layers' outputs and on the input itself."""

    def forward(self, x):
        x.mul_(2).sub_(0.5)
        y = self.conv1(x)
        y += y.roll(1, 1)
        y[:, 0] = 0
        y[:, :, 0].fill_(1)
        z = self.conv2(self.norm(y))
        z.clamp_(min=0)
        return self.head(z.mean((2, 3)))


@network(BOTH)
class InPlaceOnViews(Small):
    """The layer's output is sliced or viewed, and the views are written to."""

    def stem(self, x):
        y = self.conv1(x)
        y[:, 2:].mul_(0.5)
        y.view(len(y), 2, 2, 8, 8)[:, 0].relu_()
        left, right = self.norm(y).chunk(2, 1)
        return torch.cat([right.relu(), left], 1)

    def top(self, x):
        flat = self.conv2(x).flatten(2)
        flat.relu_()
        return self.head(flat.mean(2))


@network((("conv2", 0), ("conv2", 1), "conv1"))
class CalledTwice(Small):
    """One layer called twice, siamese within one image: each call is read alone."""

    def top(self, x):
        return self.head((self.conv2(x).relu() + self.conv2(x.flip(-1)).sigmoid()).mean((2, 3)))


also(name="called twice, asked for without a call", layers=("conv2",), sentence=r"\b2 times|twice|call")


@network(("conv1", ("step", 0), ("step", 2)))
class CalledInALoop(Small):
    """A weight-shared block in a loop: recurrent ResNets, diffusion steps, deep equilibrium."""

    def __init__(self):
        super().__init__()
        self.step = nn.Conv2d(4, 4, 3, padding=1)

    def stem(self, x):
        x = super().stem(x)
        for _ in range(3):
            x = x + self.step(x).tanh()
        return x


also(name="called in a loop, a call that does not come", layers=(("step", 7),), sentence=r"3 times")


@network(("conv1", ("step", 1)))
class CalledInADataDependentLoop(CalledInALoop):
    """How often depends on the picture: adaptive computation, early exit."""

    def stem(self, x):
        x = Small.stem(self, x)
        for _ in range(2 + int(x.mean() > 100)):
            x = x + self.step(x).tanh()
        return x


@network(("conv1", ("block.conv", 1)))
class Recursive(Small):
    """A block that calls itself: tree-shaped and fractal networks."""

    def __init__(self):
        super().__init__()
        self.block = _Block()

    def stem(self, x):
        return self.block(super().stem(x), depth=2)


class _Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x, depth):
        x = x + self.conv(x).tanh()
        return self(x, depth=depth - 1) if depth else x


@network("conv1", or_right=True, sentence=r"call|\b2 times|twice")
class NestedCallOfTheAskedLayer(Recursive):
    """The asked layer is the one that calls itself: which of its outputs is meant?"""


also(
    name="nested call of the asked layer, its block",
    layers=(("block", 0),),
    sentence=r"call|times|twice",
    or_right=True,
)


@network("conv2", shape=(2, 6, 10, 10))
class Siamese(Small):
    """Two pictures in one tensor, through one stem: their difference decides."""

    def __init__(self):
        super().__init__()
        self.stem1 = nn.Sequential(self.conv1, self.norm)

    def forward(self, x):
        both = self.stem1(torch.cat([x[:, :3], x[:, 3:]]))
        first, second = both.chunk(2)
        return self.top((first - second).abs())


also(layers=("stem1",), name="siamese, read where two pictures are one batch", sentence=r"maps \[2|batch|\[4")


class _Puts(nn.Module):
    """A block that puts out maps in some wrapping."""

    def __init__(self, wrap):
        super().__init__()
        self.conv, self.wrap = nn.Conv2d(4, 4, 3, padding=1), wrap

    def forward(self, x):
        return self.wrap(self.conv(x), x)


Maps = namedtuple("Maps", "maps skip")


@dataclass
class Features:
    maps: Tensor
    skip: Tensor


def _wrapped(name, why, wrap, unwrap, sentence=None):
    class Wraps(Small):
        def __init__(self):
            super().__init__()
            self.block = _Puts(wrap)

        def stem(self, x):
            return unwrap(self.block(super().stem(x))).relu()

    Wraps.__doc__ = why
    network("block", name=name, sentence=sentence, or_right=sentence is not None, opened=unwrap)(Wraps)


def _model_output(maps, skip):
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=maps, hidden_states=(skip,))


KIND = r"tensor|tuple|layer inside"
_wrapped(
    "a layer that puts out a tuple",
    "Blocks with attention maps or skips beside the maps.",
    lambda y, x: (y, x),
    lambda o: o[0],
)
_wrapped(
    "a layer that puts out a tuple with None", "The same, with nothing beside.", lambda y, x: (y, None), lambda o: o[0]
)
_wrapped("a layer that puts out a list", "Feature pyramids put out lists.", lambda y, x: [y, x], lambda o: o[0], KIND)
_wrapped(
    "a layer that puts out a dict",
    "Backbones put out dicts by stage.",
    lambda y, x: {"out": y, "skip": x},
    lambda o: o["out"],
    KIND,
)
_wrapped("a layer that puts out a namedtuple", "Named results keep old code working.", Maps, lambda o: o.maps, KIND)
_wrapped("a layer that puts out a dataclass", "Typed results of newer libraries.", Features, lambda o: o.maps, KIND)
_wrapped(
    "a layer that puts out a ModelOutput", "Transformers' bodies.", _model_output, lambda o: o.last_hidden_state, KIND
)
_wrapped(
    "a layer that puts out nested tuples",
    "Encoders with states of states.",
    lambda y, x: ((y, x), x),
    lambda o: o[0][0],
    KIND,
)
_wrapped(
    "a layer that puts out an expanded view",
    "Maps broadcast by expand share their memory.",
    lambda y, x: y[:, :1].expand(-1, 4, -1, -1),
    lambda o: o,
)
_wrapped("a layer that puts out its input", "nn.Identity and switched-off drop-path.", lambda y, x: x, lambda o: o)
_wrapped(
    "a layer that puts out channels last memory",
    "A block that works in another memory layout.",
    lambda y, x: y.contiguous(memory_format=torch.channels_last),
    lambda o: o,
)


@network(("", "conv2"), sentence=r"maps|reshape|\[B, C|shape")
class AskedForTheModelItself(Small):
    """The empty name is the model itself, whose output is no map."""


@network(BOTH)
class Scaled(Small):
    """F.scaled_dot_product_attention over positions, between two convolutions."""

    def stem(self, x):
        x = super().stem(x)
        tokens = x.flatten(2).mT
        mixed = F.scaled_dot_product_attention(tokens, tokens * 2, tokens)
        return x + mixed.mT.view_as(x)


@network(BOTH)
class Einsum(Small):
    """Bilinear pooling by einsum."""

    def top(self, x):
        maps = self.conv2(x)
        return self.head(torch.einsum("bchw,bdhw->bcd", maps, maps.tanh()).mean(2))


@network(BOTH)
class Resampled(Small):
    """grid_sample, pixel_shuffle, unfold and fold: spatial transformers and super-resolution."""

    def stem(self, x):
        x = super().stem(x)
        theta = torch.eye(2, 3, dtype=x.dtype).expand(len(x), 2, 3) * 0.9
        x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False)
        x = F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)
        return F.fold(F.unfold(x, 2, stride=2), x.shape[-2:], 2, stride=2)


@network(BOTH)
class TopKPooling(Small):
    """Sorting, top-k and indexing with masks choose positions by their values."""

    def top(self, x):
        maps = self.conv2(x).flatten(2)
        best = maps.topk(5, 2).values.mean(2)
        return self.head(best + maps.sort(2).values[..., -1] + torch.where(maps > 0, maps, 0).mean(2))


@network(BOTH)
class ConditionalPath(Small):
    """`if x.mean() > 0`: a path for each batch."""

    def stem(self, x):
        x = super().stem(x)
        return x * 2 if x.mean() > 0 else x.neg()


@network(("experts.0", "experts.1"))
class MixtureOfExperts(Small):
    """Experts chosen image by image, scattered and gathered: each expert sees a part of the batch."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])

    def stem(self, x):
        x = super().stem(x)
        soft = x.mean((1, 2, 3)).sigmoid()[:, None, None, None]
        return self.experts[0](x) * soft + self.experts[1](x) * (1 - soft)


@network("expert", sentence=r"maps \[2|batch|\[1", shape=(2, 3, 10, 10))
class HardMixtureOfExperts(Small):
    """The hard kind: an expert that runs on some images of the batch only."""

    def __init__(self):
        super().__init__()
        self.expert = nn.Conv2d(4, 4, 1)

    def stem(self, x):
        x = super().stem(x)
        return torch.cat([self.expert(x[:1]), x[1:]])
