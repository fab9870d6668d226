"""Published architectures from transformers and timm, small and with random weights."""

import importlib.util
from contextlib import suppress

import torch
import transformers as hf

from .case import initialised, register

FOUR_CLASSES = {"num_labels": 4}
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "vocab_size": 10}
TWO_STAGES = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "sr_ratios": [2, 1],
    "hidden_sizes": [8, 8],
    "num_attention_heads": [1, 2],
}
SEGFORMER = TWO_STAGES | {"patch_sizes": [7, 3], "strides": [4, 2], "mlp_ratios": [2, 2]}


def as_square_maps(extra=0):
    """Tokens [B, extra + side², D] as maps [B, D, side, side]: class and register tokens have no position."""

    def as_maps(tokens):
        side = int((tokens.shape[1] - extra) ** 0.5)
        return tokens[:, extra:].mT.unflatten(2, (side, side))

    return as_maps


def channels_first(maps):
    return maps.movedim(-1, 1)  # [B, h, w, C] → [B, C, h, w]


def register_transformers(name, family, layers, *, settings=None, size=32, **use):
    """Register transformers' `{family}ForImageClassification`, or another kind, with these config settings."""
    kind = use.pop("kind", "ForImageClassification")

    def build():
        config = getattr(hf, f"{family}Config")(**(settings or {}), **FOUR_CLASSES)
        return initialised(getattr(hf, family + kind)(config))

    build.__doc__ = f"{name} as transformers builds it: fine-tuned from the Hub, explained unmodified."
    register(layers, (2, 3, size, size), name=name, **use)(build)


