"""Guided Backpropagation against the classic hooks; networks for which it is undefined are refused."""

import pytest
import torch
import transformers
from plain_grad_cam import assert_same_state, model_state
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)
from torch.utils.checkpoint import checkpoint

from gradcam import Explainer, guided_backpropagation, guided_grad_cam


def classic_guided_backpropagation(network, images, target):
    """The textbook method: a backward hook on every ReLU module that clamps the gradient."""
    handles = [
        module.register_full_backward_hook(lambda module, into, out: (into[0].clamp(min=0),))
        for module in network.modules()
        if isinstance(module, (nn.ReLU, nn.ReLU6))
    ]
    leaf = images.clone().requires_grad_()
    network(leaf)[:, target].sum().backward()
    for handle in handles:
        handle.remove()
    network.zero_grad()
    return leaf.grad


def test_guided_backpropagation_equals_the_classic_hooks(network, images):
    network, images = network.double(), images.double()
    guided = guided_backpropagation(network, images, [0, 2])
    assert guided.shape == (2, 2, 3, 16, 16)
    for k, target in enumerate([0, 2]):
        torch.testing.assert_close(
            guided[:, k], classic_guided_backpropagation(network, images, target), rtol=1e-10, atol=1e-14
        )


def test_guided_backpropagation_by_hand():
    """y = 2·relu(x₁) − 3·relu(x₂), x = (1, 1): plain gradient (2, −3), guided (2, 0)."""

    class TwoReLUs(nn.Module):
        def forward(self, x):
            return (torch.relu(x).flatten(1) * torch.tensor([2.0, -3.0])).sum(1, keepdim=True)

    assert guided_backpropagation(TwoReLUs(), torch.ones(1, 1, 1, 2), 0).flatten().tolist() == [2, 0]


def in_place(operation):
    """A statement: the tensor is changed in place and the return value is ignored."""

    def apply(x):
        operation(x)
        return x

    return apply


def on_a_view(x):
    F.relu_(x.flatten(1))
    return x


def on_halves(x):
    x[:, :2].relu_()
    x[:, 2:].relu_()
    return x


def written_in_halves(x):
    whole = torch.zeros_like(x)
    whole[:, :2] = F.relu(x[:, :2])
    whole[:, 2:] = F.relu(x[:, 2:])
    return whole


RELU_FORMS = {
    "torch.relu": torch.relu,
    "torch.relu, keyword": lambda x: torch.relu(input=x),
    "F.relu": F.relu,
    "F.relu, keyword": lambda x: F.relu(input=x),
    "Tensor.relu": torch.Tensor.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "relu_": lambda x: x.relu_(),
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "statement F.relu_": in_place(F.relu_),
    "statement torch.relu_": in_place(torch.relu_),
    "statement x.relu_": in_place(lambda x: x.relu_()),
    "statement nn.ReLU": in_place(nn.ReLU(inplace=True)),
    "statement F.relu": in_place(lambda x: F.relu(x, inplace=True)),
    "statement on a view": on_a_view,
    "statement on halves": on_halves,
    "written in halves": written_in_halves,
    "nn.ReLU6": nn.ReLU6(),
    "F.relu6": F.relu6,
    "F.hardtanh": lambda x: F.hardtanh(x, 0, 9),
    "clamp": lambda x: x.clamp(min=0),
    "clamp, bounded": lambda x: x.clamp(0, 9),
    "clamp by a tensor": lambda x: torch.clamp(x, min=torch.tensor(0.0)),
    "torch.clamp": lambda x: torch.clamp(x, min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clip": lambda x: x.clip(0),
    "statement clamp_": in_place(lambda x: x.clamp_(min=0)),
    "statement clamp_min_": in_place(lambda x: x.clamp_min_(0)),
    "F.threshold": lambda x: F.threshold(x, 0, 0),
    "statement F.threshold_": in_place(lambda x: F.threshold_(x, 0, 0)),
    "torch.maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "torch.maximum, turned": lambda x: torch.maximum(torch.zeros_like(x), x),
    "torch.max": lambda x: torch.max(x, torch.tensor(0.0)),
    "checkpoint": lambda x: checkpoint(F.relu, x, use_reentrant=False),
    "in double precision": lambda x: F.relu(x.double()).float(),
}


class WithActivation(nn.Module):
    """Two convolutions with an activation between. The first has no bias: it gives zeros where an image is black."""

    def __init__(self, relu):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.relu = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 2, 3), relu

    def forward(self, x):
        return self.second(self.relu(self.first(x) * 0.9)).mean((2, 3))


def images_with_black_corner():
    images = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    images[..., :5, :5] = 0
    return images


@pytest.mark.parametrize("name", RELU_FORMS)
def test_every_form_of_relu_is_guided(name):
    """By hand: the gradient of the mean through the second convolution, clamped, where the first is positive."""
    images, model = images_with_black_corner(), WithActivation(RELU_FORMS[name])
    with torch.no_grad():
        active = (model.first(images) * 0.9 > 0).float()
    back = F.conv_transpose2d(torch.full((2, 1, 5, 5), 1 / 25.0), model.second.weight[:1]).clamp(min=0) * active * 0.9
    torch.testing.assert_close(
        guided_backpropagation(model, images, 0)[:, 0], F.conv_transpose2d(back, model.first.weight).detach()
    )


