"""Real architectures from transformers with random weights: maps equal a plain loop's."""

import pytest
import torch
import transformers
from plain_grad_cam import loop_grad_cam
from torch import nn

from gradcam import Explainer, suggest_layers

FIVE_CLASSES = {"num_labels": 5}
BUILDERS = {
    "ResNet": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(embedding_size=8, hidden_sizes=[16, 24], depths=[1, 2], **FIVE_CLASSES)
    ),
    "ConvNeXt": lambda: transformers.ConvNextForImageClassification(
        transformers.ConvNextConfig(
            hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, layer_scale_init_value=1.0, **FIVE_CLASSES
        )
    ),
    "MobileNetV2": lambda: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(depth_multiplier=0.25, **FIVE_CLASSES)
    ),
    "RegNet": lambda: transformers.RegNetForImageClassification(
        transformers.RegNetConfig(
            embedding_size=8, hidden_sizes=[16, 24], depths=[1, 1], groups_width=8, **FIVE_CLASSES
        )
    ),
    "EfficientNet": lambda: transformers.EfficientNetForImageClassification(
        transformers.EfficientNetConfig(width_coefficient=0.25, depth_coefficient=0.3, hidden_dim=320, **FIVE_CLASSES)
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_maps_equal_the_loop_and_the_model_is_unchanged(name):
    torch.manual_seed(0)
    model, images = BUILDERS[name]().double().train(), torch.rand(2, 3, 64, 48, dtype=torch.float64)
    layers = [suggestion.name for suggestion in suggest_layers(model, images)][-2:]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    explanation = Explainer(model, layers).explain(images, [0, 4])
    assert model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    logits_only = Logits(model).eval()
    for index, layer in enumerate(layers):
        for k, target in enumerate([0, 4]):
            expected = loop_grad_cam(logits_only, f"model.{layer}", images, target)
            torch.testing.assert_close(explanation.heatmaps[:, k, index], expected, rtol=1e-7, atol=1e-12)
    assert explanation.heatmaps.max() > 0


class Logits(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).logits


@pytest.mark.parametrize("name", BUILDERS)
def test_the_deepest_layer_of_a_cnn_is_recommended(name):
    *_, last = suggest_layers(BUILDERS[name](), torch.rand(1, 3, 64, 64))
    assert last.reason.endswith("the most of the model's knowledge that still has a place")


def test_a_vision_transformer_through_reshape():
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            image_size=32,
            patch_size=8,
            **FIVE_CLASSES,
        )
    ).double()

    def as_maps(tokens):  # [B, 1 + 16, D]: the class token has no position
        return tokens[:, 1:].mT.unflatten(2, (4, 4))

    layer = next(name for name, module in model.named_modules() if name.endswith("layernorm_before"))
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    heat = Explainer(model, layer, reshape=as_maps).explain(images, [0, 1], signed=True).heatmaps
    assert heat.shape == (2, 2, 1, 32, 32) and heat.abs().max() > 0
    captured = {}
    model.eval().get_submodule(layer).register_forward_hook(lambda module, args, output: captured.update(tokens=output))
    (gradient,) = torch.autograd.grad(model(images).logits[:, 1].sum(), captured["tokens"])
    small = (as_maps(gradient).mean((2, 3), keepdim=True) * as_maps(captured["tokens"])).sum(1, keepdim=True).detach()
    expected = nn.functional.interpolate(small, (32, 32), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(heat[:, 1, 0], expected, rtol=1e-8, atol=1e-14)


def test_a_swin_transformer_through_reshape():
    torch.manual_seed(0)
    model = transformers.SwinForImageClassification(
        transformers.SwinConfig(
            embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4, image_size=32, patch_size=4, **FIVE_CLASSES
        )
    )

    def as_maps(tokens):
        side = int(tokens.shape[1] ** 0.5)
        return tokens.mT.unflatten(2, (side, side))

    layer = next(name for name, module in model.named_modules() if name.endswith("layernorm_before"))
    explanation = Explainer(model, layer, reshape=as_maps).explain(
        torch.rand(1, 3, 32, 32), ["predicted", ("contrast", 0, 1)], signed=True
    )
    assert explanation.heatmaps.shape == (1, 2, 1, 32, 32) and explanation.heatmaps.abs().max() > 0
