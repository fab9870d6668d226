"""Numbers formatted as text, the same way on every tab."""

from typing import NamedTuple

EMPTY = "no positive evidence"  # the words for a map without a value above zero


def titled(name: str) -> str:
    """A class's name at the start of a line: "Rudo", "CD player"."""
    return name[:1].upper() + name[1:]


def file_name(name: str) -> str:
    """A model's name as part of a file's: "microsoft-resnet-50"."""
    return "".join(character if character.isalnum() or character in "._-" else "-" for character in name)


def percent(probability: float) -> str:
    """A probability, never “100 %”: a softmax does not reach it."""
    if probability > 0.999:
        return "over 99.9 %"
    if probability < 0.001:
        return "under 0.1 %"
    return share(probability, 1)


def share_or_none(part: float) -> str:
    """A share that may be tiny, at the start of a sentence."""
    if part == 0:
        return "None"
    return "Under 0.1 %" if part < 0.001 else share(part, 1)


def share(part: float, digits: int = 0) -> str:
    """A measured share, “12 %”: unlike a probability it may be 0 % or 100 %."""
    return f"{100 * part:.{digits}f} %"


def signed_share(part: float) -> str:
    """A share that may be negative, "−3 %"."""
    return f"{round(part * 100)} %".replace("-", "−")


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def signed_number(value: float) -> str:
    """Three significant digits and a sign: “+0.00130”, “−8.35e-5”."""
    if value == 0:
        return "0"
    sign = "−" if value < 0 else "+"
    return sign + f"{abs(value):#.3g}".rstrip(".").replace("e-0", "e-").replace("e+0", "e+")


class ScientificNumber(NamedTuple):
    """A number as typeset in a formula: −8.35 × 10⁻⁵ is (True, "8.35", -5)."""

    negative: bool
    digits: str
    exponent: int | None = None


def scientific(value: float) -> ScientificNumber:
    """Three significant digits, with a power of ten for very small and very large numbers."""
    exponent = magnitude(value)
    if -4 < exponent < 4:
        return ScientificNumber(value < 0, f"{abs(value):#.3g}".rstrip("."))
    return with_exponent(value, exponent)


def with_exponent(value: float, exponent: int) -> ScientificNumber:
    """Two decimals and a given power of ten."""
    return ScientificNumber(value < 0, f"{abs(value) / 10**exponent:.2f}", exponent)


def magnitude(value: float) -> int:
    """The power of ten of a number's first digit, after rounding to three."""
    return int(f"{value:.2e}".split("e")[1])


def peak(strongest: float) -> str:
    """A map's strongest evidence in words, since a map alone shows only relative strength."""
    if 100 <= strongest < 1e6:
        return f"peak {float(f'{strongest:.2g}'):.0f}"  # 380, not 3.8e+02
    return f"peak {strongest:.2g}".replace("e-0", "e-") if strongest > 0 else EMPTY


def precise_peak(strongest: float) -> str:
    """The same with three digits, for where the numbers beside it add up to it."""
    return f"peak {signed_number(strongest)}" if strongest > 0 else EMPTY


def duration(milliseconds: float) -> str:
    """A duration in ms, or in s from one second on."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
