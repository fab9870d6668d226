"""Numbers formatted as text."""

import pytest

from explorer.rendering.wording import duration, peak, share


@pytest.mark.parametrize(("part", "words"), [(0, "0 %"), (0.114, "11 %"), (1, "100 %")])
def test_share_is_rounded_to_whole_percent(part, words):
    assert share(part) == words


@pytest.mark.parametrize(
    ("strongest", "words"),
    [
        (0.4789, "peak 0.48"),
        (0.00000712, "peak 7.1e-6"),
        (384.2, "peak 380"),
        (3.2e7, "peak 3.2e+07"),
        (0, "no positive evidence"),
        (-1, "no positive evidence"),
    ],
)
def test_peak_without_evidence_is_named(strongest, words):
    assert peak(strongest) == words


@pytest.mark.parametrize(("taken", "words"), [(0.4, "0 ms"), (87.6, "88 ms"), (999, "999 ms"), (1234, "1.2 s")])
def test_duration_has_a_unit(taken, words):
    assert duration(taken) == words
