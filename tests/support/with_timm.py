"""pytest with timm: `PYTHONPATH=FOLDER python with_timm.py ARGUMENTS`, the folder holding timm and torchvision."""

import sys

import pytest
import torch

OPERATORS = torch.library.Library("torchvision", "DEF")  # kept, or they would be gone again
for name in ("nms", "qnms"):  # asked for at import, and part of what is compiled for another torch
    OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

sys.exit(pytest.main(sys.argv[1:]))