register_transformers(
    "ResNet",
    "ResNet",
    ["resnet.encoder.stages.0", "resnet.encoder.stages.1.layers.0.layer.2.convolution"],
    settings={"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1]},
)
CONVNEXT = {"hidden_sizes": [8, 12], "depths": [1, 1], "num_stages": 2}
register_transformers(
    "ConvNeXt",
    "ConvNext",
    ["convnext.encoder.stages.0", "convnext.encoder.stages.1.layers.0.dwconv"],
    settings=CONVNEXT | {"layer_scale_init_value": 1.0},
)
register_transformers(
    "ConvNeXt, a norm layer, channels last",
    "ConvNext",
    "convnext.encoder.stages.1.layers.0.layernorm",
    settings=CONVNEXT | {"layer_scale_init_value": 1.0},
    reshape=channels_first,
)
register_transformers(
    "ConvNeXt V2",
    "ConvNextV2",
    ["convnextv2.encoder.stages.0", "convnextv2.encoder.stages.1.layers.0"],
    settings=CONVNEXT,
)
register_transformers(
    "MobileNet V1",
    "MobileNetV1",
    ["mobilenet_v1.layer.4", "mobilenet_v1.layer.12.convolution"],
    settings={"depth_multiplier": 0.125, "min_depth": 4},
    size=64,
)
register_transformers(
    "MobileNet V2",
    "MobileNetV2",
    ["mobilenet_v2.layer.4", "mobilenet_v2.layer.12.reduce_1x1.convolution"],
    settings={"depth_multiplier": 0.125, "min_depth": 4, "depth_divisible_by": 4},
    size=64,
)
register_transformers(
    "RegNet",
    "RegNet",
    ["regnet.encoder.stages.0", "regnet.encoder.stages.1.layers.0.shortcut.convolution"],
    settings={"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 8},
    targets=(1, 3),
)
register_transformers(
    "EfficientNet",
    "EfficientNet",
    ["efficientnet.encoder.blocks.3", "efficientnet.encoder.top_conv"],
    settings={"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128},
    size=64,
)
register_transformers(
    "BiT",
    "Bit",
    ["bit.encoder.stages.0", "bit.norm"],
    settings={"embedding_size": 8, "hidden_sizes": [32, 32], "depths": [1, 1], "num_groups": 4},
)
register_transformers(
    "PoolFormer",
    "PoolFormer",
    ["poolformer.encoder.block.2.0", "poolformer.encoder.block.1.0.output.conv2"],
    settings={"hidden_sizes": [8, 8, 8, 12], "depths": [1, 1, 1, 1]},
    activation_of=lambda output: output[0] if isinstance(output, tuple) else output,
)
register_transformers(
    "MobileViT",
    "MobileViT",
    ["mobilevit.encoder.layer.2", "mobilevit.conv_1x1_exp.convolution"],
    settings={
        "hidden_sizes": [8, 8, 8],
        "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 8],
        "num_attention_heads": 2,
        "image_size": 64,
    },
    size=64,
)
register_transformers(
    "MobileViT V2",
    "MobileViTV2",
    ["mobilevitv2.encoder.layer.1", "mobilevitv2.encoder.layer.4"],
    settings={
        "width_multiplier": 0.1,
        "image_size": 64,
        "n_attn_blocks": [1, 1, 1],
        "base_attn_unit_dims": [16, 16, 16],
    },
    size=64,
)
register_transformers(
    "ViT", "ViT", ["vit.layers.0", "vit.layers.1.layernorm_before"], settings=VIT, reshape=as_square_maps(1)
)
register_transformers("ViT without reshape", "ViT", "vit.layers.0", settings=VIT, error=r"reshape")
register_transformers(
    "DeiT with its teacher",
    "DeiT",
    ["deit.layers.0", "deit.layers.1.layernorm_before"],
    kind="ForImageClassificationWithTeacher",
    settings=VIT,
    reshape=as_square_maps(2),
)
register_transformers(
    "BEiT",
    "Beit",
    ["beit.layers.0", "beit.layers.1"],
    settings=VIT | {"use_relative_position_bias": True, "layer_scale_init_value": 1.0},
    reshape=as_square_maps(1),
)
DINO = {key: value for key, value in VIT.items() if key != "intermediate_size"} | {"mlp_ratio": 2}
register_transformers(
    "DINOv2", "Dinov2", ["dinov2.encoder.layer.0", "dinov2.layernorm"], settings=DINO, reshape=as_square_maps(1)
)
register_transformers(
    "DINOv2 with registers",
    "Dinov2WithRegisters",
    ["dinov2_with_registers.encoder.layer.0", "dinov2_with_registers.encoder.layer.1.norm1"],
    settings=DINO,
    reshape=as_square_maps(5),
)
SWIN = {"embed_dim": 8, "depths": [2, 1], "num_heads": [2, 2], "window_size": 4, "image_size": 32, "patch_size": 4}
register_transformers(
    "Swin",
    "Swin",
    ["swin.encoder.layers.0.blocks.1.layernorm_before", "swin.layernorm"],
    settings=SWIN,
    reshape=as_square_maps(),
)
register_transformers(
    "Swin, a block that returns a tuple",
    "Swin",
    "swin.encoder.layers.1.blocks.0",
    settings=SWIN,
    reshape=as_square_maps(),
    activation_of=lambda output: output[0],
)
register_transformers(
    "Swin V2",
    "Swinv2",
    ["swinv2.encoder.layers.0.blocks.1.layernorm_before", "swinv2.layernorm"],
    settings=SWIN,
    reshape=as_square_maps(),
)
register_transformers("Segformer", "Segformer", ["segformer.stages.0", "segformer.stages.1"], settings=SEGFORMER)
register_transformers(
    "Segformer that segments",
    "Segformer",
    ["segformer.stages.1", "decode_head.linear_fuse"],
    kind="ForSemanticSegmentation",
    settings=SEGFORMER | {"decoder_hidden_size": 8},
    targets=(lambda maps: maps[:, 1, 2:6, 2:6].sum((1, 2)), lambda maps: maps[:, 3].mean((1, 2))),
)
register_transformers(
    "SigLIP",
    "Siglip",
    ["vision_model.encoder.layers.0", "vision_model.post_layernorm"],
    settings={"vision_config": VIT, "text_config": TEXT | {"bos_token_id": 0, "eos_token_id": 1}},
    reshape=as_square_maps(),
)
register_transformers(
    "CLIP",
    "CLIP",
    ["vision_model.encoder.layers.0", "vision_model.encoder.layers.1.layer_norm1"],
    settings={"vision_config": VIT, "text_config": TEXT | {"bos_token_id": 0, "eos_token_id": 1}},
    reshape=as_square_maps(1),
)
register_transformers(
    "LeViT",
    "Levit",
    ["levit.encoder.stages.0", "levit.encoder.stages.1"],
    size=64,
    reshape=as_square_maps(),
    settings={
        "image_size": 64,
        "hidden_sizes": [16, 16, 16],
        "num_attention_heads": [1, 1, 1],
        "depths": [1, 1, 1],
        "key_dim": [4, 4, 4],
        "mlp_ratio": [1, 1, 1],
        "attention_ratio": [1, 1, 1],
        "down_ops": [["Subsample", 4, 4, 2, 2, 2]] * 2,
    },
)
register_transformers(
    "FocalNet",
    "FocalNet",
    ["focalnet.encoder.stages.0.layers.0", "focalnet.encoder.stages.1.layers.0"],
    reshape=as_square_maps(),
    settings={
        "embed_dim": 8,
        "depths": [1, 1],
        "hidden_sizes": [8, 16],
        "focal_levels": [1, 1],
        "focal_windows": [3, 3],
        "image_size": 32,
    },
)
register_transformers(
    "PVT V2",
    "PvtV2",
    ["pvt_v2.encoder.layers.0.layer_norm", "pvt_v2.encoder.layers.1.layer_norm"],
    reshape=as_square_maps(),
    settings=SEGFORMER | {"image_size": 32},
)
register_transformers(
    "Data2Vec",
    "Data2VecVision",
    ["data2vec_vision.encoder.layer.0", "data2vec_vision.encoder.layer.1.layernorm_before"],
    settings=VIT,
    reshape=as_square_maps(1),
    activation_of=lambda output: output[0] if isinstance(output, tuple) else output,
)
register_transformers("I-JEPA", "IJepa", ["ijepa.layers.0", "ijepa.layernorm"], settings=VIT, reshape=as_square_maps())
register_transformers(
    "Hiera",
    "Hiera",
    ["hiera.encoder.stages.0.layers.0.mlp", "hiera.encoder.stages.1.layers.0.mlp"],
    reshape=as_square_maps(),
    settings={
        "embed_dim": 8,
        "image_size": [32, 32],
        "patch_size": [3, 3],
        "patch_stride": [4, 4],
        "patch_padding": [1, 1],
        "depths": [1, 1],
        "num_heads": [1, 2],
        "mlp_ratio": 2.0,
        "num_query_pool": 1,
        "query_stride": [2, 2],
        "masked_unit_size": [4, 4],
        "masked_unit_attention": [True, False],
        "embed_dim_multiplier": 2.0,
    },
)
register_transformers(
    "SwiftFormer",
    "SwiftFormer",
    ["swiftformer.encoder.network.0", "swiftformer.encoder.network.4"],
    size=64,
    settings={"image_size": 64, "depths": [1, 1, 1, 1], "embed_dims": [8, 8, 8, 8], "mlp_ratio": 2},
)
register_transformers(
    "VitPose, which returns no logits",
    "VitPose",
    ["backbone.layernorm"],
    kind="ForPoseEstimation",
    reshape=as_square_maps(),
    targets=(lambda joints: joints[:, 2].amax((1, 2)),),
    error=r"logits.*wrap",
    settings={
        "backbone_config": hf.VitPoseBackboneConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=[32, 32],
            patch_size=[8, 8],
            out_indices=[1],
        )
    },
)
register_transformers(
    "YOLOS, one box's class",
    "Yolos",
    "vit.encoder.layer.0",
    kind="ForObjectDetection",
    reshape=lambda tokens: as_square_maps(1)(tokens[:, :-3]),
    targets=(lambda boxes: boxes[:, 0, 1], lambda boxes: boxes[:, 2, 3]),
    settings=VIT | {"image_size": [32, 32], "num_detection_tokens": 3},
)
register_transformers(
    "TextNet",
    "TextNet",
    ["textnet.encoder.stages.0", "textnet.encoder.stages.2"],
    size=64,
    settings={"stem_out_channels": 8, "hidden_sizes": [8] * 5},
)


@register(
    ["decode_head.fpn_bottleneck.conv", "backbone.encoder.stages.1"],
    (2, 3, 32, 32),
    targets=(lambda maps: maps[:, 2, 8:20].sum((1, 2)),),
    name="UPerNet on ConvNeXt",
)
def upernet():
    """Segmenters have a backbone from one place, a head from another, and an auxiliary head that is not used."""
    backbone = hf.ConvNextConfig(
        hidden_sizes=[4, 4, 4, 8],
        depths=[1, 1, 1, 1],
        layer_scale_init_value=1.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    settings = {"hidden_size": 8, "auxiliary_channels": 4, "auxiliary_in_channels": 4, "use_auxiliary_head": True}
    return initialised(
        hf.UperNetForSemanticSegmentation(hf.UperNetConfig(backbone_config=backbone, **settings, **FOUR_CLASSES))
    )


def register_timm(name, layers, size=64, **use):
    """Register timm's `name` with four classes; skipped where timm is not installed."""
    settings = use.pop("settings", {})

    def build():
        define_torchvision_operators()
        import timm

        return initialised(timm.create_model(name, pretrained=False, num_classes=4, **settings))

    build.__doc__ = f"{name} as timm builds it: the library that most image classifiers come from."
    register(layers, (2, 3, size, size), name=f"timm {name}", requires="timm", **use)(build)


_LIBRARIES = []  # torch.library drops its definitions with the object


def define_torchvision_operators():
    """Let timm import a torchvision whose compiled part does not load: two operators must exist, none is called."""
    if _LIBRARIES or importlib.util.find_spec("torchvision") is None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    _LIBRARIES.append(library)
    for signature in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        with suppress(RuntimeError):  # the compiled part is there
            library.define(signature)


register_timm("resnet18", ["layer1", "layer4.1.conv2"])
register_timm("mobilenetv3_small_050", ["blocks.1", "conv_head"])
register_timm("convnext_atto", ["stages.1", "stages.3.blocks.1.conv_dw"])
register_timm("ghostnet_050", ["blocks.3", "conv_head"])
register_timm("levit_128s", ["stem.conv4.linear"], 224)
register_timm("efficientformerv2_s0", ["stages.2", "stages.3"], 224)
register_timm(
    "vit_tiny_patch16_224", ["blocks.0", "blocks.11.norm1"], settings={"img_size": 64}, reshape=as_square_maps(1)
)
register_timm(
    "swin_tiny_patch4_window7_224",
    ["layers.0", "norm"],
    settings={"img_size": 64, "window_size": 4, "embed_dim": 24},
    reshape=channels_first,
)
