"""Randomising a layer's weights, however stored, changes the layer's function and nothing in the original model."""

import threading
import warnings

import pytest
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)
from torch.nn.utils import parametrizations, parametrize, prune

from gradcam import Explainer, cascading_randomisation
from gradcam.random_numbers import GeneratorStates, PrivateRandomNumbers
from gradcam.reinitialisation import layers_of, private_copy, randomise


def parametrized(parametrization):
    def wrap(layer):
        parametrize.register_parametrization(layer, "weight", parametrization(layer.weight))
        return layer

    return wrap


class NotInvertible(nn.Module):
    """A parametrization without inverse."""

    def __init__(self, weight):
        super().__init__()

    def forward(self, weight):
        return weight.abs()


class WithOwnWeights(nn.Module):
    """A parametrization with its own weights."""

    def __init__(self, weight):
        super().__init__()
        self.change = nn.Parameter(0.1 * torch.randn_like(weight))

    def forward(self, weight):
        return weight + self.change


class IgnoresTheWeight(nn.Module):
    """A parametrization that ignores the weight."""

    def __init__(self, weight):
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())

    def forward(self, weight):
        return 0 * weight + self.weight


class WithoutReset(nn.Module):
    """A module without `reset_parameters`; one of its weights is a scalar; it holds a lock."""

    def __init__(self, layer):
        super().__init__()
        self.table, self.scale, self.lock = (
            nn.Parameter(layer.weight.detach().clone()),
            nn.Parameter(torch.ones(())),
            threading.Lock(),
        )

    def forward(self, x):
        return self.scale * (F.conv2d(x, self.table) if self.table.ndim == 4 else F.linear(x, self.table))


class WeightInAList(WithoutReset):
    """Reads its weight from a plain list."""

    def __init__(self, layer):
        super().__init__(layer)
        self.tables = [self.table]

    def forward(self, x):
        return F.conv2d(x, self.tables[0]) if self.table.ndim == 4 else F.linear(x, self.tables[0])


class ReplacesItsParameter(nn.Module):
    """Resets by creating a new parameter, from random functions without a generator argument."""

    def __init__(self, layer):
        super().__init__()
        self.shape = layer.weight.shape
        self.reset_parameters()

    def reset_parameters(self):
        self.weight = nn.Parameter(torch.randn(self.shape) / 10 + 0 * torch.rand_like(torch.ones(self.shape)))
        torch.randperm(3), torch.randint(3, (2,)), torch.randint(1, 3, (2,))

    def forward(self, x):
        return F.conv2d(x, self.weight) if self.weight.ndim == 4 else F.linear(x, self.weight)


def legacy(wrap):
    def without_warnings(layer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends the parametrization of the same name
            return wrap(layer)

    return without_warnings


WEIGHT_KINDS = {
    "plain": lambda layer: layer,
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "orthogonal, no inverse": lambda layer: parametrizations.orthogonal(
        layer, orthogonal_map="cayley", use_trivialization=False
    ),
    "weight norm by a hook": legacy(nn.utils.weight_norm),
    "spectral norm by a hook": legacy(nn.utils.spectral_norm),
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.3),
    "parametrized, no inverse": parametrized(NotInvertible),
    "parametrized with own weights": parametrized(WithOwnWeights),
    "parametrized twice": lambda layer: parametrized(NotInvertible)(parametrizations.weight_norm(layer)),
    "without reset": WithoutReset,
    "weight in a list": WeightInAList,
    "replaces its parameter": ReplacesItsParameter,
}


def network_of(prepare):
    torch.manual_seed(0)
    # Without biases: a new bias would hide an unchanged weight.
    first, second = nn.Conv2d(3, 5, 3, bias=False), nn.Conv2d(5, 6, 3, bias=False)
    head = nn.Linear(6 * 64, 4, bias=False)
    return nn.Sequential(prepare(first), nn.ReLU(), prepare(second), nn.ReLU(), nn.Flatten(), prepare(head))


INPUTS = {"0": (1, 3, 12, 12), "2": (1, 5, 10, 10), "5": (1, 384)}


