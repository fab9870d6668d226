"""Recurrent layers, attention and its fused kernels, tokens, and PyTorch's own transformers."""

import torch
from torch import nn

from .architectures import squares
from .case import BOTH, Small, also, lived_in, network

LITTLE = (2, 3, 7, 7)  # whose maps have 25 positions behind the first convolution


class OverTokens(Small):
    """A convolutional stem, then something over its positions as a sequence."""

    def over(self, tokens):  # [B, hw, 4] → [B, 5]
        raise NotImplementedError

    def top(self, x):
        return self.head(self.over(x.flatten(2).mT))


@network(("conv1", "norm"), LITTLE)
class LSTMHead(OverTokens):
    """An LSTM over positions: captioning, OCR (CRNN)."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 5, batch_first=True, num_layers=2, dropout=0.3)

    def over(self, tokens):
        self.rnn.flatten_parameters()
        return self.rnn(tokens)[0][:, -1]


@network(("conv1", "norm"), LITTLE)
class GRUHead(OverTokens):
    """A bidirectional GRU."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(4, 3, batch_first=True, bidirectional=True), nn.Linear(6, 4)

    def over(self, tokens):
        return self.rnn(tokens)[0].mean(1)


@network(("conv1", "norm"), LITTLE)
class PlainRNNHead(OverTokens):
    """nn.RNN with ReLUs, time first."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 5, nonlinearity="relu")

    def over(self, tokens):
        return self.rnn(tokens.transpose(0, 1))[1][0]


@network("rnn", LITTLE, reshape=squares(), opened=lambda output: output[0])
class ReadAtTheLSTM(LSTMHead):
    """The LSTM itself is the layer: a tuple of its outputs and a tuple of states."""


class _Encoder(OverTokens):
    def __init__(self):
        super().__init__()
        block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True, norm_first=False)
        self.encoder, self.head = nn.TransformerEncoder(block, 2), nn.Linear(4, 4)

    def over(self, tokens):
        return self.encoder(tokens).mean(1)


@network(("conv1", "norm"), LITTLE)
class TransformerEncoder(_Encoder):
    """nn.TransformerEncoder: in eval mode and without gradients it takes a fused path around its own modules."""


also(name="transformer encoder, read at its blocks", layers=("encoder.layers.0", "encoder.layers.1"), reshape=squares())
also(
    name="transformer encoder, read at its attention",
    layers=("encoder.layers.0.self_attn",),
    opened=lambda output: output[0],
)
also(
    name="transformer encoder, read at its norms",
    layers=("encoder.layers.0.norm1", "encoder.layers.1.linear1"),
    opened=lambda output: output,
)
also(name="transformer encoder, frozen", build=lambda: lived_in(TransformerEncoder()).requires_grad_(False))


@network("attention", LITTLE, reshape=squares(), opened=lambda output: output[0])
class MultiheadAttention(OverTokens):
    """nn.MultiheadAttention, whose weights' average comes as second output, or None."""

    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)

    def over(self, tokens):
        return self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1)


also(name="multihead attention, read before it", layers=("conv1", "norm"), reshape=None, opened=lambda output: output)


@network(("conv1", "decoder"), LITTLE, sentence=r"reshape|maps", opened=lambda output: output)
class QueryDecoder(OverTokens):
    """Learned queries attend to the positions (DETR): the decoder's tokens have no place."""

    def __init__(self):
        super().__init__()
        block = nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)
        self.decoder, self.head = nn.TransformerDecoder(block, 1), nn.Linear(4, 4)
        self.queries = nn.Parameter(torch.rand(1, 3, 4))

    def over(self, tokens):
        return self.decoder(self.queries.expand(len(tokens), -1, -1), tokens).mean(1)


also(name="query decoder, read before it", layers=("conv1",), sentence=None)


class ClassToken(nn.Module):
    """A small ViT by hand: a class token, read at the end by the head."""

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


network(
    ("patch", "blocks.0"), (2, 3, 16, 16), reshape=lambda t: t if t.ndim == 4 else squares(1)(t), name="a class token"
)(ClassToken)
also(
    name="a class token, behind which patches have no say",
    layers=("norm",),
    sentence=r"gradient|depend",
    or_right=True,
    empty=True,
)


@network("layer", shape=(2, 3, 8, 8), reshape=lambda maps: maps.movedim(-1, 1))
class ChannelsLastInside(nn.Module):
    """A network whose maps are [B, h, w, C] inside, as Swin's and ConvNeXt's norms are."""

    def __init__(self):
        super().__init__()
        self.patch, self.layer, self.head = nn.Conv2d(3, 6, 2, stride=2), nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.layer(self.patch(x).movedim(1, -1)).relu().mean((1, 2)))


@network(BOTH)
class Hypernetwork(Small):
    """Weights made from the picture: dynamic convolutions, one group for each image."""

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
    """BatchNorm in eval mode as what it is: one factor and one shift a channel."""

    def forward(self, x):
        factor = self.weight / (self.running_var + self.eps).sqrt()
        return (x - self.running_mean[:, None, None]) * factor[:, None, None] + self.bias[:, None, None]


class _Hybrid(OverTokens):
    norm_of = nn.BatchNorm2d

    def __init__(self):
        super().__init__()
        self.norm, self.mix = self.norm_of(4), nn.Linear(4, 5)

    def stem(self, x):
        return self.norm(self.conv1(x))

    def over(self, tokens):
        return self.mix(tokens).tanh().mean(1)


class _PlainHybrid(_Hybrid):
    norm_of = _Affine


@network("conv1", (1, 3, 7, 7), plain=lambda: lived_in(_PlainHybrid()))
class TokensBehindABatchNorm(_Hybrid):
    """Hybrids make tokens of a BatchNorm's maps; for one image on a CPU torch 2.13 itself takes a wrong gradient."""


also(name="tokens behind a batch norm, two images", shape=(2, 3, 7, 7), plain=None)
