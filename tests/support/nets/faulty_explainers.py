"""Explainers that prove that the checks can fail: a correct reference, slow and simple, and others with one fault."""

import copy
from types import SimpleNamespace

import torch

from .oracle import plain_maps


class Correct:
    """Explains a deep copy in eval mode by plain loops; random numbers come from a fork of the caller's state."""

    def __init__(self, model, layers, reshape=None):
        self.model, self.layers, self.reshape = model, layers, reshape

    def explain(self, images, targets, method):
        with torch.random.fork_rng(devices=[]):
            return self.explain_copy(self.copy(), images, targets, method)

    def copy(self):
        return copy.deepcopy(self.model).eval()

    def explain_copy(self, model, images, targets, method):
        try:
            plain = plain_maps(model, self.layers, images, targets, self.reshape)
        except RuntimeError as error:
            raise ValueError("expected a layer on which the target depends: there is no gradient") from error
        return SimpleNamespace(logits=plain.outputs, heatmaps=plain.maps[method])


class SharesBuffers(Correct):
    """Copies parameters and shares buffers with the original."""

    def copy(self):
        return copy.deepcopy(self.model, {id(buffer): buffer for buffer in self.model.buffers()}).eval()


class SharesLists(Correct):
    """Copies modules and tensors, and shares plain containers."""

    def copy(self):
        plain = [value for value in vars(self.model).values() if type(value) in (list, dict)]
        return copy.deepcopy(
            self.model, {id(value): value for value in plain if value not in vars(torch.nn.Module()).values()}
        ).eval()


class InTrainingMode(Correct):
    """Does not switch to eval mode."""

    def copy(self):
        return copy.deepcopy(self.model).train()


class RunsTheModelItself(Correct):
    """Makes no copy, and restores the mode of the top module only."""

    def explain(self, images, targets, method):
        mode = self.model.training
        try:
            return super().explain(images, targets, method)
        finally:
            self.model.train(mode)

    def copy(self):
        return self.model.eval()


class SplitsTheBatch(Correct):
    """Explains four images at a time."""

    def explain_copy(self, model, images, targets, method):
        results = [
            super(SplitsTheBatch, self).explain_copy(copy.deepcopy(model), part, targets, method)
            for part in images.split(4)
        ]
        return SimpleNamespace(
            logits=torch.cat([one.logits for one in results]), heatmaps=torch.cat([one.heatmaps for one in results])
        )


class UsesGlobalRandomState(Correct):
    """Lets the model draw from the process-wide random state."""

    def explain(self, images, targets, method):
        return self.explain_copy(self.copy(), images, targets, method)


class ReturnsZerosWithoutGradient(Correct):
    """Returns zeros where there is no gradient."""

    def explain_copy(self, model, images, targets, method):
        try:
            return super().explain_copy(model, images, targets, method)
        except ValueError:
            return SimpleNamespace(
                logits=model(images),
                heatmaps=torch.zeros(len(images), len(targets), len(self.layers), *images.shape[2:]),
            )


class PassesTheCallersImages(Correct):
    """Passes the caller's images to the model without a copy."""

    def explain_copy(self, model, images, targets, method):
        with torch.no_grad():
            model(images)
        return super().explain_copy(copy.deepcopy(self.model).eval(), images, targets, method)


class ExplainsTheNextClass(Correct):
    """Explains the class after the one that was requested."""

    def explain_copy(self, model, images, targets, method):
        return super().explain_copy(model, images, [target + 1 for target in targets], method)


class SharesOneCopy(Correct):
    """Makes one copy for all calls, which threads then share."""

    def copy(self):
        if not hasattr(self, "shared"):
            self.shared = super().copy()
        return self.shared