@torch.no_grad()
def layer_outputs(model):
    """Each layer's output for a fixed input."""
    generator = torch.Generator().manual_seed(0)
    return {name: model.get_submodule(name)(torch.randn(shape, generator=generator)) for name, shape in INPUTS.items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", WEIGHT_KINDS)
def test_each_step_changes_the_function_of_its_layer_only(name, training):
    model, outputs_per_step = network_of(WEIGHT_KINDS[name]).train(training), []
    model(torch.rand(1, 3, 12, 12))  # hooks have now created tensors that are not parameters
    before, rng, attributes = model_state(model), torch.get_rng_state(), tensors_of(model)

    def explain(model):
        assert all(module.training == training for module in model.modules())
        outputs_per_step.append(layer_outputs(model.eval()))
        model.train(training)
        return torch.rand(8, 8, generator=torch.Generator().manual_seed(0))

    steps = cascading_randomisation(model, explain)
    assert [step.randomised for step in steps] == ["", "5", "2", "0"]
    for previous, current, randomised in zip(outputs_per_step, outputs_per_step[1:], ("5", "2", "0")):
        for layer in INPUTS:
            change = (current[layer] - previous[layer]).norm() / previous[layer].norm()
            assert change > 0.1 if layer == randomised else change < 1e-5, (layer, randomised, change)
    assert_same_state(before, model_state(model))
    assert all(torch.equal(value, attributes[key]) for key, value in tensors_of(model).items())
    assert torch.equal(rng, torch.get_rng_state())


def tensors_of(model):
    """The tensors that modules keep as plain attributes."""
    return {
        (name, key): value.clone()
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    }


@pytest.mark.parametrize("name", WEIGHT_KINDS)
def test_results_are_determined_by_the_seed(name):
    model, images = network_of(WEIGHT_KINDS[name]), torch.rand(1, 3, 12, 12)

    def explain(model):
        return Explainer(model, "0").explain(images, 1, "HiResCAM", signed=True).heatmaps[0, 0, 0]

    steps, again, other = (cascading_randomisation(model, explain, seed) for seed in (0, 0, 1))
    assert steps == again and steps[1:] != other[1:]
    assert all(step.state == "compared" for step in steps)


def test_parametrization_constraints_hold_for_new_weights():
    for mode in (True, False):
        for name in ("spectral norm", "spectral norm by a hook"):
            layer = private_copy(WEIGHT_KINDS[name](nn.Linear(40, 30)).train(mode))
            randomise("", layer, PrivateRandomNumbers(GeneratorStates(0)))
            layer.eval()(torch.rand(1, 40))
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=0.1)
    for name in ("orthogonal", "orthogonal, no inverse"):
        layer = private_copy(WEIGHT_KINDS[name](nn.Linear(40, 30)))
        randomise("", layer, PrivateRandomNumbers(GeneratorStates(0)))
        torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(30), rtol=0, atol=1e-4)


def test_plain_layers_are_reset_by_reset_parameters():
    """A plain layer is reset by its `reset_parameters`: the same numbers as from torch with the same seed."""
    layer = private_copy(nn.Linear(4, 3))
    randomise("", layer, PrivateRandomNumbers(GeneratorStates(5)))
    torch.manual_seed(5)
    fresh = nn.Linear(4, 3)
    assert torch.equal(layer.weight, fresh.weight) and torch.equal(layer.bias, fresh.bias)


def test_normalisation_layers_are_reset_including_untrained_ones():
    fresh, trained, plain = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False)
    for norm in (trained, plain):
        norm(torch.rand(8, 4, 3, 3) * torch.arange(1.0, 5.0).view(4, 1, 1))
    with torch.no_grad():
        trained.weight.uniform_()
    copy = private_copy(nn.Sequential(fresh, trained, plain))
    assert list(layers_of(copy)) == ["0", "1", "2"]
    for name, layer in layers_of(copy).items():
        randomise(name, layer, PrivateRandomNumbers(GeneratorStates(0)))
    for norm in copy:
        assert norm.running_mean.tolist() == [0] * 4 and norm.running_var.tolist() == [1] * 4
    assert copy[0].weight.tolist() == copy[1].weight.tolist() == [1] * 4
    assert trained.running_mean.abs().min() > 0 and plain.running_mean.abs().min() > 0


