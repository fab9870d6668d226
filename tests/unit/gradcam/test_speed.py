"""What makes the module fast changes no number: the order of maps in memory, products without rows of zeros."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)
from torch.utils._python_dispatch import TorchDispatchMode

from gradcam import Explainer
from gradcam.forward_checks import CheckedForward, ReadsMemory
from gradcam.random_numbers import GeneratorStates, PrivateRandomNumbers


class Net(nn.Module):
    """Two convolutions; what stands between them is the test's."""

    def __init__(self, between=lambda maps: maps, end=lambda maps: maps.mean((2, 3))):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.layer = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 6, 3, stride=2, padding=1)
        self.head, self.between, self.end = nn.Linear(6, 4), between, end

    def forward(self, images):
        return self.after_layer(self.layer(self.between(self.first(images).relu())))

    def after_layer(self, maps):
        return self.head(self.end(maps.relu()))


@pytest.fixture
def photos():
    return torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def plain_maps(network, images, label):
    """Grad-CAM at "layer" by plain autograd, signed, images as they are: [B, h, w]."""
    maps = network.layer(network.between(network.first(images).relu())).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.after_layer(maps)[:, label].sum(), maps)
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).detach()


def check(network, images, **options):
    torch.manual_seed(5)
    expected = plain_maps(network, images, 2)
    explainer = Explainer(network, "layer", **options)
    for _ in range(2):  # the first pass is checked, the second is not
        torch.manual_seed(5)
        found = explainer.explain(images, 2, signed=True).maps[0][:, 0]
        torch.testing.assert_close(found, expected)
    return explainer


def test_the_forward_of_one_target_has_its_channels_last(photos):
    orders = []
    network = Net()
    network.first.register_forward_hook(lambda module, args, output: orders.append(args[0].stride(1)))
    assert check(network, photos)._copies.any_order
    assert orders[-2:] == [1, 1]


@pytest.mark.parametrize(("count", "order"), [(1, 400), (16, 1)])
def test_weights_that_outweigh_the_images_keep_the_order(count, order):
    orders = []
    network = Net()
    network.layer = nn.Sequential(nn.Conv2d(5, 256, 1), nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 6, 1))
    network.first.register_forward_hook(lambda module, args, output: orders.append(args[0].stride(1)))
    photos = torch.rand(count, 3, 20, 20)
    check(network, photos)
    assert orders[-1] == order


def test_a_caller_in_double_precision_keeps_the_order(photos):
    orders = []
    network = Net().double()
    network.first.register_forward_hook(lambda module, args, output: orders.append(args[0].stride(1)))
    Explainer(network, "layer").explain(photos.double(), 2)
    assert orders == [120]


class ViewsBackwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps):
        ctx.save_for_backward(maps)
        return maps.square()

    @staticmethod
    def backward(ctx, gradient):
        (maps,) = ctx.saved_tensors
        return gradient * maps.view(-1).mul(2).view(maps.shape)


def grid(maps):
    return maps.as_strided(maps.shape, (maps[0].numel(), maps[0, 0].numel(), maps.shape[3], 1))


def backwards_by_view(maps):
    return ViewsBackwards.apply(maps).mean((2, 3))


MINDING = {
    "a view": {"between": lambda maps: maps.view(len(maps), -1).cos().view(maps.shape)},
    "places in memory": {"between": lambda maps: maps + grid(maps)},
    "noise that fills memory": {"between": lambda maps: maps + torch.rand_like(maps)},
    "a view behind the layer": {"end": lambda maps: maps.view(len(maps), -1).cos().view(maps.shape).mean((2, 3))},
    "a view in the backward": {"end": backwards_by_view},
}


@pytest.mark.parametrize("parts", MINDING.values(), ids=MINDING)
def test_networks_that_mind_the_order_get_plain_images(parts, photos):
    assert not check(Net(**parts), photos)._copies.any_order


POOLINGS = {
    "halves": {"kernel_size": 2},
    "leaves a row out": {"kernel_size": 3},
    "overlapping": {"kernel_size": 3, "stride": 2, "padding": 1},
    "rounded up": {"kernel_size": 2, "ceil_mode": True},
    "with holes": {"kernel_size": 2, "dilation": 2},
}
LAYERS = ["0", "3", "6"]