class CustomReLU(torch.autograd.Function):
    """A ReLU with a custom backward."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        return gradient * (context.saved_tensors[0] > 0)


def masked_assignment(x):
    x = x.clone()
    x[x < 0] = 0
    return x


def without_gradient(x):
    with torch.no_grad():
        x.relu_()
    return x


def in_inference_mode(x):
    with torch.inference_mode():
        mask = (x > 0).float()
    return x * mask


def attention(x):
    tokens = F.relu(x).flatten(2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).view_as(x)


UNSUPPORTED = {
    **{
        type(module).__name__: module
        for module in (nn.GELU(), nn.SiLU(), nn.LeakyReLU(), nn.ELU(), nn.Sigmoid(), nn.Tanh())
    },
    **{
        type(module).__name__: module
        for module in (nn.Hardswish(), nn.Hardtanh(), nn.PReLU(), nn.Softplus(), nn.Mish(), nn.RReLU())
    },
    "swish by hand": lambda x: x * torch.sigmoid(x),
    "x · (x > 0)": lambda x: x * (x > 0),
    "x · sign": lambda x: x * (x.sign() + 1) / 2,
    "where": lambda x: torch.where(x > 0, x, 0),
    "where zeros_like": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "x[x < 0] = 0": masked_assignment,
    "abs": lambda x: (x + x.abs()) / 2,
    "leaky maximum": lambda x: torch.max(x, 0.1 * x),
    "maximum of another constant": lambda x: x.clamp(min=0.1),
    "threshold other than zero": lambda x: F.threshold(x, 0.1, 0),
    "threshold to another value": lambda x: F.threshold(x, 0, 5),
    "clamp from above": lambda x: x.clamp(max=1),
    "maximum of a stack": lambda x: torch.stack([x, torch.zeros_like(x)]).amax(0),
    "maximum of a stack, last axis": lambda x: torch.stack([x, torch.zeros_like(x)], -1).max(-1)[0],
    "square": lambda x: F.relu(x) ** 2,
    "product with itself": lambda x: F.relu(x) * F.relu(x),
    "softmax": lambda x: F.relu(x).flatten(2).softmax(-1).view_as(x),
    "attention": attention,
    "gate of sigmoids": lambda x: F.relu(x) * x.mean((2, 3), keepdim=True).sigmoid(),
    "gate of ReLUs": lambda x: F.relu(x) * F.relu6(x.mean((2, 3), keepdim=True) + 3),
    "gate without a gradient": lambda x: F.relu(x) * x.detach().mean((2, 3), keepdim=True),
    "straight through": lambda x: x + (F.relu(x) - x).detach(),
    "a custom backward": CustomReLU.apply,
    "checkpoint, reentrant": lambda x: checkpoint(F.relu, x, use_reentrant=True),
    "data": in_place(lambda x: x.data.clamp_(min=0)),
    "no_grad": without_gradient,
    "inference mode": in_inference_mode,
    "sigmoid on a part": in_place(lambda x: x[:, :2].sigmoid_()),
    "changed after it was saved for the backward": lambda x: F.relu(x).mul_(2),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_other_operations_are_refused_with_one_sentence(name):
    """Alone, and after a ReLU: the result would be neither guided nor the plain gradient."""
    images = images_with_black_corner()
    for model in (
        WithActivation(UNSUPPORTED[name]),
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), WithActivation(UNSUPPORTED[name])),
    ):
        before = model_state(model)
        with pytest.raises(
            ValueError, match="^guided backpropagation is defined for ReLU, but .*Grad-CAM[^\n]*$"
        ) as caught:
            guided_backpropagation(model, images, 0)
        assert caught.value.__context__ is None
        assert_same_state(before, model_state(model))


def test_the_error_names_the_obstacle():
    for name, words in {"GELU": "Gelu", "attention": "depend on the image", "a custom backward": "CustomReLU"}.items():
        with pytest.raises(ValueError, match=f"this model runs .*{words}"):
            guided_backpropagation(WithActivation(UNSUPPORTED[name]), images_with_black_corner(), 0)


@pytest.mark.parametrize(
    "end",
    [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid(), lambda x: x.argmax(1), lambda x: x.detach(), torch.zeros_like],
)
def test_operations_after_the_logits_are_checked_too(end):
    class WithEnd(WithActivation):
        def forward(self, x):
            return end(super().forward(x))

    with pytest.raises(ValueError, match="defined for ReLU, but (this model runs|no gradient leads)"):
        guided_backpropagation(
            WithEnd(nn.ReLU()), images_with_black_corner(), lambda outputs: outputs.flatten(1).sum(1)
        )


class ReLUNetwork(nn.Module):
    """The layers of ReLU networks; ReLUs are modules, so that they can be hooked."""

    def __init__(self, forward):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Linear(8, 3),
        )
        self.up, self.depthwise = nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.relus, self.run = nn.ModuleList([nn.ReLU() for _ in range(3)]), forward
        self.batch, self.group, self.instance = nn.BatchNorm2d(8), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8)
        self.batch.running_mean.uniform_(), self.batch.running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.run(self, x)


def residual(net, x):
    x = net.relus[0](net.batch(net.first(x)))
    return net.last(net.relus[1](x + net.second(x)).mean((2, 3)))


def unpooled(net, x):
    x, switches = F.max_pool2d(net.relus[0](net.first(x)), 2, return_indices=True)
    return net.last(F.max_unpool2d(net.relus[1](net.group(net.second(x))), switches, 2).mean((2, 3)))


def hourglass(net, x):
    wide = net.relus[0](net.instance(net.first(x)))
    deep = net.up(net.relus[1](net.second(F.avg_pool2d(wide, 2))))
    deep = F.interpolate(F.interpolate(deep, scale_factor=2, mode="bilinear"), wide.shape[-2:])
    return net.last(
        net.relus[2](net.depthwise(F.pad(torch.cat([wide, deep], 1)[:, 4:12], (1, 1, 1, 1), "reflect"))).amax((2, 3))
    )


def shifted(net, x):
    x = (x - torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)) / torch.tensor(0.2)
    x.mul_(1.5)
    x, moved = net.relus[0](net.first(x)), torch.zeros(len(x), 8, 16, 16)
    moved[:, :4, 1:] = x[:, :4, :-1]
    moved[:, 4:] = x[:, 4:]
    shuffled = moved.view(-1, 2, 4, 16, 16).transpose(1, 2).reshape(moved.shape)
    left, right = (net.relus[1](net.second(shuffled)) * (torch.arange(16) < 12)).chunk(2, 1)
    return net.last(F.dropout(F.adaptive_max_pool2d(torch.cat([right, left], 1), 1).flatten(1), 0.0, training=True))


@pytest.mark.parametrize("forward", [residual, unpooled, hourglass, shifted])
def test_relu_networks_equal_the_classic_hooks(forward, images):
    model = ReLUNetwork(forward).eval().double() if forward is not shifted else ReLUNetwork(forward).eval()
    images = images.to(model.last.weight.dtype)
    torch.testing.assert_close(
        guided_backpropagation(model, images, 1)[:, 0],
        classic_guided_backpropagation(model, images, 1),
        rtol=1e-5,
        atol=1e-9,
    )


def test_a_published_network_equals_the_classic_hooks():
    torch.manual_seed(0)
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, num_labels=5)  # ReLU6
    model, images = transformers.MobileNetV2ForImageClassification(config).eval(), torch.rand(1, 3, 64, 64)

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x).logits

    torch.testing.assert_close(
        guided_backpropagation(model, images, 2)[:, 0],
        classic_guided_backpropagation(Logits(), images, 2),
        rtol=1e-3,
        atol=1e-9,
    )


def test_a_tensor_that_requires_grad_is_not_mistaken_for_the_image(images):
    """Its sigmoid is not an activation of the network, nor its product with a map a product of two maps."""

    class Scaled(nn.Module):
        def __init__(self, requires_grad):
            super().__init__()
            torch.manual_seed(0)
            self.scale, self.conv = torch.full((1, 4, 1, 1), 2.0, requires_grad=requires_grad), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return (torch.relu(self.conv(x)) * self.scale.sigmoid()).mean((2, 3))

    result, expected = (guided_backpropagation(Scaled(requires_grad), images, 0) for requires_grad in (True, False))
    torch.testing.assert_close(result, expected, rtol=0, atol=0)


def test_a_refusal_keeps_no_graph_alive(images):
    """A server may keep exceptions, their frames and local variables: none of these is part of a graph."""
    with pytest.raises(ValueError, match="Gelu") as caught:
        guided_backpropagation(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(784, 2)), images, 0)
    entry = caught.value.__traceback__
    while entry is not None:
        tensors = [value for value in entry.tb_frame.f_locals.values() if isinstance(value, torch.Tensor)]
        assert not any(value.requires_grad for value in tensors)
        entry = entry.tb_next


def test_a_model_without_relu_is_refused(images):
    with pytest.raises(ValueError, match="plain gradient"):
        guided_backpropagation(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 2)), images, 0)


def test_guided_grad_cam_is_the_product(network, images):
    product = guided_grad_cam(network, images, [1, 3])
    heat = Explainer(network, "6").explain(images, [1, 3]).heatmaps
    torch.testing.assert_close(product, guided_backpropagation(network, images, [1, 3]) * heat)
    torch.testing.assert_close(
        guided_grad_cam(network, images, [1, 3], "3"),
        guided_backpropagation(network, images, [1, 3]) * Explainer(network, "3").explain(images, [1, 3]).heatmaps,
    )
