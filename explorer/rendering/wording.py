"""Numbers in words, the same on every tab."""

from typing import NamedTuple

EMPTY = "no positive evidence"  # what is said of a map with nothing above zero


def percent(probability: float) -> str:
    """Never “100 %”: a softmax does not reach it."""
    if probability > 0.999:
        return "over 99.9 %"
    if probability < 0.001:
        return "under 0.1 %"
    return share(probability, 1)


def share_or_none(part: float) -> str:
    """A share that may well be tiny, as the first words of a sentence."""
    return "None" if part == 0 else "Under 0.1 %" if part < 0.001 else share(part, 1)


def share(part: float, digits: int = 0) -> str:
    """A measured share, “12 %”: unlike a probability it may well be 0 % or 100 %."""
    return f"{100 * part:.{digits}f} %"


def signed_share(part: float) -> str:
    """A share that may be negative, "−3 %"."""
    return f"{round(part * 100)} %".replace("-", "−")


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def signed_number(value: float) -> str:
    """Three digits and a sign: “+0.00130”, “−8.35e-5”."""
    if value == 0:
        return "0"
    sign = "−" if value < 0 else "+"
    return sign + f"{abs(value):#.3g}".rstrip(".").replace("e-0", "e-").replace("e+0", "e+")


class ScientificNumber(NamedTuple):
    """A number as a formula sets it: −8.35 × 10⁻⁵ is (True, "8.35", -5)."""

    negative: bool
    digits: str
    exponent: int | None = None


def scientific(value: float) -> ScientificNumber:
    """Three digits, as a power of ten where zeros would crowd them out."""
    exponent = magnitude(value)
    if -4 < exponent < 4:
        return ScientificNumber(value < 0, f"{abs(value):#.3g}".rstrip("."))
    return with_exponent(value, exponent)


def with_exponent(value: float, exponent: int) -> ScientificNumber:
    """Two decimals before a power of ten that is given."""
    return ScientificNumber(value < 0, f"{abs(value) / 10**exponent:.2f}", exponent)


def magnitude(value: float) -> int:
    """The power of ten of a number's first digit, once it is rounded to three."""
    return int(f"{value:.2e}".split("e")[1])


def peak(strongest: float) -> str:
    """The strongest evidence of a map: a map is never only a colour."""
    return f"peak {strongest:.2g}".replace("e-0", "e-") if strongest > 0 else EMPTY


def precise_peak(strongest: float) -> str:
    """The same in three digits, for where it is recomputed by the numbers beside it."""
    return f"peak {signed_number(strongest)}" if strongest > 0 else EMPTY


def duration(milliseconds: float) -> str:
    """How long something took."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
