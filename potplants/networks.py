"""The article's two network architectures.

Layer numbers and attribute names are part of the file format: the published state dicts are read by them.
Letters: B images, S the input side, N classes.
"""

from __future__ import annotations

from torch import Tensor, nn

_HALVINGS = 3  # CNN pools three times, so its input side must be a multiple of 2³


class CNN(nn.Module):
    """Three convolutions, each followed by pooling, and two linear layers.

    `size` is the side S of its square input photos: the first linear layer fits no other.
    """

    def __init__(self, classes: int = 4, hidden: int = 500, size: int = 256) -> None:
        super().__init__()
        if size <= 0 or size % 2**_HALVINGS:
            raise ValueError(f"size must be a positive multiple of {2**_HALVINGS}, got {size}; the article uses 256.")
        self.size = size
        self.conv_layers = nn.Sequential(  # the ReLUs are not in-place: Grad-CAM needs the convolutions' outputs
            nn.Conv2d(3, 16, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        side = size // 2**_HALVINGS
        self.fc_layers = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(64 * side * side, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, images: Tensor) -> Tensor:  # [B, 3, S, S] RGB in 0…1 → [B, N] logits
        return self.fc_layers(self.conv_layers(images).flatten(1))


class CNNWithGAP(nn.Module):
    """Three convolutions without pooling, the mean of each map, and one linear layer.

    The input may have any side; `size` is the side it was trained on.
    """

    size = 256

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(64, classes))

    def forward(self, images: Tensor) -> Tensor:  # [B, 3, H, W] RGB in 0…1 → [B, N] logits
        return self.fc(self.gap(self.conv_layers(images)).flatten(1))
