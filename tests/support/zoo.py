"""Architectures of transformers, tiny and with random weights: what builds each, and how its last layer holds maps."""

from dataclasses import dataclass

import torch
import transformers
from torch import nn


@dataclass(frozen=True)
class Architecture:
    name: str  # of the classes in transformers, before ForImageClassification and Config
    sizes: dict
    prefix: int | None  # tokens without a place before the first patch; None for maps [B, C, h, w]
    grid: tuple[int, int]  # of the deepest layer, for images of this size
    size: int = 64

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        model = getattr(transformers, f"{self.name}ForImageClassification")
        config = getattr(transformers, f"{self.name}Config")
        return AsLogits(model(config(num_labels=5, **self.sizes))).double().eval()


class AsLogits(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).logits


PLAIN = {"hidden_size": 16, "num_hidden_layers": 6, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
VIT = {**PLAIN, "intermediate_size": 32}
DINO = {**PLAIN, "mlp_ratio": 2}
SWIN = {
    "image_size": 64,
    "patch_size": 4,
    "window_size": 4,
    "embed_dim": 8,
    "depths": [1, 2, 1],
    "num_heads": [2, 2, 2],
}
CONVNEXT = {"hidden_sizes": [8, 16, 24], "depths": [1, 1, 1], "num_stages": 3}
PYRAMID = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 2]}
HEADS = {"num_attention_heads": [1, 2, 2, 2]}
LEVIT = {"hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 2, 2], "depths": [1, 1, 1], "key_dim": [8, 8, 8]}
MOBILEVIT = {"hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 24, 24, 32, 48], "num_attention_heads": 2}

ZOO = [
    Architecture("ViT", VIT, 1, (4, 4), 32),
    Architecture("DeiT", VIT, 2, (4, 4), 32),
    Architecture("ViTMSN", VIT, 1, (4, 4), 32),
    Architecture("IJepa", VIT, 0, (4, 4), 32),
    Architecture("Data2VecVision", VIT, 1, (4, 4), 32),
    Architecture("Beit", {**VIT, "use_mean_pooling": False}, 1, (4, 4), 32),
    Architecture("Dinov2", DINO, 1, (4, 4), 32),
    Architecture("Dinov2WithRegisters", {**DINO, "num_register_tokens": 4}, 5, (4, 4), 32),
    Architecture("Siglip", {"vision_config": VIT}, 0, (4, 4), 32),
    Architecture("CLIP", {"vision_config": VIT}, 1, (4, 4), 32),
    Architecture("Swin", SWIN, 0, (4, 4)),
    Architecture("Swinv2", SWIN, 0, (4, 4)),
    Architecture("FocalNet", {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 1, 1]}, 0, (2, 2)),
    Architecture("Levit", {"image_size": 64, **LEVIT}, 0, (2, 2)),
    Architecture("Cvt", {"embed_dim": [8, 16, 24], "num_heads": [1, 2, 2], "depth": [1, 2, 3]}, 1, (4, 4)),
    Architecture("Pvt", {"image_size": 64, **PYRAMID, **HEADS}, 1, (2, 2)),
    Architecture("PvtV2", {**PYRAMID, **HEADS}, 0, (2, 2)),
    Architecture("Segformer", {**PYRAMID, **HEADS}, None, (2, 2)),
    Architecture("PoolFormer", PYRAMID, None, (2, 2)),
    Architecture("ConvNext", {**CONVNEXT, "layer_scale_init_value": 1.0}, None, (4, 4)),
    Architecture("ConvNextV2", CONVNEXT, None, (4, 4)),
    Architecture("ResNet", {"embedding_size": 8, "hidden_sizes": [16, 24], "depths": [1, 2]}, None, (8, 8)),
    Architecture("Bit", {"embedding_size": 8, **PYRAMID, "num_groups": 4}, None, (2, 2)),
    Architecture(
        *("RegNet", {"embedding_size": 8, "hidden_sizes": [16, 24], "depths": [1, 1], "groups_width": 8}),
        *(None, (8, 8)),
    ),
    Architecture("MobileNetV1", {"depth_multiplier": 0.25}, None, (2, 2)),
    Architecture("MobileNetV2", {"depth_multiplier": 0.25}, None, (2, 2)),
    Architecture(
        *("EfficientNet", {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}),
        *(None, (2, 2)),
    ),
    Architecture("MobileViT", {"image_size": 64, **MOBILEVIT}, None, (2, 2)),
    Architecture("MobileViTV2", {"image_size": 64, "width_multiplier": 0.25}, None, (2, 2)),
]
