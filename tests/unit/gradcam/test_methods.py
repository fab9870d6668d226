"""Each method against its paper: identities in float64 over random small networks, and independent loops."""

from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from gradcam import METHODS, Cancelled, Explainer, methods
from gradcam.heatmaps import min_max, weighted_sum
from gradcam.methods import grad_cam_plus_plus, gradient_weighted, xgrad_cam

EXACT = {"rtol": 1e-9, "atol": 1e-9}
FEW_EXAMPLES = settings(max_examples=20, deadline=None, derandomize=True)
NETWORK_PARAMETERS = {
    "seed": st.integers(0, 10_000),
    "channels": st.integers(1, 5),
    "classes": st.integers(2, 5),
    "side": st.integers(3, 7),
}


def images_of(side, batch=2):
    return torch.randn(batch, 3, side, side + 1, dtype=torch.float64)


def pooled_net(seed, channels, classes):
    """Convolution, ReLU, global average, Linear: CAM's network. The layer before the average is "1"."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    ).double()


def flat_net(seed, channels, classes, side):
    """Convolution, ReLU, flatten, Linear: a linear head over every pixel of layer "1"."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(channels * side * (side + 1), classes)
    ).double()


def signed(network, layer, images, targets, method):
    """Signed maps [B, K, H, W]: the layers here have the images' resolution, so nothing is resized."""
    return Explainer(network, layer).explain(images, targets, method, signed=True).heatmaps[:, :, 0]


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_cam_equals_grad_cam_times_area_before_the_average(seed, channels, classes, side):
    network, images, targets = pooled_net(seed, channels, classes), images_of(side), list(range(classes))
    cam = signed(network, "1", images, targets, "CAM")
    torch.testing.assert_close(cam, side * (side + 1) * signed(network, "1", images, targets, "Grad-CAM"), **EXACT)
    with torch.no_grad():  # and the paper's sum, written out
        maps = network[:2](images)
        expected = torch.stack([sum(w[c] * maps[:, c] for c in range(channels)) for w in network[4].weight], 1)
    torch.testing.assert_close(cam, expected, **EXACT)


def test_cam_of_a_model_with_one_output_per_image():
    """Outputs [B] and a callable that returns them: the map is Σ w·A for each of three images."""
    network, images = nn.Sequential(*pooled_net(0, 4, 1), nn.Flatten(0)), images_of(5, batch=3)
    result = signed(network, "1", images, lambda outputs: outputs, "CAM")[:, 0]
    expected = torch.einsum("c,bchw->bhw", network[4].weight[0], network[:2](images)).detach()
    torch.testing.assert_close(result, expected, **EXACT)


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_hirescam_sums_to_the_logit_of_a_linear_head(seed, channels, classes, side):
    network, images = flat_net(seed, channels, classes, side), images_of(side)
    heat = signed(network, "1", images, list(range(classes)), "HiResCAM")
    torch.testing.assert_close(heat.sum((-2, -1)) + network[3].bias, network(images), **EXACT)


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_xgrad_cam_satisfies_conservation_and_sensitivity(seed, channels, classes, side):
    """Fu et al. 2020, eqs. 3 and 4: a map sums to Σ A·g; each channel's part is the drop of the score without it."""
    network, images, targets = flat_net(seed, channels, classes, side), images_of(side), list(range(classes))
    heat = signed(network, "1", images, targets, "XGrad-CAM")
    torch.testing.assert_close(heat.sum((-2, -1)) + network[3].bias, network(images), **EXACT)
    with torch.no_grad():
        maps = network[:2](images)
        for channel in range(channels):
            ablated = maps.clone()
            ablated[:, channel] = 0
            drop = network(images) - network[2:](ablated)  # [B, N]
            part = network[3].weight.view(classes, *maps.shape[1:])[:, channel] * maps[:, None, channel]  # [B, N, h, w]
            torch.testing.assert_close(part.sum((-2, -1)), drop, **EXACT)
        # one channel alone: its share of the map is proportional to its activation
        single_channel = flat_net(seed, 1, classes, side)
        only = signed(single_channel, "1", images, targets, "XGrad-CAM")
        torch.testing.assert_close(only.sum((-2, -1)) + single_channel[3].bias, single_channel(images), **EXACT)


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_ablation_weights_on_a_linear_head(seed, channels, classes, side):
    """y − yₖ is exactly the contribution of map k to the logit."""
    network, images, targets = flat_net(seed, channels, classes, side), images_of(side), list(range(classes))
    heat = signed(network, "1", images, targets, "Ablation-CAM")
    with torch.no_grad():
        maps, logits = network[:2](images), network(images)
        weights = network[3].weight.view(classes, *maps.shape[1:])
        contribution = (weights[None] * maps[:, None]).sum((-2, -1))  # [B, N, C]
        expected = torch.einsum("bnc,bchw->bnhw", contribution / logits.abs()[..., None], maps)
    torch.testing.assert_close(heat, expected, **EXACT)


