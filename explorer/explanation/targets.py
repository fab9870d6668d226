"""What a classifier can be asked for, by the names that people use: classes, their mixture, and layers."""

from difflib import get_close_matches
from functools import lru_cache

from classifiers import Classifier
from explorer.settings import DEEPEST, PREDICTED

MIXTURE = "mixture"
FOR_AND_AGAINST = {
    "further right": 0,
    "further left": ("against", 0),
}  # the targets of a model that predicts a position
MOST_ROWS = 10  # a classifier of at most so many classes has a row for each
TOP = 5  # of more, so many of the most probable have one
LISTED = 1000  # classes that a list of choices names; of more, the visitor writes the name
SHOWN = 40  # characters of what was asked for, in a sentence that says it is not there


def many_classes(model: Classifier) -> bool:
    """Whether only the most probable classes have a row."""
    return model.answers == "class" and len(model.classes) > MOST_ROWS


@lru_cache(maxsize=16)
def targets_of(model: Classifier) -> dict[str, object]:
    """A model's targets, name → gradcam target: every class and their mixture; for a number, more and less of it."""
    if model.answers == "number":
        return dict(FOR_AND_AGAINST)
    return {**{name: index for index, name in enumerate(model.classes)}, MIXTURE: MIXTURE}


def target_choices(model: Classifier) -> tuple[str, ...]:
    """The target names to choose from for a model; of very many classes none is listed, but each can be named."""
    if len(model.classes) > LISTED:
        return (PREDICTED, MIXTURE)
    if many_classes(model):
        return (PREDICTED, MIXTURE, *model.classes)  # a thousand names would hide the mixture behind them
    return (PREDICTED, *targets_of(model))


def target_named(model: Classifier, text: str) -> str:
    """The target that a text names: as it is, else whatever its case, else as the only name that holds it.

    Raises ValueError, with the choices or the names most like it.
    """
    targets = targets_of(model)
    if text in targets:
        return text
    wanted = text.casefold().strip() if isinstance(text, str) else ""
    same = [name for name in targets if name.casefold() == wanted]
    if same or not many_classes(model):
        if same:
            return same[0]
        choices = ", ".join(target_choices(model))
        raise ValueError(f"The model {model.name} has no class {_cut(text)}; choose one of {choices}.")
    holding = [name for name in model.classes if wanted and wanted in name.casefold()]
    holding.sort(key=lambda name: wanted not in name.casefold().split())  # whole words first
    if len(holding) == 1:
        return holding[0]
    near = holding[:TOP] or get_close_matches(wanted, model.classes, TOP, 0.5)
    several = "several classes that match" if holding else "no class like"
    hint = f"; did you mean {', '.join(near)}?" if near else f"; it has {len(model.classes)}, name one of them."
    raise ValueError(f"The model {model.name} has {several} {_cut(text)}{hint}")


def layer_choices(model: Classifier) -> tuple[str, ...]:
    """The layers to choose from for a model, shallow to deep, after the word for the last."""
    return (DEEPEST, *model.columns)


def column_named(model: Classifier, text: str) -> str:
    """The column that a text names: DEEPEST, a column, or a layer of the network. ValueError lists the choices."""
    if text == DEEPEST:
        return model.columns[-1]
    if text in model.columns:
        return text
    if text in model.layer_names:
        return model.columns[model.layer_names.index(text)]
    choices = ", ".join(layer_choices(model))
    raise ValueError(f"The model {model.name} has no layer {_cut(text)}; choose one of {choices}.")


def _cut(text):
    return repr(text[:SHOWN]) if isinstance(text, str) else "without a name"
