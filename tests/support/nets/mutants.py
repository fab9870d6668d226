"""Explainers that show what the checks are worth: an honest one, slow and plain, and others with one fault each."""

import copy
from types import SimpleNamespace

import torch

from .oracle import plain_maps


class Honest:
    """Explains a deep copy, in eval mode, by plain loops; random numbers are drawn in a fork of the caller's."""

    def __init__(self, model, layers, reshape=None):
        self.model, self.layers, self.reshape = model, layers, reshape

    def explain(self, images, targets, method):
        with torch.random.fork_rng(devices=[]):
            return self.answer(self.copy(), images, targets, method)

    def copy(self):
        return copy.deepcopy(self.model).eval()

    def answer(self, model, images, targets, method):
        try:
            plain = plain_maps(model, self.layers, images, targets, self.reshape)
        except RuntimeError as error:
            raise ValueError("expected a layer on which the target depends: there is no gradient") from error
        return SimpleNamespace(logits=plain.outputs, heatmaps=plain.maps[method])


class SharesBuffers(Honest):
    """Copies parameters and hands the buffers over as they are."""

    def copy(self):
        return copy.deepcopy(self.model, {id(buffer): buffer for buffer in self.model.buffers()}).eval()


class SharesLists(Honest):
    """Copies modules and tensors, and shares plain containers."""

    def copy(self):
        plain = [value for value in vars(self.model).values() if type(value) in (list, dict)]
        return copy.deepcopy(
            self.model, {id(value): value for value in plain if value not in vars(torch.nn.Module()).values()}
        ).eval()


class InTrainingMode(Honest):
    """Forgets eval mode."""

    def copy(self):
        return copy.deepcopy(self.model).train()


class RunsTheModelItself(Honest):
    """Makes no copy, and puts the mode back as it was at the top."""

    def explain(self, images, targets, method):
        mode = self.model.training
        try:
            return super().explain(images, targets, method)
        finally:
            self.model.train(mode)

    def copy(self):
        return self.model.eval()


class SplitsTheBatch(Honest):
    """Explains four images at a time."""

    def answer(self, model, images, targets, method):
        found = [
            super(SplitsTheBatch, self).answer(copy.deepcopy(model), part, targets, method) for part in images.split(4)
        ]
        return SimpleNamespace(
            logits=torch.cat([one.logits for one in found]), heatmaps=torch.cat([one.heatmaps for one in found])
        )


class LeavesTheDice(Honest):
    """Lets the model draw from the process's random state."""

    def explain(self, images, targets, method):
        return self.answer(self.copy(), images, targets, method)


class KeepsSilent(Honest):
    """Answers with zeros where there is no gradient."""

    def answer(self, model, images, targets, method):
        try:
            return super().answer(model, images, targets, method)
        except ValueError:
            return SimpleNamespace(
                logits=model(images),
                heatmaps=torch.zeros(len(images), len(targets), len(self.layers), *images.shape[2:]),
            )


class WritesToTheImages(Honest):
    """Hands the caller's own images to the model."""

    def answer(self, model, images, targets, method):
        with torch.no_grad():
            model(images)
        return super().answer(copy.deepcopy(self.model).eval(), images, targets, method)


class TakesAnotherClass(Honest):
    """Explains each class's neighbour."""

    def answer(self, model, images, targets, method):
        return super().answer(model, images, [target + 1 for target in targets], method)


class SharesOneCopy(Honest):
    """Makes one copy for all calls, so that threads meet in it."""

    def copy(self):
        if not hasattr(self, "kept"):
            self.kept = super().copy()
        return self.kept