def derivatives_of_exp(head, maps, target, channel):
    """First, second and third derivative of Y = exp(score) by each activation of a map, by autograd: [3, h, w]."""
    result = torch.zeros(3, *maps.shape[1:], dtype=maps.dtype)
    for row in range(maps.shape[1]):
        for column in range(maps.shape[2]):
            x = maps[channel, row, column].clone().requires_grad_()
            varied = maps.clone()
            varied[channel, row, column] = x
            y = head(varied[None])[0, target].exp()
            for order in range(3):
                (y,) = torch.autograd.grad(y, x, create_graph=True)
                result[order, row, column] = y.detach()
    return result


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS, hidden_layer=st.booleans())
def test_grad_cam_plus_plus_equals_the_papers_derivatives(seed, channels, classes, side, hidden_layer):
    """The paper's α from the derivatives of Y = exp(S), by autograd pixel by pixel: Y″ / (2Y″ + ΣA · Y‴), eq. 10."""
    network, images = flat_net(seed, channels, classes, side), images_of(side, batch=1) / 5
    if hidden_layer:  # piecewise linear after the layer, with more than one piece
        features = network[3].in_features
        network = nn.Sequential(*network[:3], nn.Linear(features, 3), nn.ReLU(), nn.Linear(3, classes)).double()
    with torch.no_grad():
        maps, score = network[:2](images)[0], network(images)[0, 1]  # [C, h, w]
    expected = torch.zeros_like(maps[0])
    for channel, activation in enumerate(maps):
        first, second, third = derivatives_of_exp(network[2:], maps, 1, channel)
        denominator = 2 * second + activation.sum() * third
        alpha = torch.where(denominator != 0, second / denominator, 0)
        expected += (alpha * first.relu()).sum() / score.exp() * activation  # the method leaves exp(S) out
    torch.testing.assert_close(signed(network, "1", images, [1], "Grad-CAM++")[0, 0], expected, rtol=1e-7, atol=1e-9)


def test_grad_cam_plus_plus_by_hand():
    """A = (1, 3), so ΣA = 4, and g = (1, −2): the first pixel's α is 1/(2 + 4), the second's gradient is negative."""
    activation = torch.tensor([[[[1.0, 3.0]]]])
    assert grad_cam_plus_plus(activation, torch.tensor([[[[[1.0, -2.0]]]]])).item() == pytest.approx(1 / 6)
    weak = grad_cam_plus_plus(activation, torch.full((1, 1, 1, 1, 2), 1e-30))  # g³ is zero in single precision
    assert weak.item() == pytest.approx(1e-30 / 2 + 1e-30 / 2)
    assert grad_cam_plus_plus(activation, torch.full((1, 1, 1, 1, 2), -0.5)).item() == 0  # the denominator is zero
    assert grad_cam_plus_plus(-activation, torch.full((1, 1, 1, 1, 2), 0.5)).item() == 0  # here too


def test_xgrad_cam_by_hand():
    """A = (1, 3) and g = (2, 4): 1/4 of 2 and 3/4 of 4. A map that sums to zero has no weight."""
    activation, gradient = torch.tensor([[[[1.0, 3.0]], [[1.0, -1.0]]]]), torch.tensor([[[[[2.0, 4.0]], [[5.0, 3.0]]]]])
    assert xgrad_cam(activation, gradient).flatten().tolist() == [3.5, 0]


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_layercam_pixel_by_pixel(seed, channels, classes, side):
    network, images = flat_net(seed, channels, classes, side), images_of(side)
    heat = signed(network, "1", images, list(range(classes)), "LayerCAM")
    with torch.no_grad():
        maps, weight = network[:2](images), network[3].weight.view(classes, channels, side, side + 1)
        expected = torch.stack(
            [sum(weight[k, c].clamp(min=0) * maps[:, c] for c in range(channels)) for k in range(classes)], 1
        )
    torch.testing.assert_close(heat, expected, **EXACT)


