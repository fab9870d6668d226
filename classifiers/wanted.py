"""What the command line may ask for as a classifier, told apart without importing torch."""

import os
import re
from pathlib import Path

import potplants

AUTO = "auto"
BUILT_IN = (*potplants.MODELS, "imagenet")  # as `catalogue.names`, which a test holds
_FOLDER = re.compile(r"(\.{0,2}|~\w*|[A-Za-z]:)[/\\].*|~|\.{1,2}", re.DOTALL)  # ./name, ../name, /name, ~/name, C:\name
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", re.ASCII)  # strictly: `hub.reference`


def folder_of(name: str) -> Path | None:
    """The folder that a name stands for; None for another kind of name: no repository of the Hub begins so."""
    return Path(os.path.expanduser(name)) if _FOLDER.fullmatch(name) else None  # noqa: PTH111 (Path's raises)


def checked(name: str) -> str:
    """The name, if a classifier may be asked for by it. Raises ValueError with a clause on what may."""
    folder = folder_of(name)
    if folder is not None:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {str(folder)!r}")
        return name
    if name == AUTO or name in BUILT_IN or _REPOSITORY.fullmatch(name):
        return name
    raise ValueError(
        f"there is no model {name[:100]!r}: choose auto, {', '.join(BUILT_IN)}, a repository of the Hub as owner/name, "
        "or a folder as ./name"
    )
