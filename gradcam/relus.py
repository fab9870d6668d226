"""The ReLUs of one forward pass, found in its autograd graph, and the operations that guided backpropagation refuses.

However a ReLU is written — a module, a function, a method, in place or not, a clamp at zero —, autograd records a node
for it. So the graph is checked: each node is a ReLU, or is known to pass a gradient on, or is refused.
"""

import re

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Nodes by autograd's names. Linear in all of their inputs together:
_LINEAR_IN_ALL = {
    "Add", "Sub", "Rsub", "Cat", "Stack", "Where", "IndexAdd", "IndexCopy", "IndexPut", "Scatter", "ScatterAdd",
    "SliceScatter", "SelectScatter", "CopySlices",
}  # fmt: skip
# Linear in one of their inputs while the others are constants:
_LINEAR_IN_ONE = {
    "Mul", "Addcmul", "Mm", "Bmm", "Mv", "Dot", "Linear", "Addmm", "Addmv", "Addbmm", "Baddbmm", "Convolution", "Neg",
    "Sum", "Mean", "Cumsum", "View", "UnsafeView", "ReshapeAlias", "Alias", "Expand", "Squeeze", "Unsqueeze",
    "T", "Transpose", "Permute", "AsStrided", "Slice", "Select", "Split", "SplitWithSizes", "UnsafeSplit",
    "UnsafeSplitWithSizes", "Unbind", "Diagonal", "Tril", "Triu", "Flip", "Roll", "Repeat", "Unfold", "Im2Col",
    "Col2Im", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "NativeChannelShuffle", "Index",
    "IndexSelect", "Gather", "MaskedFill", "ConstantPadNd", "Clone", "CopyBackwards", "ToCopy", "NativeDropout",
}  # fmt: skip
# Linear in their first input while the second is a constant:
_LINEAR_IN_FIRST = {"Div", "GridSampler2D", "GridSampler3D"}
# No activations, so the rule does not apply: pooling, upsampling, padding and normalisation.
_LAYERS = re.compile(
    r"(Mkldnn)?(Adaptive)?(Avg|Max)Pool[23]D(WithIndices)?|FractionalMaxPool[23]D|MaxUnpool[23]D|Upsample\w+"
    r"|(Reflection|Replication)Pad[123]D|(Native|Cudnn|Miopen)BatchNorm|Native(Layer|Group)Norm"
)


def guide_relus(outputs: Tensor, image: Tensor) -> str | None:
    """Make each ReLU between the leaf `image` and `outputs` pass back positive gradients only, or return why not."""
    nodes = _between(outputs, image)
    relus = {node: inputs for node, inputs in nodes.items() if _is_relu(node, inputs)}
    for node, inputs in nodes.items():
        if node not in relus and not _passes_gradient(node, inputs):
            return f"this model runs {_described(node, inputs)}"
    if not nodes:
        return "no gradient leads from this model's outputs to the image"
    if not relus:
        return "this model ran none, and the result would be the plain gradient"
    for node, inputs in relus.items():
        _rectify(node, inputs)
    return None


def _between(outputs, image):
    """The nodes on the paths from `outputs` to `image`, each with the indices of its inputs that lie on them."""
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
    match = re.fullmatch(r"(?:torch::autograd::)?(.+?)(?:Backward\d+)?", node.name())
    assert match is not None  # every node has a name
    return match[1]


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
            return node._saved_threshold == 0  # `HiddenDependencies` checks what it puts below the threshold
        case "Maximum":
            return len(inputs) == 1 and _is_zero(node._saved_other if inputs == [0] else node._saved_self)
    return False


def _is_zero(bound):
    return bound is not None and not torch.as_tensor(bound).any()


