"""What the dropdowns for model, class and layer offer."""

from contextlib import suppress
from typing import Any

import classifiers
from explorer.explanation.targets import MIXTURE, layer_choices, target_choices
from explorer.labels import TARGET_LABELS, labelled
from explorer.settings import DEEPEST, PREDICTED, View


def model_choices() -> list[tuple[str, str]]:
    """What the dropdown of classifiers offers: what it shows, and the name."""
    return [(f"{name} ({classifiers.find(name).trained_on})", name) for name in classifiers.names()]


def target_dropdown(view: View) -> dict[str, Any]:
    """Choices and value of the class's dropdown: the view's target where its model has it, or may have it."""
    model = _known(view.model)
    choices = (PREDICTED, MIXTURE, view.target) if model is None else target_choices(model)
    kept = view.target in choices or (model is not None and view.target in model.classes)
    labels = labelled(dict.fromkeys(choices), TARGET_LABELS)
    return {"choices": labels, "value": view.target if kept else PREDICTED}


def layer_dropdown(view: View) -> dict[str, Any]:
    """Choices and value of the layer's dropdown: the view's layer where its model has it, or may have it."""
    model = _known(view.model)
    choices = (DEEPEST, view.layer) if model is None else layer_choices(model)
    labels = [(name, name) for name in dict.fromkeys(choices)]
    return {"choices": labels, "value": view.layer if view.layer in choices else DEEPEST}


def without_value(dropdown: dict[str, Any], value) -> dict[str, Any]:
    """The same without a value that is there already: a link may be setting another at this moment."""
    return {name: one for name, one in dropdown.items() if name != "value" or one != value}


def _known(name):
    """The classifier, or None for one of the Hub that is not loaded, and for a name that is none."""
    with suppress(ValueError):
        return classifiers.find(name)
    return None
