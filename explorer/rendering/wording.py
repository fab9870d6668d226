"""Numbers in words, the same on every tab."""


def percent(probability: float) -> str:
    """Never “100 %”: a softmax does not reach it."""
    if probability > 0.999:
        return "over 99.9 %"
    if probability < 0.001:
        return "under 0.1 %"
    return f"{probability:.1%}".replace("%", " %")