@FEW_EXAMPLES
@given(**NETWORK_PARAMETERS)
def test_eigen_cam_is_the_first_singular_vector_with_the_sign_of_the_energy(seed, channels, classes, side):
    network, images = flat_net(seed, channels, classes, side), images_of(side)
    heat = signed(network, "0", images, [0, 1], "Eigen-CAM")
    with torch.no_grad():
        maps = network[0](images).flatten(2).mT  # [B, hw, C]
    u, s, _ = torch.linalg.svd(maps, full_matrices=False)
    if channels > 1 and (s[:, 0] - s[:, 1]).min() < 1e-6:
        return  # the first axis is ambiguous
    for image in range(2):
        result, expected = heat[image, 0].flatten(), u[image, :, 0] * s[image, 0]
        torch.testing.assert_close(result.abs(), expected.abs(), rtol=1e-6, atol=1e-8)
        energy = (maps[image] ** 2).sum(1)
        assert ((result - result.mean()) * (energy - energy.mean())).sum() >= -1e-9
    torch.testing.assert_close(heat[:, 0], heat[:, 1])  # the same for every target


def test_score_cam_equals_the_loop():
    network, images = flat_net(3, 4, 3, 5), images_of(5)
    heat = signed(network, "0", images, [0, 2], "Score-CAM")
    with torch.no_grad():
        for image in range(2):
            maps = network[0](images[image : image + 1])[0]
            scores = []
            for one in maps:
                mask = (one - one.min()) / (one.max() - one.min())
                scores.append(network((images[image] * mask)[None])[0])
            black = network(torch.zeros_like(images[:1]))[0]
            for k, target in enumerate([0, 2]):
                weights = torch.stack([score[target] - black[target] for score in scores]).softmax(0)
                expected = sum(w * one for w, one in zip(weights, maps))
                torch.testing.assert_close(heat[image, k], expected, **EXACT)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "CAM"])
def test_methods_support_every_target_and_layer(method, network, images):
    explanation = Explainer(network, ["3", "6"]).explain(images, [0, "mixture", ("contrast", 1, 2)], method)
    assert explanation.heatmaps.shape == (2, 3, 2, 16, 16)
    assert explanation.heatmaps.isfinite().all() and (explanation.heatmaps >= 0).all()


# Not Grad-CAM++: its score is exp(target), whose α does change with the target's scale.
@pytest.mark.parametrize("method", ["Grad-CAM", "HiResCAM", "XGrad-CAM", "LayerCAM", "Eigen-CAM", "Ablation-CAM"])
def test_normalised_maps_are_invariant_to_the_scale_of_the_score(method, network, images):
    network, images = network.double(), images.double()
    before = min_max(Explainer(network, "3").explain(images, [0, 1], method).heatmaps)
    with torch.no_grad():
        network[-1].weight *= 7
        network[-1].bias *= 7
    torch.testing.assert_close(
        min_max(Explainer(network, "3").explain(images, [0, 1], method).heatmaps), before, **EXACT
    )


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("CAM", "Score-CAM")])
def test_maps_are_equivariant_to_shifts(method):
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).double()
    images = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    heat, shifted = (
        Explainer(network, "1").explain(x, [0, 1, 2], method, signed=True).heatmaps
        for x in (images, images.roll((2, 3), (2, 3)))
    )
    torch.testing.assert_close(shifted, heat.roll((2, 3), (-2, -1)), rtol=1e-6, atol=1e-8)


def test_cam_of_an_unsuitable_layer_raises_a_clear_error(network, images):
    with pytest.raises(ValueError, match="'6' is not one.*Grad-CAM"):
        Explainer(network, "6").explain(images, 0, "CAM")
    with pytest.raises(ValueError, match="'0' is not one"):  # before the ReLU, the average is different
        Explainer(pooled_net(0, 4, 3), "0").explain(images.double(), 0, "CAM")