def convolutional(convolution, norm=nn.Identity, **pooling):
    """Three convolutions with pooling in between, all of its layers such that the order in memory can be kept."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(**pooling)),
        *(convolution, nn.ReLU(inplace=True), nn.MaxPool2d(**pooling)),
        *(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), norm(), nn.Flatten(), nn.LazyLinear(4)),
    )


def maps_one_by_one(network, images, classes):
    """Grad-CAM at all layers by plain autograd, a backward for each class, signed: L tensors [B, K, h, w]."""
    activations, maps = [], images
    for name, layer in network.named_children():
        maps = layer(maps)
        if name in LAYERS:
            activations.append(maps.detach().requires_grad_() if name == "0" else maps)
            maps = activations[-1].clone()
    found = []
    for label in classes:
        gradients = torch.autograd.grad(maps[:, label].sum(), activations, retain_graph=True)
        weights = (gradient.mean((2, 3), keepdim=True) for gradient in gradients)
        found.append([(one * activation).sum(1) for one, activation in zip(weights, activations)])
    return [torch.stack(layer, 1).detach() for layer in zip(*found)]


class Orders(TorchDispatchMode):
    """Notes in which order the gradients lie that go back through a convolution or a pooling."""

    def __init__(self):
        super().__init__()
        self.orders = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        outputs = operation(*args, **(kwargs or {}))
        if operation in (torch.ops.aten.convolution_backward.default, POOLING_BACKWARD):
            maps = args[0], outputs[0] if isinstance(outputs, tuple) else outputs
            self.orders |= {one.is_contiguous(memory_format=torch.channels_last) for one in maps}
        return outputs


POOLING_BACKWARD = torch.ops.aten.max_pool2d_with_indices_backward.default


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("classes", [[1, 3], [0, 1, 2, 3]], ids=len)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=POOLINGS)
def test_several_targets_go_back_with_the_channels_last(pooling, groups, classes, count):
    network = convolutional(nn.Conv2d(4, 6, 3, padding=1, groups=groups), **pooling)
    images = torch.rand(count, 3, 20, 22, generator=torch.Generator().manual_seed(1))
    network(images)
    with Orders() as seen:
        found = Explainer(network.eval(), LAYERS).explain(images, classes, signed=True).maps
    assert seen.orders == {True}
    for one, expected in zip(found, maps_one_by_one(network, images, classes), strict=True):
        torch.testing.assert_close(one, expected)


def test_maps_of_a_transposed_convolution_do_not_depend_on_the_order():
    network = convolutional(nn.ConvTranspose2d(4, 6, 3, stride=2), kernel_size=2)
    images = torch.rand(1, 3, 20, 22, generator=torch.Generator().manual_seed(1))
    network(images)
    for classes in ([2], [0, 1, 2, 3]):
        found = Explainer(network.eval(), LAYERS).explain(images, classes, signed=True).maps
        for one, expected in zip(found, maps_one_by_one(network, images, classes), strict=True):
            torch.testing.assert_close(one, expected)


def written_over(indices, places):
    clone = indices.clone()
    clone += 0 * torch.tensor(places).clone()
    clone += places
    return clone - places


def by_strides(indices, places):
    plain = indices.contiguous()
    return plain.as_strided(plain.shape, (plain[0].numel(), plain[0, 0].numel(), plain.shape[3], 1))


class OwnPooling(torch.autograd.Function):
    """Max pooling over windows of 2 × 2; what its backward does with the indices is the test's."""

    @staticmethod
    def forward(ctx, maps, handle):
        pooled, ctx.indices = F.max_pool2d(maps, 2, return_indices=True)
        ctx.shape, ctx.handle = maps.shape, handle
        return pooled

    @staticmethod
    def backward(ctx, gradient):
        *front, height, width = ctx.shape
        indices = ctx.handle(ctx.indices, height * width).flatten(2)
        scattered = gradient.new_zeros(*front, height * width).scatter_add(2, indices, gradient.flatten(2))
        return scattered.view(ctx.shape), None


@pytest.mark.parametrize("classes", [[2], [1, 3], [0, 1, 2, 3]], ids=len)
@pytest.mark.parametrize("handle", [written_over, by_strides])
def test_a_pooling_of_the_networks_own_keeps_its_indices(handle, classes, photos):
    network = Net(end=lambda maps: OwnPooling.apply(maps, handle).mean((2, 3)))
    found = Explainer(network, "layer").explain(photos, classes, signed=True).maps[0]
    expected = torch.stack([plain_maps(network, photos, label) for label in classes], 1)
    torch.testing.assert_close(found, expected)


class Single(nn.Module):
    """The layer puts out one number for all images."""

    def __init__(self):
        super().__init__()
        self.first, self.layer, self.head = nn.Conv2d(3, 4, 3), nn.Identity(), nn.Linear(1, 4)

    def forward(self, images):
        return self.head(self.layer(self.first(images).mean())[None, None])


