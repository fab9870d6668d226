"""What is asked of a classifier: which targets, read at which layers; from the words of the command line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

import classifiers
from classifiers import Classifier, Layer
from gradcam import METHODS

from .options import Options, Refused

TOP = 5


@dataclass(frozen=True)
class Question:
    classifier: Classifier
    targets: tuple[int | tuple, ...]  # as gradcam.Explainer takes them: a class, or ("rank", place)
    layers: tuple[Layer, ...]

    @property
    def rows_per_photo(self) -> int:
        return len(self.targets) * len(self.layers)

    def answers(self, logits: Tensor, targets) -> list[dict]:
        """One photo's logits [N], for each target its columns: name, rank (1: the most probable), logit, probability.

        The order is gradcam's own for ranks: descending, the first of equals first. A network that gives a number has
        neither ranks nor probabilities.
        """
        if self.classifier.answers == "number":
            return [{"target": self.classifier.classes[target], "logit": float(logits[target])} for target in targets]
        order = logits.sort(descending=True, stable=True).indices.tolist()
        probabilities = logits.double().softmax(0).tolist()
        place = {label: rank for rank, label in enumerate(order, 1)}
        labels = [order[target[1]] if isinstance(target, tuple) else target for target in targets]
        return [
            {
                "predicted": self.classifier.classes[order[0]],
                "target": self.classifier.classes[label],
                "rank": place[label],
                "logit": float(logits[label]),
                "probability": probabilities[label],
            }
            for label in labels
        ]

    def revision(self) -> str:
        """The commit of a repository of the Hub, or "sha256:" and that of the weights in memory."""
        return self.classifier.revision or f"sha256:{weights_sha256(self.classifier.network)}"


def ask(options: Options) -> Question:
    """Load the classifier and look its targets and layers up. Raises Refused, with what there is to choose from."""
    if options.method not in METHODS:
        raise Refused(f"There is no method {options.method!r}; choose one of {', '.join(METHODS)}.")
    classifier = load(options.model)
    return Question(classifier, _targets(options.targets, classifier), _layers(options.layers, classifier))


@cache
def load(name: str) -> Classifier:
    """Of the catalogue or the Hub, or from a folder of this machine. Raises Refused."""
    try:
        if name not in classifiers.names() and Path(name).is_dir():
            from classifiers import hub

            return hub.from_folder(name)
        return classifiers.load(name)
    except (ValueError, OSError) as error:  # also the Hub's and of files of weights
        raise Refused(str(error)) from None


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _targets(words, classifier):
    names = classifier.classes
    if classifier.answers == "number":
        if words not in ("predicted", "all", names[0]):
            raise Refused(f"{classifier.name} answers with a number, so its only target is {names[0]}.")
        return (0,)
    if words == "predicted":
        return (("rank", 0),)
    if words == "top5":
        return tuple(("rank", place) for place in range(min(TOP, len(names))))
    if words == "all":
        return tuple(range(len(names)))
    return _chosen(words, names, "class", classifier)


def _layers(words, classifier):
    if not words:
        return classifier.layers[-1:]
    if words == "all":
        return classifier.layers
    by_name = {layer.name: layer for layer in classifier.layers} | {layer.column: layer for layer in classifier.layers}
    columns = list(by_name)
    return tuple(by_name[columns[index]] for index in _chosen(words, columns, "layer", classifier))


def _chosen(words, names, what, classifier):
    """The places of names with commas between them; a name may hold commas itself."""
    if words in names:
        return (names.index(words),)
    chosen = [word.strip() for word in words.split(",")]
    for word in chosen:
        if word not in names:
            known = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
            raise Refused(f"{classifier.name} has no {what} {word!r}; choose from {known}.")
    return tuple(dict.fromkeys(names.index(word) for word in chosen))