def test_tied_weights_stay_tied():
    class TiedWeights(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.one, self.other = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 4)
            self.other.weight = self.one.weight

        def forward(self, x):
            return self.other(self.one(self.conv(x).mean((2, 3))))

    model = TiedWeights()
    copy = private_copy(model)
    assert copy.other.weight is copy.one.weight and copy.one.weight is not model.one.weight
    randomise("other", copy.other, PrivateRandomNumbers(GeneratorStates(0)))
    assert copy.other.weight is copy.one.weight and not torch.equal(copy.one.weight, model.one.weight)


def test_recurrent_layers_use_their_new_weights():
    """They keep a list of their weights in addition to the parameters."""
    model, sequence = nn.LSTM(4, 5), torch.rand(3, 1, 4)
    copy = private_copy(model)
    torch.testing.assert_close(copy(sequence)[0], model(sequence)[0])
    randomise("", copy, PrivateRandomNumbers(GeneratorStates(0)))
    assert (copy(sequence)[0] - model(sequence)[0]).norm() > 0.1 * model(sequence)[0].norm()


def test_layers_are_all_modules_with_weights():
    class TransformerWithPositions(nn.Module):
        def __init__(self):
            super().__init__()
            self.positions, self.token = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2))
            self.block, self.head = nn.TransformerEncoderLayer(8, 2), parametrizations.weight_norm(nn.Linear(3, 2))
            self.scales = nn.ParameterList([nn.Parameter(torch.ones(2))])
            self.register_buffer("grid", torch.ones(2))

    model = private_copy(TransformerWithPositions())
    layers = layers_of(model)
    block = [
        "block.self_attn",
        "block.self_attn.out_proj",
        "block.linear1",
        "block.linear2",
        "block.norm1",
        "block.norm2",
    ]
    assert list(layers) == ["positions, token", *block, "head", "scales"]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for name, layer in layers.items():
        randomise(name, layer, PrivateRandomNumbers(GeneratorStates(0)))
    unchanged = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    assert unchanged == {"grid"} | {f"block.norm{which}.{key}" for which in (1, 2) for key in ("weight", "bias")}


def error_message(model):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        cascading_randomisation(model, lambda model: torch.rand(4, 4))
    return str(caught.value)


def test_models_that_cannot_be_randomised_raise_a_clear_error():
    assert "layer '5' cannot be randomised: its weight is the same" in error_message(
        network_of(parametrized(IgnoresTheWeight))
    )
    assert "'0.weight' has none yet: load them, or run the model once" in error_message(
        nn.Sequential(nn.LazyConv2d(4, 3))
    )
    assert "'0.weight' has none yet" in error_message(nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")))
    assert "found none" in error_message(nn.ReLU())
    integer = nn.Conv2d(3, 4, 1)
    integer.weight = nn.Parameter(torch.ones(4, 3, 1, 1, dtype=torch.int8), requires_grad=False)
    assert "'0.weight' holds torch.int8" in error_message(nn.Sequential(integer))


def test_a_scripted_submodule_is_rejected_and_unchanged():
    scripted = torch.jit.trace_module(nn.Conv2d(3, 4, 1), {"forward": torch.rand(1, 3, 2, 2)})
    before = {name: (parameter, parameter.clone()) for name, parameter in scripted.named_parameters()}
    assert "'1' is scripted" in error_message(nn.Sequential(nn.Conv2d(3, 3, 1), scripted))
    assert all(
        current is before[name][0] and torch.equal(current, before[name][1])
        for name, current in scripted.named_parameters()
    )


@pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="no quantised kernels in this build"
)
def test_quantised_layers_are_rejected():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch recommends another package
        model = torch.ao.quantization.quantize_dynamic(network_of(WEIGHT_KINDS["plain"]), {nn.Linear})
    assert "'5' is quantised" in error_message(model)
