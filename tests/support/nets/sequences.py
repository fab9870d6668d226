"""Recurrent layers, attention and its fused kernels, tokens, and PyTorch's own transformers."""

import torch
from torch import nn

from .architectures import as_square_maps
from .case import CONVS, Small, initialised, register, register_variant

SMALL_IMAGES = (2, 3, 7, 7)  # 25 positions after the first convolution


class OverTokens(Small):
    """A convolutional stem, then a layer over its positions as a sequence."""

    def over_tokens(self, tokens):  # [B, hw, 4] → [B, 5]
        raise NotImplementedError

    def top(self, x):
        return self.head(self.over_tokens(x.flatten(2).mT))


@register(("conv1", "norm"), SMALL_IMAGES, name="LSTM head")
class LSTMHead(OverTokens):
    """An LSTM over positions: captioning, OCR (CRNN)."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 5, batch_first=True, num_layers=2, dropout=0.3)

    def over_tokens(self, tokens):
        self.rnn.flatten_parameters()
        return self.rnn(tokens)[0][:, -1]


@register(("conv1", "norm"), SMALL_IMAGES, name="GRU head")
class GRUHead(OverTokens):
    """A bidirectional GRU."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(4, 3, batch_first=True, bidirectional=True), nn.Linear(6, 4)

    def over_tokens(self, tokens):
        return self.rnn(tokens)[0].mean(1)


@register(("conv1", "norm"), SMALL_IMAGES, name="plain RNN head")
class PlainRNNHead(OverTokens):
    """nn.RNN with ReLUs, time first."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 5, nonlinearity="relu")

    def over_tokens(self, tokens):
        return self.rnn(tokens.transpose(0, 1))[1][0]


@register("rnn", SMALL_IMAGES, reshape=as_square_maps(), activation_of=lambda output: output[0], name="LSTM as layer")
class LSTMAsLayer(LSTMHead):
    """The LSTM itself is the layer: a tuple of its outputs and a tuple of states."""


class _Encoder(OverTokens):
    def __init__(self):
        super().__init__()
        block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True, norm_first=False)
        self.encoder, self.head = nn.TransformerEncoder(block, 2), nn.Linear(4, 4)

    def over_tokens(self, tokens):
        return self.encoder(tokens).mean(1)


@register(("conv1", "norm"), SMALL_IMAGES)
class TransformerEncoder(_Encoder):
    """nn.TransformerEncoder: in eval mode without gradients it takes a fused path that bypasses its modules."""


register_variant(
    name="transformer encoder, its blocks as layers",
    layers=("encoder.layers.0", "encoder.layers.1"),
    reshape=as_square_maps(),
)
register_variant(
    name="transformer encoder, its attention as layer",
    layers=("encoder.layers.0.self_attn",),
    activation_of=lambda output: output[0],
)
register_variant(
    name="transformer encoder, its norms as layers",
    layers=("encoder.layers.0.norm1", "encoder.layers.1.linear1"),
    activation_of=lambda output: output,
)
register_variant(
    name="transformer encoder, frozen", build=lambda: initialised(TransformerEncoder()).requires_grad_(False)
)


@register("attention", SMALL_IMAGES, reshape=as_square_maps(), activation_of=lambda output: output[0])
class MultiheadAttention(OverTokens):
    """nn.MultiheadAttention, whose second output is the averaged weights, or None."""

    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)

    def over_tokens(self, tokens):
        return self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1)


register_variant(
    name="multihead attention, layers before it",
    layers=("conv1", "norm"),
    reshape=None,
    activation_of=lambda output: output,
)


@register(("conv1", "decoder"), SMALL_IMAGES, error=r"reshape|maps", activation_of=lambda output: output)
class QueryDecoder(OverTokens):
    """Learned queries attend to the positions (DETR): the decoder's tokens have no position."""

    def __init__(self):
        super().__init__()
        block = nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)
        self.decoder, self.head = nn.TransformerDecoder(block, 1), nn.Linear(4, 4)
        self.queries = nn.Parameter(torch.rand(1, 3, 4))

    def over_tokens(self, tokens):
        return self.decoder(self.queries.expand(len(tokens), -1, -1), tokens).mean(1)


register_variant(name="query decoder, layer before it", layers=("conv1",), error=None)


class ClassToken(nn.Module):
    """A small ViT by hand, whose head reads the class token."""

    def __init__(self):
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 8, 4, stride=4), nn.Parameter(torch.rand(1, 1, 8))
        self.blocks = nn.ModuleList(
            [nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, dropout=0.0) for _ in range(2)]
        )
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).mT
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


register(
    ("patch", "blocks.0"),
    (2, 3, 16, 16),
    reshape=lambda t: t if t.ndim == 4 else as_square_maps(1)(t),
    name="a class token",
)(ClassToken)
register_variant(
    name="a class token, after which patches have no effect",
    layers=("norm",),
    error=r"gradient|depend",
    maps_allowed=True,
    empty_maps=True,
)


@register("layer", shape=(2, 3, 8, 8), reshape=lambda maps: maps.movedim(-1, 1))
class ChannelsLastInside(nn.Module):
    """A network whose maps are [B, h, w, C] inside, as Swin's and ConvNeXt's norms are."""

    def __init__(self):
        super().__init__()
        self.patch, self.layer, self.head = nn.Conv2d(3, 6, 2, stride=2), nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.layer(self.patch(x).movedim(1, -1)).relu().mean((1, 2)))


@register(CONVS)
class Hypernetwork(Small):
    """Weights computed from the image: dynamic convolutions, one group per image."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(4, 5 * 4)

    def top(self, x):
        kernels = self.weights(x.mean((2, 3))).view(-1, 4, 1, 1)
        maps = nn.functional.conv2d(x.reshape(1, -1, *x.shape[2:]), kernels, groups=len(x)).view(
            len(x), 5, *x.shape[2:]
        )
        return self.head((maps[..., 1:-1, 1:-1] + self.conv2(x)).relu().mean((2, 3)))


class _Affine(nn.BatchNorm2d):
    """BatchNorm in eval mode written out: one factor and one shift per channel."""

    def forward(self, x):
        factor = self.weight / (self.running_var + self.eps).sqrt()
        return (x - self.running_mean[:, None, None]) * factor[:, None, None] + self.bias[:, None, None]


class _Hybrid(OverTokens):
    norm_class = nn.BatchNorm2d

    def __init__(self):
        super().__init__()
        self.norm, self.mix = self.norm_class(4), nn.Linear(4, 5)

    def stem(self, x):
        return self.norm(self.conv1(x))

    def over_tokens(self, tokens):
        return self.mix(tokens).tanh().mean(1)


class _PlainHybrid(_Hybrid):
    norm_class = _Affine


@register("conv1", (1, 3, 7, 7), oracle_build=lambda: initialised(_PlainHybrid()))
class TokensAfterABatchNorm(_Hybrid):
    """Hybrids make tokens of a BatchNorm's maps; for one image on a CPU torch 2.13 computes a wrong gradient."""


register_variant(name="tokens after a batch norm, two images", shape=(2, 3, 7, 7), oracle_build=None)
