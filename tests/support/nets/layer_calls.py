"""How layers are called: in place, several times, recursively, in loops; and what types they return."""

from collections import namedtuple
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from .case import CONVS, Small, register, register_variant


@register(CONVS, name="in-place ReLU")
class InPlaceReLU(Small):
    """nn.ReLU(inplace=True) right after the layer: it overwrites what a hook has captured."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def stem(self, x):
        return self.norm(self.act(self.conv1(x)))

    def top(self, x):
        return self.head(self.act(self.conv2(x)).mean((2, 3)))


@register(("conv1", "act"), name="in-place ReLU as layer")
class InPlaceReLUAsLayer(InPlaceReLU):
    """The in-place layer itself is explained, and its output is changed in place again."""

    def stem(self, x):
        return self.norm(self.act(self.conv1(x)).mul_(2))

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3)))


@register(CONVS)
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


@register(CONVS)
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


@register((("conv2", 0), ("conv2", 1), "conv1"))
class CalledTwice(Small):
    """One layer called twice, siamese within one image: each call is explained by itself."""

    def top(self, x):
        return self.head((self.conv2(x).relu() + self.conv2(x.flip(-1)).sigmoid()).mean((2, 3)))


register_variant(name="called twice, no call chosen", layers=("conv2",), error=r"\b2 times|twice|call")


@register(("conv1", ("step", 0), ("step", 2)))
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


register_variant(name="called in a loop, a call that does not happen", layers=(("step", 7),), error=r"3 times")


@register(("conv1", ("step", 1)))
class CalledInADataDependentLoop(CalledInALoop):
    """The number of calls depends on the image: adaptive computation, early exit."""

    def stem(self, x):
        x = Small.stem(self, x)
        for _ in range(2 + int(x.mean() > 100)):
            x = x + self.step(x).tanh()
        return x


@register(("conv1", ("block.conv", 1)))
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


@register("conv1", maps_allowed=True, error=r"call|\b2 times|twice")
class NestedCallOfTheLayer(Recursive):
    """The explained layer is the one that calls itself: which of its outputs is meant?"""


register_variant(
    name="nested call of the layer, its block",
    layers=(("block", 0),),
    error=r"call|times|twice",
    maps_allowed=True,
)


@register("conv2", shape=(2, 6, 10, 10))
class Siamese(Small):
    """Two images in one tensor, through one stem: the output depends on their difference."""

    def __init__(self):
        super().__init__()
        self.stem1 = nn.Sequential(self.conv1, self.norm)

    def forward(self, x):
        both = self.stem1(torch.cat([x[:, :3], x[:, 3:]]))
        first, second = both.chunk(2)
        return self.top((first - second).abs())


register_variant(layers=("stem1",), name="siamese, layer where two images are one batch", error=r"maps \[2|batch|\[4")


class _Returns(nn.Module):
    """A block that returns its maps inside another type."""

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


def _register_output(name, reason, wrap, activation, error=None):
    class ReturnsWrapped(Small):
        def __init__(self):
            super().__init__()
            self.block = _Returns(wrap)

        def stem(self, x):
            return activation(self.block(super().stem(x))).relu()

    ReturnsWrapped.__doc__ = reason
    register("block", name=name, error=error, maps_allowed=error is not None, activation_of=activation)(ReturnsWrapped)


def _model_output(maps, skip):
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=maps, hidden_states=(skip,))


OUTPUT_TYPE_ERROR = r"tensor|tuple|layer inside"
_register_output(
    "a layer that returns a tuple",
    "Blocks with attention maps or skips beside the maps.",
    lambda y, x: (y, x),
    lambda o: o[0],
)
_register_output(
    "a layer that returns a tuple with None",
    "The same, without a second value.",
    lambda y, x: (y, None),
    lambda o: o[0],
)
_register_output(
    "a layer that returns a list",
    "Feature pyramids return lists.",
    lambda y, x: [y, x],
    lambda o: o[0],
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns a dict",
    "Backbones return dicts by stage.",
    lambda y, x: {"out": y, "skip": x},
    lambda o: o["out"],
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns a namedtuple",
    "Named results keep old code working.",
    Maps,
    lambda o: o.maps,
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns a dataclass",
    "Typed results of newer libraries.",
    Features,
    lambda o: o.maps,
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns a ModelOutput",
    "Transformers' bodies.",
    _model_output,
    lambda o: o.last_hidden_state,
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns nested tuples",
    "Encoders with states of states.",
    lambda y, x: ((y, x), x),
    lambda o: o[0][0],
    OUTPUT_TYPE_ERROR,
)
_register_output(
    "a layer that returns an expanded view",
    "Maps broadcast by expand share their memory.",
    lambda y, x: y[:, :1].expand(-1, 4, -1, -1),
    lambda o: o,
)
_register_output("a layer that returns its input", "nn.Identity and disabled drop-path.", lambda y, x: x, lambda o: o)
_register_output(
    "a layer that returns channels last memory",
    "A block that works in another memory layout.",
    lambda y, x: y.contiguous(memory_format=torch.channels_last),
    lambda o: o,
)


@register(("", "conv2"), error=r"maps|reshape|\[B, C|shape")
class TheModelItselfAsLayer(Small):
    """The empty name is the model itself, whose output is not a map."""


@register(CONVS)
class ScaledDotProductAttention(Small):
    """F.scaled_dot_product_attention over positions, between two convolutions."""

    def stem(self, x):
        x = super().stem(x)
        tokens = x.flatten(2).mT
        mixed = F.scaled_dot_product_attention(tokens, tokens * 2, tokens)
        return x + mixed.mT.view_as(x)


@register(CONVS)
class Einsum(Small):
    """Bilinear pooling by einsum."""

    def top(self, x):
        maps = self.conv2(x)
        return self.head(torch.einsum("bchw,bdhw->bcd", maps, maps.tanh()).mean(2))


@register(CONVS)
class Resampled(Small):
    """grid_sample, pixel_shuffle, unfold and fold: spatial transformers and super-resolution."""

    def stem(self, x):
        x = super().stem(x)
        theta = torch.eye(2, 3, dtype=x.dtype).expand(len(x), 2, 3) * 0.9
        x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False)
        x = F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)
        return F.fold(F.unfold(x, 2, stride=2), x.shape[-2:], 2, stride=2)


@register(CONVS)
class TopKPooling(Small):
    """Sorting, top-k and indexing with masks choose positions by their values."""

    def top(self, x):
        maps = self.conv2(x).flatten(2)
        best = maps.topk(5, 2).values.mean(2)
        return self.head(best + maps.sort(2).values[..., -1] + torch.where(maps > 0, maps, 0).mean(2))


@register(CONVS)
class ConditionalPath(Small):
    """`if x.mean() > 0`: the path depends on the batch."""

    def stem(self, x):
        x = super().stem(x)
        return x * 2 if x.mean() > 0 else x.neg()


@register(("experts.0", "experts.1"))
class MixtureOfExperts(Small):
    """Experts chosen image by image, scattered and gathered: each expert sees a part of the batch."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])

    def stem(self, x):
        x = super().stem(x)
        soft = x.mean((1, 2, 3)).sigmoid()[:, None, None, None]
        return self.experts[0](x) * soft + self.experts[1](x) * (1 - soft)


@register("expert", error=r"maps \[2|batch|\[1", shape=(2, 3, 10, 10))
class HardMixtureOfExperts(Small):
    """Hard routing: an expert that runs on some images of the batch only."""

    def __init__(self):
        super().__init__()
        self.expert = nn.Conv2d(4, 4, 1)

    def stem(self, x):
        x = super().stem(x)
        return torch.cat([self.expert(x[:1]), x[1:]])
