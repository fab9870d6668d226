"""What is said of CAM where it can read this network, though not at the layer that is tested; else what the checks say.

The checks call a method that cannot read their layer unfit for the network, which Explain's map by CAM would belie.
"""

from explorer.explanation.cam_layer import CAM, readable_layer

from .map_under_test import MapUnderTest
from .methods import Comparison, Row, Verdict
from .sanity_check import SanityCheck


def verdict(comparison: Comparison, row: Row) -> Verdict:
    """On a row of the table."""
    elsewhere = _elsewhere(comparison.tested) if row.name == CAM and row.state == "refused" else ""
    return Verdict("refused", f"Not at this layer: {elsewhere}") if elsewhere else comparison.verdict(row)


def sanity_sentence(sanity: SanityCheck, tested: MapUnderTest) -> str:
    """On the sanity check."""
    elsewhere = _elsewhere(tested) if sanity.method == CAM and not sanity.steps else ""
    return f"Cannot tell: {elsewhere}" if elsewhere else sanity.sentence


def _elsewhere(tested):
    """Where CAM reads the network; "" if nowhere, or at the layer that is tested."""
    readable = readable_layer(tested.model, tested.model.network)
    if readable is None or readable.name == tested.layer:
        return ""
    return (
        f"here every method is measured at {tested.column} ({tested.layer}), and CAM needs the last maps before the "
        f"average, those of {readable.name}. Explain shows its map there."
    )
