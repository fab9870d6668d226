"""A repository as people name it: owner/name, or owner/name@revision."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The Hub's rules: letters, digits, "-", "_", "."; at most 96 characters a part. A part that begins with a dot, or has
# two in a row, would be a path; the Hub has none.
_PART = r"(?!.*(?:\.\.|--))[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REFERENCE = re.compile(rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9_.-]{{0,99}}))?")


@dataclass(frozen=True)
class Reference:
    """A repository on the Hub, at a branch, tag or commit; None: its main branch."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def parse(name: str) -> Reference:
    """The repository of that name. Raises ValueError where no repository can have it."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise ValueError(
            f"expected a repository of the Hub as owner/name or owner/name@revision, got {name[:40]!r}: "
            "copy the name from the repository's page."
        )
    return Reference(match["repo"], match["revision"])