@pytest.mark.parametrize("shape", [(12,), (3, 2, 2)])
def test_weights_do_not_depend_on_the_number_of_axes(shape):
    """Sums and means do not depend on axes: [B, C, 12] and [B, C, 3, 2, 2] get the weights of [B, C, 3, 4]."""
    torch.manual_seed(0)
    activation, gradient = torch.randn(2, 5, 3, 4), torch.randn(3, 2, 5, 3, 4)
    reshaped_activation, reshaped_gradient = activation.view(2, 5, *shape), gradient.view(3, 2, 5, *shape)
    head = nn.Linear(5, 4)
    outputs = head(activation.mean((2, 3))).detach()

    def sums(image, make, count):
        return make(torch.arange(count)).flatten(1).sum(1).expand(3, count)

    def layer_view(maps, gradient_maps):
        return SimpleNamespace(
            activation=maps, gradient=gradient_maps, cotangents=torch.eye(4)[:3, None].expand(3, 2, 4), outputs=outputs,
            mean_gradient=gradient_maps.mean(tuple(range(3, gradient_maps.ndim)), keepdim=True),
            model=head, layer="here", images=torch.ones(2, 3, *maps.shape[2:]),
            scores=lambda image: torch.full((3, 1), 2.0),
            scores_with_activations=sums, scores_of_images=sums,
        )  # fmt: skip

    for name, method in METHODS.items():
        expected = weighted_sum(method.weights(layer_view(activation, gradient)), activation)
        weights = method.weights(layer_view(reshaped_activation, reshaped_gradient))
        assert weights.ndim == 3 + len(shape)
        torch.testing.assert_close(weighted_sum(weights, reshaped_activation).flatten(2), expected.flatten(2), msg=name)


class NonFiniteLogits(nn.Linear):
    def forward(self, x):
        return (super().forward(x) - 100).log()


@pytest.mark.parametrize("method", ["Ablation-CAM", "Score-CAM"])
def test_non_finite_scores_give_the_state_not_finite(method, network, images):
    model = nn.Sequential(*network[:-1], NonFiniteLogits(8, 4))
    states = Explainer(model, ["3", "6"]).explain(images, [0, 3], method).states()
    assert states == [[["not finite"] * 2] * 2] * 2


def test_signed_maps_are_negated_by_against(network, images):
    both = Explainer(network, "3").explain(images, [0], signed=True).heatmaps
    against = Explainer(network, "3").explain(images, [("against", 0)], signed=True).heatmaps
    torch.testing.assert_close(against, -both)
    assert both.min() < 0 < both.max()


def test_progress_is_reported_and_can_cancel(network, images):
    progress = []
    Explainer(network, ["3", "6"]).explain(images, [0, 1], "Ablation-CAM", progress=progress.append, at_once=2)
    assert progress == sorted(progress) and progress[-1] == 1
    assert len(progress) == 2 * (3 + 3)  # two images, 5 and 6 maps, two at once
    with pytest.raises(Cancelled):
        Explainer(network, ["3", "6"]).explain(images, [0, 1], "Score-CAM", progress=lambda part: part < 0.5)


def test_results_do_not_depend_on_the_batch_size(network, images):
    for method in ("Ablation-CAM", "Score-CAM", "Grad-CAM"):
        one, many = (Explainer(network, "6").explain(images, [0, 1], method, at_once=n).heatmaps for n in (1, 64))
        torch.testing.assert_close(one, many)


def test_a_method_can_be_registered_as_one_function(network, images):
    @gradient_weighted("Test-CAM", "this test")
    def largest_gradient(activation, gradient):
        return gradient.amax((-2, -1), keepdim=True)

    try:
        heat = Explainer(network, "3").explain(images, [1], "Test-CAM", signed=True).heatmaps
        activation = network[:4](images).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(network[4:](activation)[:, 1].sum(), activation)
        expected = (gradient.amax((2, 3), keepdim=True) * activation.detach()).sum(1, keepdim=True)
        torch.testing.assert_close(
            heat[:, :, 0], F.interpolate(expected, (16, 16), mode="bilinear", align_corners=False)
        )
    finally:
        del METHODS["Test-CAM"]


def test_registered_functions_stay_callable_and_methods_are_frozen():
    """The decorator returns the function, and a registered method cannot be changed."""
    functions = {
        "Eigen-CAM": methods.eigen_cam,
        "CAM": methods.cam,
        "Ablation-CAM": methods.ablation_cam,
        "Score-CAM": methods.score_cam,
    }
    assert {name: METHODS[name].weights for name in functions} == functions
    assert methods.layercam(torch.ones(1, 1, 1, 2), torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
    with pytest.raises(FrozenInstanceError):
        METHODS["CAM"].passes = "none"


def test_every_method_names_its_paper():
    assert set(METHODS) == {
        "Grad-CAM",
        "Grad-CAM++",
        "HiResCAM",
        "XGrad-CAM",
        "LayerCAM",
        "Eigen-CAM",
        "CAM",
        "Ablation-CAM",
        "Score-CAM",
    }
    for name, method in METHODS.items():
        assert method.name == name and ("arXiv" in method.source or "doi" in method.source)
        assert "eq" in method.source or "algorithm" in method.source
