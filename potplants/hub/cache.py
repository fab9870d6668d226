"""Files in the local cache of `huggingface_hub`: looking them up and deleting them."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from potplants.catalogue import HubFile


def cached(file: HubFile) -> Path | None:
    """The file's path in the cache, or None. A newer revision is not looked for: these weights are published."""
    try:
        path = try_to_load_from_cache(file.repo, file.path, revision=file.revision)
    except (OSError, ValueError):  # an unreadable or damaged cache has no usable file; the download will say why
        return None
    return Path(path) if isinstance(path, str) else None  # it may also be a note that the Hub had no such file


def evict(file: HubFile) -> None:
    """Delete the cached copy, if any, so that the next `fetch` downloads it again."""
    path = cached(file)
    if path is not None:
        delete(path)


def delete(path: Path) -> None:
    """Delete a cached file: both the named link and its target. If the target remained, it would be linked again."""
    target = path.parent / path.readlink() if path.is_symlink() else path
    for entry in (path, target):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def delete_partial_downloads(path: Path) -> None:
    """Delete what killed downloads left of this file: the library names each part anew and never reuses old ones."""
    target = path.resolve()
    for part in target.parent.glob(f"{target.name}.*.incomplete"):
        part.unlink(missing_ok=True)
