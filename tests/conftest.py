"""What many tests share: small networks whose truth can be worked out, and photos to look at."""

import pytest
import torch
from live import running_app
from torch import nn


@pytest.fixture
def images():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))  # [B, 3, H, W]


@pytest.fixture
def network():
    """Three convolutions with pooling, two linear layers: the article's shape, in small."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(6 * 2 * 2, 8), nn.ReLU(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """The app as a stranger gets it: no Hub, the embedded model and photos. One server for all tests."""
    with running_app(tmp_path_factory.mktemp("app")) as url:
        yield url
