"""What Gradio does for others and the app has no use for: interface files for editors, matplotlib."""

import sys
from contextlib import nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

WRITER = "gradio.component_meta"


def skip_interface_files():
    """To be called before Gradio is imported, which then writes no .pyi file beside each of its components.

    It renders each of sixty with a template of its own, to find that nothing has changed: a fourth of a start.
    """
    if WRITER not in sys.modules:
        sys.meta_path.insert(0, _WithoutWriter())


def skip_matplotlib():
    """Nothing here is drawn with it. Gradio imports it at the first event where it is installed, and so for 0.7 s
    answers nobody."""
    from gradio import utils

    utils.MatplotlibBackendMananger = nullcontext


class _WithoutWriter(MetaPathFinder):
    """Finds the module that writes interface files, once, and takes its writer away."""

    def find_spec(self, fullname, path, target=None):
        if fullname != WRITER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _then(spec.loader.exec_module, _without_writer)
        return spec


def _without_writer(module):
    module.create_or_modify_pyi = lambda *_: None


def _then(load, change):
    def loaded(module):
        load(module)
        change(module)

    return loaded
