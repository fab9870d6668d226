"""What is said of each row of the table: the comparison's verdict, and of CAM where it can read this network."""

from explorer.explanation.cam_layer import CAM, readable_layer

from .methods import Comparison, Row, Verdict


def verdict(comparison: Comparison, row: Row) -> Verdict:
    """`Comparison.verdict`; but a network that CAM reads at another layer is not one that CAM is not for."""
    if row.name != CAM or row.state != "refused":
        return comparison.verdict(row)
    tested = comparison.tested
    readable = readable_layer(tested.model, tested.model.network)
    if readable is None:
        return comparison.verdict(row)
    return Verdict(
        "refused",
        f"Not at this layer: here every method is measured at {tested.column} ({tested.layer}), and CAM needs the last "
        f"maps before the average, those of {readable.name}. Explain shows its map there.",
    )
