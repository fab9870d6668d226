"""Networks whose images are not independent, or that put out other than a row an image. The batch must stay whole."""

import torch
from torch import nn

from .case import BOTH, Small, network

SIX, SIXTEEN = (6, 3, 10, 10), (16, 3, 10, 10)


@network(BOTH, shape=(8, 3, 10, 10))
class TemporalShift(Small):
    """TSM: frames of a clip lie in the batch axis, and some channels are shifted from frame to frame."""

    def stem(self, x):
        x = super().stem(x)
        return torch.cat([x[:, :1].roll(1, 0), x[:, 1:2].roll(-1, 0), x[:, 2:]], 1)


@network(BOTH, shape=SIXTEEN)
class VideoOfEightFrames(Small):
    """`view(-1, 8, …)`: eight frames make one clip, so 16 images give two rows of logits."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(pooled.view(-1, 8, 5).mean(1))


@network(BOTH, shape=SIX)
class BatchCentred(Small):
    """Features centred over the batch: `x - x.mean(0)`."""

    def stem(self, x):
        x = super().stem(x)
        return x - x.mean(0)


@network(BOTH, shape=SIX, targets=(0, 5))
class Contrastive(Small):
    """Logits of pairs, `x @ x.T`: each image against all of its batch."""

    def top(self, x):
        features = nn.functional.normalize(self.conv2(x).relu().mean((2, 3)))
        return features @ features.T


@network(BOTH, shape=SIX)
class AttentionOverTheBatch(Small):
    """Set transformers and batch attention: images attend to one another."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(torch.softmax(pooled @ pooled.T, 1) @ pooled)


@network(BOTH, shape=SIX)
class MultipleInstances(Small):
    """A bag of patches gives one answer: the output has one row for the whole batch."""

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3)).amax(0, keepdim=True))


@network(
    BOTH,
    shape=(7, 3, 10, 10),
    targets=(lambda outputs: outputs[torch.arange(7), torch.tensor([0, 1, 2, 3, 0, 1, 2])], 1),
)
class LabelPerImage(Small):
    """A callable that indexes the whole batch: one label for each image."""


@network(
    BOTH,
    shape=SIX,
    targets=(lambda outputs: outputs[:, 0] - outputs[:, 1:].logsumexp(1), lambda outputs: outputs.log_softmax(1)[:, 2]),
)
class Margins(Small):
    """Callables of one's own: a margin, a log-probability."""


@network(BOTH, shape=SIX)
class InstanceAndGroupNorm(Small):
    """Instance, group, layer and local response normalisation: images stay apart."""

    def __init__(self):
        super().__init__()
        self.norm = nn.Sequential(
            nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.LayerNorm([4, 8, 8]), nn.LocalResponseNorm(2)
        )


@network(BOTH, shape=SIX)
class TrackedInstanceNorm(Small):
    """InstanceNorm with running statistics, which it uses in eval mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(4, track_running_stats=True)


@network(BOTH, shape=SIX)
class GhostBatchNorm(Small):
    """Normalised in pairs of two: chunks of the batch."""

    def stem(self, x):
        x = self.conv1(x)
        pairs = x.view(-1, 2, *x.shape[1:])
        return (
            ((x.view_as(pairs) - pairs.mean((1, 3, 4), keepdim=True)) / pairs.std((1, 3, 4), keepdim=True))
            .view_as(x)
            .relu()
        )


@network(BOTH, shape=(9, 3, 10, 10))
class ManyImages(Small):
    """Nothing odd but nine images, more than share a batch on a CPU."""


@network(BOTH, shape=SIX)
class RemembersTheBatchBefore(Small):
    """A feature of the last batch is added to this one's: MoCo's queue, memory banks."""

    def __init__(self):
        super().__init__()
        self.register_buffer("last", torch.zeros(4, 1, 1))

    def stem(self, x):
        x = super().stem(x)
        x, self.last = x + self.last, x.detach().mean((0, 2, 3))[:, None, None]
        return x
