"""The ReLUs of one forward pass, found in what autograd recorded of it, and whatever else stands in their company.

However a ReLU is spelt — a module, a function, a method, in place or not, a clamp at zero —, autograd records a node
for it. So its graph is what is judged: each node is a ReLU, or is known to pass a gradient on, or is refused.
"""

import re

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Nodes by autograd's names. Linear in all of their inputs together:
_ADDING = {
    "Add", "Sub", "Rsub", "Cat", "Stack", "Where", "IndexAdd", "IndexCopy", "IndexPut", "Scatter", "ScatterAdd",
    "SliceScatter", "SelectScatter", "CopySlices",
}  # fmt: skip
# Linear in one of their inputs while the others are constants:
_PASSING = {
    "Mul", "Addcmul", "Mm", "Bmm", "Mv", "Dot", "Linear", "Addmm", "Addmv", "Addbmm", "Baddbmm", "Convolution", "Neg",
    "Sum", "Mean", "Cumsum", "View", "UnsafeView", "ReshapeAlias", "Alias", "Expand", "Squeeze", "Unsqueeze",
    "T", "Transpose", "Permute", "AsStrided", "Slice", "Select", "Split", "SplitWithSizes", "UnsafeSplit",
    "UnsafeSplitWithSizes", "Unbind", "Diagonal", "Tril", "Triu", "Flip", "Roll", "Repeat", "Unfold", "Im2Col",
    "Col2Im", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "NativeChannelShuffle", "Index",
    "IndexSelect", "Gather", "MaskedFill", "ConstantPadNd", "Clone", "CopyBackwards", "ToCopy", "NativeDropout",
}  # fmt: skip
_FIRST_ONLY = {"Div", "GridSampler2D", "GridSampler3D"}  # linear in their first input, while the second is a constant
# No activations, and so no business of the rule: pooling, enlarging, padding and normalisation.
_LAYERS = re.compile(
    r"(Mkldnn)?(Adaptive)?(Avg|Max)Pool[23]D(WithIndices)?|FractionalMaxPool[23]D|MaxUnpool[23]D|Upsample\w+"
    r"|(Reflection|Replication)Pad[123]D|(Native|Cudnn|Miopen)BatchNorm|Native(Layer|Group)Norm"
)


def guide(outputs: Tensor, image: Tensor) -> str | None:
    """Make each ReLU between the leaf `image` and `outputs` pass back positive gradients only, or say why not."""
    nodes = _between(outputs, image)
    relus = {node: inputs for node, inputs in nodes.items() if _is_relu(node, inputs)}
    for node, inputs in nodes.items():
        if node not in relus and not _passes(node, inputs):
            return f"this model runs {_described(node, inputs)}"
    if not nodes:
        return "no gradient leads from this model's outputs to the image"
    if not relus:
        return "this model ran none, and the result would be the plain gradient"
    for node, inputs in relus.items():
        _rectify(node, inputs)
    return None


def _between(outputs, image):
    """The nodes on the way from `outputs` to `image`, each with the places of its inputs that lie on it."""
    leaf = torch.autograd.graph.get_gradient_edge(image).node
    inputs, waiting = {leaf: [0]}, [outputs.grad_fn] if outputs.requires_grad else []
    while waiting:
        before = [(place, node) for place, (node, _) in enumerate(waiting[-1].next_functions) if node is not None]
        unseen = [node for _, node in before if node not in inputs]
        if unseen and waiting[-1] not in inputs:
            waiting += unseen
        else:
            inputs.setdefault(waiting.pop(), [place for place, node in before if inputs[node]])
    del inputs[leaf]
    return {node: places for node, places in inputs.items() if places}


def _name(node):
    return re.fullmatch(r"(?:torch::autograd::)?(.+?)(?:Backward\d+)?", node.name())[1]


def _is_relu(node, inputs):
    """max(x, 0), with or without a bound above it."""
    match _name(node):
        case "Relu":
            return True
        case "Hardtanh":
            return node._saved_min_val == 0
        case "Clamp" | "ClampMin":
            return inputs == [0] and _is_zero(node._saved_min)
        case "Threshold":
            return node._saved_threshold == 0  # what it puts below the threshold is `Watch`'s to see
        case "Maximum":
            return len(inputs) == 1 and _is_zero(node._saved_other if inputs == [0] else node._saved_self)
    return False


def _is_zero(bound):
    return bound is not None and not torch.as_tensor(bound).any()


def _passes(node, inputs):
    """Whether a node is linear in what depends on the image, or a layer that is no activation."""
    name = _name(node)
    if name in ("Max", "Amax"):
        return _is_pooling(node)
    if len(inputs) > 1:
        return name in _ADDING
    linear = name in _ADDING or name in _PASSING or (name in _FIRST_ONLY and inputs == [0])
    return linear or _LAYERS.fullmatch(name) is not None


