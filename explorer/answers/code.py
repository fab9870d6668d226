"""Which code made an answer: a digest of the files that it rests on."""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
EVERYTHING = (  # what any answer rests on; patterns of files
    "gradcam/*.py",
    "classifiers/preprocessing.py",
    "classifiers/photos/*.py",
    "classifiers/imagenet/*.py",
    "potplants/networks.py",
    "explorer/photos/masks.py",
)


@cache
def code_digest(*patterns: str, root: Path = ROOT) -> str:
    """The SHA-256 over EVERYTHING and the files of these patterns: their lines but empty ones and comments.

    Of lines, not of syntax trees: these differ between versions of Python. Raises FileNotFoundError for a pattern that
    no file matches.
    """
    digest = hashlib.sha256()
    for pattern in (*EVERYTHING, *patterns):
        files = sorted(root.glob(pattern))
        if not files:
            raise FileNotFoundError(f"no file is called {pattern}")
        for file in files:
            lines = (line.strip() for line in file.read_text("utf-8").splitlines())
            code = "\n".join(line for line in lines if line and not line.startswith("#"))
            digest.update(f"{file.relative_to(root).as_posix()}\n{code}\n".encode())
    return digest.hexdigest()
