"""Answers as files: what was kept comes back, its maps up to the rounding that the picture costs."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from explorer.answers.files import Codec, file_of, read, write


@dataclass(frozen=True)
class Inner:
    name: str
    value: float | None


@dataclass(frozen=True)
class Outer:
    heat: torch.Tensor | None
    grid: np.ndarray
    inner: tuple[Inner, ...]
    shares: dict[str, float]
    friend: "Friend"
    flags: tuple[bool, ...] = field(default=(True, False))


@dataclass(frozen=True)
class Friend:
    key: str


ADA = Friend("ada")
CODEC = Codec((Inner, Outer), {Friend: ("key", {"ada": ADA})})


def bump(side=64):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.exp(-((x - 20.0) ** 2 + (y - 40.0) ** 2) / 200) * 0.00731


def test_an_answer_comes_back(tmp_path):
    inner = (Inner("one", 0.1 + 0.2), Inner("two", None), Inner("three", math.nan))
    value = Outer(bump(), np.zeros((8, 8), np.float32), inner, {"pot": 1 / 3}, ADA)
    file = file_of("kind", ("key", 1), tmp_path)
    assert read(file, CODEC) is None
    write(file, {"photo": "a"}, CODEC, value)
    back = read(file, CODEC)
    assert back.inner[:2] == inner[:2] and math.isnan(back.inner[2].value)
    assert back.shares == value.shares and back.friend is ADA and back.flags == (True, False)
    assert back.grid.dtype == np.float32 and not back.grid.any()
    assert back.heat.dtype == torch.float32 and back.heat.max() == value.heat.max()
    assert (back.heat - value.heat).abs().max() <= 12 / 255 * value.heat.max()
    assert (back.heat - value.heat).abs().mean() <= 1 / 255 * value.heat.max()
    assert file.stat().st_size < 4000


def test_the_same_answer_is_the_same_bytes(tmp_path):
    files = [tmp_path / name for name in ("one.zip", "two.zip")]
    for file in files:
        write(file, {}, CODEC, (bump(), {"a": 1}))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_key_is_another_file(tmp_path):
    names = {file_of(*asked, tmp_path) for asked in (("a", ("x",)), ("b", ("x",)), ("a", ("y",)), ("a", ("x", "y")))}
    assert len(names) == 4


@pytest.mark.parametrize("values", [torch.tensor([[float("nan")]]), torch.tensor([[-1.0]])])
def test_only_evidence_can_be_kept(tmp_path, values):
    with pytest.raises(ValueError, match="finite evidence"):
        write(tmp_path / "a.zip", {}, CODEC, values)


def test_other_types_are_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot hold set"):
        write(tmp_path / "a.zip", {}, CODEC, {1, 2})
