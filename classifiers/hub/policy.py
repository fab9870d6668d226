"""What a server allows of the Hub, and the sentence for a repository that it does not open."""

from __future__ import annotations

from dataclasses import dataclass

CHOOSE_ANOTHER = "choose another repository"


@dataclass(frozen=True)
class HubPolicy:
    """What may be loaded from the Hub, and how much of it is kept."""

    enabled: bool = True
    limit_bytes: int = 10**9  # of the files of one repository that are needed
    allow_private: bool = False  # whether gated and private repositories are asked for with the server's HF_TOKEN
    kept_bytes: int = 4 * 10**9  # of networks in memory


class RepositoryError(ValueError):
    """A repository cannot be used as a classifier.

    `fault` says in a clause what is wrong ("it has no weights as safetensors"); the message adds what to do.
    """

    def __init__(self, repository: str, fault: str, remedy: str = CHOOSE_ANOTHER) -> None:
        super().__init__(f"{repository} cannot be used as a classifier: {fault}{remedy and f'; {remedy}'}.")
        self.repository, self.fault = repository, fault


class Unusable(ValueError):  # noqa: N818 (a fault whose repository is added by the caller)
    """A clause on what is wrong with a repository, and one on what to do; `loading` makes a RepositoryError of it."""

    def __init__(self, fault: str, remedy: str = CHOOSE_ANOTHER) -> None:
        super().__init__(fault)
        self.fault, self.remedy = fault, remedy


def first_clause(error: BaseException) -> str:
    """The beginning of a library's message, short enough for a sentence of ours."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "no more is known")
    return line.split(". ")[0].rstrip(".")[:160]


def gigabytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 10**9:.3g} GB" if count >= 10**8 else f"{count / 10**6:.3g} MB"