def test_a_layer_without_axes(photos):
    network = Single()
    explainer = Explainer(network, "layer", reshape=lambda number: number.expand(1, 1, 2, 2))
    found = explainer.explain(photos[:1], [0, 1], signed=True).maps[0]
    products = network.head.weight[:2, 0] * network.first(photos[:1]).mean()  # weight × number, at each place
    torch.testing.assert_close(found, products.detach().view(1, 2, 1, 1).expand(1, 2, 2, 2))


@pytest.mark.parametrize(("classes", "orders"), [([2], [1]), ([1, 2], [440])], ids=["one", "two"])
def test_where_an_operation_loses_the_order_it_is_for_one_target_only(classes, orders):
    network = convolutional(nn.Conv2d(4, 6, 3), norm=lambda: nn.BatchNorm2d(8), kernel_size=2)
    images, seen = torch.rand(1, 3, 20, 22), []
    network(images)
    network[0].register_forward_hook(lambda module, args, output: seen.append(args[0].stride(1)))
    Explainer(network.eval(), LAYERS).explain(images, classes)
    assert seen == orders


def test_a_lazy_convolution_is_refused_in_the_usual_words(photos):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyConv2d(5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="a lazy layer of it has not seen an image yet"):
        Explainer(network, "0").explain(photos, 0)


def test_what_the_caller_wrote_sees_plain_tensors(photos):
    network = Net()
    check(network, photos, reshape=lambda maps: maps.view(-1).view(maps.shape))
    dense = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    explained = Explainer(dense, "0").explain(photos, lambda outputs: outputs.view(len(outputs), -1).sum(1))
    assert explained.logits.is_contiguous()


def test_places_of_an_axis_of_one_do_not_count():
    def run(change):
        maps = torch.rand(2, 3, 1, 4).contiguous(memory_format=torch.channels_last)
        with CheckedForward({}, channels_last=True):
            return change(maps)

    run(lambda maps: maps.as_strided_(maps.shape, (12, 1, 99, 3)))
    for change in (
        lambda maps: maps.as_strided_(maps.shape, (12, 4, 4, 1)),
        lambda maps: maps.as_strided(maps.shape, maps.stride()),
        lambda maps: maps.resize_(6),
        torch.rand_like,
    ):
        with pytest.raises(ReadsMemory):
            run(change)


class Tokens(nn.Module):
    """256 tokens, of which the head reads the first; after the layer they meet once and are multiplied twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.layer = nn.Conv2d(3, 256, 2, stride=2), nn.Identity()
        self.mix, self.wide, self.head = nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 4)

    def forward(self, images):
        return self.after_layer(self.layer(self.patches(images).flatten(2).mT))

    def after_layer(self, tokens):
        tokens = tokens + (tokens @ tokens.mT / 16).softmax(2) @ self.mix(tokens)
        return self.head((tokens + self.wide(tokens).relu())[:, 0])


@pytest.mark.parametrize("classes", [[2], [0, 1, 2, 3]], ids=len)
def test_gradients_of_tokens_that_are_mostly_zero(classes):
    network, images = Tokens(), torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    tokens = network.patches(images).flatten(2).mT.detach().requires_grad_()
    outputs = network.after_layer(tokens)
    expected = []
    for label in classes:
        (gradient,) = torch.autograd.grad(outputs[:, label].sum(), tokens, retain_graph=True)
        expected.append((gradient.mean(1, keepdim=True) * tokens).sum(2).unflatten(1, (16, 16)))
    explainer = Explainer(network, "layer", reshape=lambda tokens: tokens.mT.unflatten(2, (16, 16)))
    found = explainer.explain(images, classes, signed=True).maps[0]
    torch.testing.assert_close(found, torch.stack(expected, 1).detach())


@pytest.mark.parametrize(("dropout", "drew"), [(0.0, False), (0.5, True)])
def test_attention_draws_for_its_dropout_only(dropout, drew):
    query = torch.rand(1, 2, 5, 4)
    with PrivateRandomNumbers(GeneratorStates(0)) as random_numbers:
        F.scaled_dot_product_attention(query, query, query, dropout_p=dropout)
    assert random_numbers.drew is drew


def test_what_a_pass_keeps_is_measured_once(photos, monkeypatch):
    monkeypatch.setattr("gradcam.explainer.SURELY_FITS", 10**15)
    measured = []
    explainer = Explainer(Net(), "layer")
    monkeypatch.setattr(explainer, "_bytes_kept", lambda images: measured.append(images.shape) or 0)
    for _ in range(2):
        explainer.explain(photos, 2)
    explainer.explain(photos[..., :8], 2)
    assert measured == [(1, 3, 12, 10), (1, 3, 12, 8)]
