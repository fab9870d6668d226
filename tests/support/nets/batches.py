"""Networks whose images interact, or whose output is not one row per image. The batch must not be split."""

import torch
from torch import nn

from .case import CONVS, Small, register

SIX_IMAGES, SIXTEEN_IMAGES = (6, 3, 10, 10), (16, 3, 10, 10)


@register(CONVS, shape=(8, 3, 10, 10))
class TemporalShift(Small):
    """TSM: frames of a clip are stacked along the batch axis, and some channels are shifted from frame to frame."""

    def stem(self, x):
        x = super().stem(x)
        return torch.cat([x[:, :1].roll(1, 0), x[:, 1:2].roll(-1, 0), x[:, 2:]], 1)


@register(CONVS, shape=SIXTEEN_IMAGES)
class VideoOfEightFrames(Small):
    """`view(-1, 8, …)`: eight frames are one clip, so 16 images give two rows of logits."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(pooled.view(-1, 8, 5).mean(1))


@register(CONVS, shape=SIX_IMAGES)
class BatchCentred(Small):
    """Features centred over the batch: `x - x.mean(0)`."""

    def stem(self, x):
        x = super().stem(x)
        return x - x.mean(0)


@register(CONVS, shape=SIX_IMAGES, targets=(0, 5))
class Contrastive(Small):
    """Logits of pairs, `x @ x.T`: each image against all of its batch."""

    def top(self, x):
        features = nn.functional.normalize(self.conv2(x).relu().mean((2, 3)))
        return features @ features.T


@register(CONVS, shape=SIX_IMAGES)
class AttentionOverTheBatch(Small):
    """Set transformers and batch attention: images attend to one another."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(torch.softmax(pooled @ pooled.T, 1) @ pooled)


@register(CONVS, shape=SIX_IMAGES)
class MultipleInstanceLearning(Small):
    """A bag of patches is classified as a whole: the output has one row for the batch."""

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3)).amax(0, keepdim=True))


@register(
    CONVS,
    shape=(7, 3, 10, 10),
    targets=(lambda outputs: outputs[torch.arange(7), torch.tensor([0, 1, 2, 3, 0, 1, 2])], 1),
)
class LabelPerImage(Small):
    """A callable that indexes the whole batch: one label for each image."""


@register(
    CONVS,
    shape=SIX_IMAGES,
    targets=(lambda outputs: outputs[:, 0] - outputs[:, 1:].logsumexp(1), lambda outputs: outputs.log_softmax(1)[:, 2]),
)
class MarginTargets(Small):
    """Callable targets: a margin, a log-probability."""


@register(CONVS, shape=SIX_IMAGES)
class InstanceAndGroupNorm(Small):
    """Instance, group, layer and local response normalisation: images stay independent."""

    def __init__(self):
        super().__init__()
        self.norm = nn.Sequential(
            nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.LayerNorm([4, 8, 8]), nn.LocalResponseNorm(2)
        )


@register(CONVS, shape=SIX_IMAGES)
class TrackedInstanceNorm(Small):
    """InstanceNorm with running statistics, which it uses in eval mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(4, track_running_stats=True)


@register(CONVS, shape=SIX_IMAGES)
class GhostBatchNorm(Small):
    """Batch normalisation over pairs: chunks of the batch."""

    def stem(self, x):
        x = self.conv1(x)
        pairs = x.view(-1, 2, *x.shape[1:])
        normalised = (pairs - pairs.mean((1, 3, 4), keepdim=True)) / pairs.std((1, 3, 4), keepdim=True)
        return normalised.view_as(x).relu()


@register(CONVS, shape=(9, 3, 10, 10))
class ManyImages(Small):
    """A plain network and nine images, more than share a batch on a CPU."""


@register(CONVS, shape=SIX_IMAGES)
class RemembersThePreviousBatch(Small):
    """A feature of the previous batch is added to this one's: MoCo's queue, memory banks."""

    def __init__(self):
        super().__init__()
        self.register_buffer("last", torch.zeros(4, 1, 1))

    def stem(self, x):
        x = super().stem(x)
        x, self.last = x + self.last, x.detach().mean((0, 2, 3))[:, None, None]
        return x