def _passes_gradient(node, inputs):
    """Whether a node is linear in what depends on the image, or a layer that is no activation."""
    name = _name(node)
    if name in ("Max", "Amax"):
        return _is_pooling(node)
    if len(inputs) > 1:
        return name in _LINEAR_IN_ALL
    linear = name in _LINEAR_IN_ALL or name in _LINEAR_IN_ONE or (name in _LINEAR_IN_FIRST and inputs == [0])
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
    """Springenberg et al.: a gradient passes where it is positive, and where the input was."""
    node.register_prehook(lambda gradients: tuple(gradient.clamp(min=0) for gradient in gradients))
    if _name(node) == "Relu":  # zero for an input of zero; a clamp passes all of the gradient there, and a maximum half
        return
    positive = (node._saved_other if inputs == [1] else node._saved_self) > 0

    def mask(gradients, _):
        return tuple(
            gradient.where(positive, 0) if place in inputs else gradient for place, gradient in enumerate(gradients)
        )

    node.register_hook(mask)


class HiddenDependencies(TorchDispatchMode):
    """While active in this thread, detects what depends on the image in ways that autograd does not record.

    A mask (x · (x > 0)), a detached gate or a table of indices depends on the image, but in the graph it looks like a
    constant. And where part of a tensor is changed in place, the graph shows that it was, but not how. `hidden` names
    the first of these; `partly` says that it was of the latter kind. What goes through NumPy or Python's numbers is not
    detected.
    """

    def __init__(self, image: Tensor):
        super().__init__()
        self.hidden: str | None = None
        self.partly = False
        self._dependent = {_memory(image)}  # memory that depends on the image; weak references keep nothing alive
        self._recorded = set()  # memory of what autograd records

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else the first call of a process waits for the import of torch's compiler

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if torch.compiler.is_dynamo_compiling():  # what is compiled shows in the graph, as a node that is refused
            return result
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        self._recorded.update(_memory(tensor) for tensor in inputs if tensor.requires_grad)
        name = operation.overloadpacket.__name__
        if name not in _SHAPE_ONLY and any(map(self._depends, inputs)):
            changed = _tensors(args[:1]) if operation._schema.is_mutable else []
            self.hidden = self.hidden or self._hidden(name, args, inputs, changed, outputs)
            self._dependent.update(map(_memory, outputs))
        return result

    def _hidden(self, name, args, inputs, changed, outputs):
        if torch.is_inference_mode_enabled():
            return f"{name} in inference mode"
        if name in ("threshold", "threshold_") and args[2] != 0:
            return "a threshold that puts something else than zero below it"
        if not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in inputs):
            unrecorded = any(_memory(tensor) in self._recorded for tensor in changed)
            return f"{name} behind autograd's back" if unrecorded else None
        if name not in _UNPOOLING and any(self._depends(one) and not one.requires_grad for one in inputs):
            made_from = f"{name} with a mask, an index or a detached tensor made from the image"
            return made_from if any(one.is_floating_point() or one.is_complex() for one in outputs) else None
        if name not in _LINEAR_IN_PLACE and any(tensor._is_view() for tensor in changed):
            constant = not any(self._depends(tensor) for tensor in inputs if tensor is not args[0])
            self.partly = name not in _SCALING_IN_PLACE or not constant
            return f"{name} on a part of a tensor" if self.partly else None
        return None

    def _depends(self, tensor):
        return _memory(tensor) in self._dependent


_SHAPE_ONLY = {  # their outputs do not depend on their input's values
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_empty",
    "new_empty_strided", "new_zeros", "new_ones", "new_full",
}  # fmt: skip
_UNPOOLING = {"max_unpool2d", "max_unpool3d"}  # their indices lead back as max pooling's own gradient does
_LINEAR_IN_PLACE = {"copy_", "add_", "sub_", "zero_", "fill_", "neg_"}  # linear
_SCALING_IN_PLACE = {"mul_", "div_"}  # linear where the other is a constant


def _memory(tensor):
    return StorageWeakRef(tensor.untyped_storage())


def _tensors(values):
    return [value for value in tree_leaves(values) if isinstance(value, Tensor) and value.layout == torch.strided]