def _is_pooling(node):
    """Whether a maximum is over the area of maps [B, C, h, w], at once or axis by axis.

    Over other axes it could be an activation: the larger one of x and 0, stacked.
    """
    sizes = getattr(node, "_saved_self_sym_sizes", None) or node._saved_self.shape
    axes = getattr(node, "_saved_dim", ())
    axes = [_signed(axis) % len(sizes) for axis in ((axes,) if isinstance(axes, int) else axes)]
    before = node.next_functions[0][0]
    maps = len(sizes) == 4 or (len(sizes) == 3 and _name(before) == "Max" and _is_pooling(before))
    return maps and bool(axes) and min(axes) >= 2 and _name(before) != "Stack"


def _signed(axis):
    return axis - 2**64 if axis >= 2**63 else axis  # autograd shows axes counted from the end as unsigned numbers


def _described(node, inputs):
    name = _name(node).removesuffix("Backward").replace("NotImplemented", "an operation without a gradient")
    return f"{name} with several inputs that depend on the image" if len(inputs) > 1 else name


def _rectify(node, inputs):
    """Springenberg et al.: what comes back passes where it is positive, and where the input was."""
    node.register_prehook(lambda gradients: tuple(gradient.clamp(min=0) for gradient in gradients))
    if _name(node) == "Relu":  # which is closed at zero; a clamp is open there, and a maximum is half open
        return
    lit = (node._saved_other if inputs == [1] else node._saved_self) > 0

    def close(found, _):
        return tuple(gradient.where(lit, 0) if place in inputs else gradient for place, gradient in enumerate(found))

    node.register_hook(close)


class Watch(TorchDispatchMode):
    """While active in this thread, notices what an image decides without autograd's knowledge.

    A mask (x · (x > 0)), a detached gate or a table of indices depends on the image, but in the graph it looks like a
    constant. And where part of a tensor is changed in place, the graph shows that it was, but not how. `hidden` names
    the first of it; `partly` says that it was of the latter kind. What goes through NumPy or Python's numbers is not
    noticed.
    """

    def __init__(self, image: Tensor):
        super().__init__()
        self.hidden: str | None = None
        self.partly = False
        self._reached = {_memory(image)}  # what the image has a say in; weak references, so that nothing is kept alive
        self._recorded = set()  # what autograd knows of

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else the first call of a process waits for torch's compiler to be imported

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        if torch.compiler.is_dynamo_compiling():  # what is compiled shows in the graph, as a node that is refused
            return found
        given, made = _tensors((args, kwargs)), _tensors(found)
        self._recorded.update(_memory(tensor) for tensor in given if tensor.requires_grad)
        name = operation.overloadpacket.__name__
        if name not in _SHAPE_ONLY and any(map(self._is_reached, given)):
            changed = _tensors(args[:1]) if operation._schema.is_mutable else []
            self.hidden = self.hidden or self._hidden(name, args, given, changed, made)
            self._reached.update(map(_memory, made))
        return found

    def _hidden(self, name, args, given, changed, made):
        if torch.is_inference_mode_enabled():
            return f"{name} in inference mode"
        if name in ("threshold", "threshold_") and args[2] != 0:
            return "a threshold that puts something else than zero below it"
        if not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in given):
            behind = any(_memory(tensor) in self._recorded for tensor in changed)
            return f"{name} behind autograd's back" if behind else None
        if name not in _SWITCHING and any(self._is_reached(one) and not one.requires_grad for one in given):
            made_from = f"{name} with a mask, an index or a detached tensor made from the image"
            return made_from if any(one.is_floating_point() or one.is_complex() for one in made) else None
        if name not in _WRITING and any(tensor._is_view() for tensor in changed):
            constant = not any(self._is_reached(tensor) for tensor in given if tensor is not args[0])
            self.partly = name not in _SCALING or not constant
            return f"{name} on a part of a tensor" if self.partly else None
        return None

    def _is_reached(self, tensor):
        return _memory(tensor) in self._reached


_SHAPE_ONLY = {  # nothing of their input's values is in what they make
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_empty",
    "new_empty_strided", "new_zeros", "new_ones", "new_full",
}  # fmt: skip
_SWITCHING = {"max_unpool2d", "max_unpool3d"}  # their indices lead back as max pooling's own gradient does
_WRITING = {"copy_", "add_", "sub_", "zero_", "fill_", "neg_"}  # linear
_SCALING = {"mul_", "div_"}  # linear where the other is a constant


def _memory(tensor):
    return StorageWeakRef(tensor.untyped_storage())


def _tensors(values):
    return [value for value in tree_leaves(values) if isinstance(value, Tensor) and value.layout == torch.strided]
