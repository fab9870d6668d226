"""pytest with timm, as a program: `python with_timm.py FOLDER ARGUMENTS`, the folder holding timm and torchvision."""

import sys

sys.path.insert(0, sys.argv[1])

import pytest
import torch

OPERATORS = torch.library.Library("torchvision", "DEF")  # kept, or they would be gone again
for name in ("nms", "qnms"):  # asked for at import, and part of what is compiled for another torch
    OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

sys.exit(pytest.main(sys.argv[1:]))
