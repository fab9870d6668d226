"""Published architectures, from transformers' configurations and timm's names, small and with random weights."""

import importlib.util

import torch
import transformers as hf

from .case import lived_in, network

FOUR = {"num_labels": 4}
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


def squares(extra=0):
    """Tokens [B, extra + side², D] as maps [B, D, side, side]: class and register tokens have no place."""

    def as_maps(tokens):
        side = int((tokens.shape[1] - extra) ** 0.5)
        return tokens[:, extra:].mT.unflatten(2, (side, side))

    return as_maps


def channels_first(maps):
    return maps.movedim(-1, 1)  # [B, h, w, C] → [B, C, h, w]


def published(name, family, layers, *, settings=None, size=32, **use):
    """Enter transformers' `{family}ForImageClassification`, or another kind, with these settings in its config."""
    kind = use.pop("kind", "ForImageClassification")

    def make():
        config = getattr(hf, f"{family}Config")(**(settings or {}), **FOUR)
        return lived_in(getattr(hf, family + kind)(config))

    make.__doc__ = f"{name} as transformers builds it: fine-tuned from the Hub, explained as it comes."
    network(layers, (2, 3, size, size), name=name, **use)(make)


published(
    "ResNet",
    "ResNet",
    ["resnet.encoder.stages.0", "resnet.encoder.stages.1.layers.0.layer.2.convolution"],
    settings={"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1]},
)
CONVNEXT = {"hidden_sizes": [8, 12], "depths": [1, 1], "num_stages": 2}
published(
    "ConvNeXt",
    "ConvNext",
    ["convnext.encoder.stages.0", "convnext.encoder.stages.1.layers.0.dwconv"],
    settings=CONVNEXT | {"layer_scale_init_value": 1.0},
)
published(
    "ConvNeXt read at its norm, channels last",
    "ConvNext",
    "convnext.encoder.stages.1.layers.0.layernorm",
    settings=CONVNEXT | {"layer_scale_init_value": 1.0},
    reshape=channels_first,
)
published(
    "ConvNeXt V2",
    "ConvNextV2",
    ["convnextv2.encoder.stages.0", "convnextv2.encoder.stages.1.layers.0"],
    settings=CONVNEXT,
)
published(
    "MobileNet V1",
    "MobileNetV1",
    ["mobilenet_v1.layer.4", "mobilenet_v1.layer.12.convolution"],
    settings={"depth_multiplier": 0.125, "min_depth": 4},
    size=64,
)
published(
    "MobileNet V2",
    "MobileNetV2",
    ["mobilenet_v2.layer.4", "mobilenet_v2.layer.12.reduce_1x1.convolution"],
    settings={"depth_multiplier": 0.125, "min_depth": 4, "depth_divisible_by": 4},
    size=64,
)
published(
    "RegNet",
    "RegNet",
    ["regnet.encoder.stages.0", "regnet.encoder.stages.1.layers.0.shortcut.convolution"],
    settings={"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 8},
    targets=(1, 3),
)
published(
    "EfficientNet",
    "EfficientNet",
    ["efficientnet.encoder.blocks.3", "efficientnet.encoder.top_conv"],
    settings={"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128},
    size=64,
)
published(
    "BiT",
    "Bit",
    ["bit.encoder.stages.0", "bit.norm"],
    settings={"embedding_size": 8, "hidden_sizes": [32, 32], "depths": [1, 1], "num_groups": 4},
)
published(
    "PoolFormer",
    "PoolFormer",
    ["poolformer.encoder.block.2.0", "poolformer.encoder.block.1.0.output.conv2"],
    settings={"hidden_sizes": [8, 8, 8, 12], "depths": [1, 1, 1, 1]},
    opened=lambda output: output[0] if isinstance(output, tuple) else output,
)
published(
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
published(
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
published("ViT", "ViT", ["vit.layers.0", "vit.layers.1.layernorm_before"], settings=VIT, reshape=squares(1))
published("ViT read without reshape", "ViT", "vit.layers.0", settings=VIT, sentence=r"reshape")
published(
    "DeiT with its teacher",
    "DeiT",
    ["deit.layers.0", "deit.layers.1.layernorm_before"],
    kind="ForImageClassificationWithTeacher",
    settings=VIT,
    reshape=squares(2),
)
published(
    "BEiT",
    "Beit",
    ["beit.layers.0", "beit.layers.1"],
    settings=VIT | {"use_relative_position_bias": True, "layer_scale_init_value": 1.0},
    reshape=squares(1),
)
DINO = {key: value for key, value in VIT.items() if key != "intermediate_size"} | {"mlp_ratio": 2}
published("DINOv2", "Dinov2", ["dinov2.encoder.layer.0", "dinov2.layernorm"], settings=DINO, reshape=squares(1))
published(
    "DINOv2 with registers",
    "Dinov2WithRegisters",
    ["dinov2_with_registers.encoder.layer.0", "dinov2_with_registers.encoder.layer.1.norm1"],
    settings=DINO,
    reshape=squares(5),
)
SWIN = {"embed_dim": 8, "depths": [2, 1], "num_heads": [2, 2], "window_size": 4, "image_size": 32, "patch_size": 4}
published(
    "Swin",
    "Swin",
    ["swin.encoder.layers.0.blocks.1.layernorm_before", "swin.layernorm"],
    settings=SWIN,
    reshape=squares(),
)
published(
    "Swin read at a block that puts out a tuple",
    "Swin",
    "swin.encoder.layers.1.blocks.0",
    settings=SWIN,
    reshape=squares(),
    opened=lambda output: output[0],
)
published(
    "Swin V2",
    "Swinv2",
    ["swinv2.encoder.layers.0.blocks.1.layernorm_before", "swinv2.layernorm"],
    settings=SWIN,
    reshape=squares(),
)
published("Segformer", "Segformer", ["segformer.stages.0", "segformer.stages.1"], settings=SEGFORMER)
published(
    "Segformer that segments",
    "Segformer",
    ["segformer.stages.1", "decode_head.linear_fuse"],
    kind="ForSemanticSegmentation",
    settings=SEGFORMER | {"decoder_hidden_size": 8},
    targets=(lambda maps: maps[:, 1, 2:6, 2:6].sum((1, 2)), lambda maps: maps[:, 3].mean((1, 2))),
)
published(
    "SigLIP",
    "Siglip",
    ["vision_model.encoder.layers.0", "vision_model.post_layernorm"],
    settings={"vision_config": VIT, "text_config": TEXT | {"bos_token_id": 0, "eos_token_id": 1}},
    reshape=squares(),
)
published(
    "CLIP",
    "CLIP",
    ["vision_model.encoder.layers.0", "vision_model.encoder.layers.1.layer_norm1"],
    settings={"vision_config": VIT, "text_config": TEXT | {"bos_token_id": 0, "eos_token_id": 1}},
    reshape=squares(1),
)
published(
    "LeViT",
    "Levit",
    ["levit.encoder.stages.0", "levit.encoder.stages.1"],
    size=64,
    reshape=squares(),
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
published(
    "FocalNet",
    "FocalNet",
    ["focalnet.encoder.stages.0.layers.0", "focalnet.encoder.stages.1.layers.0"],
    reshape=squares(),
    settings={
        "embed_dim": 8,
        "depths": [1, 1],
        "hidden_sizes": [8, 16],
        "focal_levels": [1, 1],
        "focal_windows": [3, 3],
        "image_size": 32,
    },
)
published(
    "PVT V2",
    "PvtV2",
    ["pvt_v2.encoder.layers.0.layer_norm", "pvt_v2.encoder.layers.1.layer_norm"],
    reshape=squares(),
    settings=SEGFORMER | {"image_size": 32},
)
published(
    "Data2Vec",
    "Data2VecVision",
    ["data2vec_vision.encoder.layer.0", "data2vec_vision.encoder.layer.1.layernorm_before"],
    settings=VIT,
    reshape=squares(1),
    opened=lambda output: output[0] if isinstance(output, tuple) else output,
)
published("I-JEPA", "IJepa", ["ijepa.layers.0", "ijepa.layernorm"], settings=VIT, reshape=squares())
published(
    "Hiera",
    "Hiera",
    ["hiera.encoder.stages.0.layers.0.mlp", "hiera.encoder.stages.1.layers.0.mlp"],
    reshape=squares(),
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
published(
    "SwiftFormer",
    "SwiftFormer",
    ["swiftformer.encoder.network.0", "swiftformer.encoder.network.4"],
    size=64,
    settings={"image_size": 64, "depths": [1, 1, 1, 1], "embed_dims": [8, 8, 8, 8], "mlp_ratio": 2},
)
published(
    "VitPose, which puts out no logits",
    "VitPose",
    ["backbone.layernorm"],
    kind="ForPoseEstimation",
    reshape=squares(),
    targets=(lambda joints: joints[:, 2].amax((1, 2)),),
    sentence=r"logits.*wrap",
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
published(
    "YOLOS, one box's class",
    "Yolos",
    "vit.encoder.layer.0",
    kind="ForObjectDetection",
    reshape=lambda tokens: squares(1)(tokens[:, :-3]),
    targets=(lambda boxes: boxes[:, 0, 1], lambda boxes: boxes[:, 2, 3]),
    settings=VIT | {"image_size": [32, 32], "num_detection_tokens": 3},
)
published(
    "TextNet",
    "TextNet",
    ["textnet.encoder.stages.0", "textnet.encoder.stages.2"],
    size=64,
    settings={"stem_out_channels": 8, "hidden_sizes": [8] * 5},
)


@network(
    ["decode_head.fpn_bottleneck.conv", "backbone.encoder.stages.1"],
    (2, 3, 32, 32),
    targets=(lambda maps: maps[:, 2, 8:20].sum((1, 2)),),
    name="UPerNet on ConvNeXt",
)
def upernet():
    """Segmenters have a backbone from one place, a head from another, and an auxiliary head that nobody asks."""
    backbone = hf.ConvNextConfig(
        hidden_sizes=[4, 4, 4, 8],
        depths=[1, 1, 1, 1],
        layer_scale_init_value=1.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    settings = {"hidden_size": 8, "auxiliary_channels": 4, "auxiliary_in_channels": 4, "use_auxiliary_head": True}
    return lived_in(hf.UperNetForSemanticSegmentation(hf.UperNetConfig(backbone_config=backbone, **settings, **FOUR)))


def from_timm(name, layers, size=64, **use):
    """Enter timm's `name` with four classes; skipped where timm is not installed."""
    settings = use.pop("settings", {})

    def make():
        without_compiled_torchvision()
        import timm

        return lived_in(timm.create_model(name, pretrained=False, num_classes=4, **settings))

    make.__doc__ = f"{name} as timm builds it: the zoo that most image classifiers come from."
    network(layers, (2, 3, size, size), name=f"timm {name}", needs="timm", **use)(make)


_DEFINED = []  # torch.library's definitions live as long as this


def without_compiled_torchvision():
    """Let timm import a torchvision whose compiled part does not load: it wants two operators, and calls none."""
    if _DEFINED or importlib.util.find_spec("torchvision") is None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    _DEFINED.append(library)
    for signature in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        try:
            library.define(signature)
        except RuntimeError:
            pass  # the compiled part is there


from_timm("resnet18", ["layer1", "layer4.1.conv2"])
from_timm("mobilenetv3_small_050", ["blocks.1", "conv_head"])
from_timm("convnext_atto", ["stages.1", "stages.3.blocks.1.conv_dw"])
from_timm("ghostnet_050", ["blocks.3", "conv_head"])
from_timm("levit_128s", ["stem.conv4.linear"], 224)
from_timm("efficientformerv2_s0", ["stages.2", "stages.3"], 224)
from_timm("vit_tiny_patch16_224", ["blocks.0", "blocks.11.norm1"], settings={"img_size": 64}, reshape=squares(1))
from_timm(
    "swin_tiny_patch4_window7_224",
    ["layers.0", "norm"],
    settings={"img_size": 64, "window_size": 4, "embed_dim": 24},
    reshape=channels_first,
)
