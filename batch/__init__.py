"""Many photos: the same explanation for a folder or a data set, to Parquet; on this machine or on Ray Data.

`run(photos, out, Options(...))` is the command line as a function. What needs torch or pyarrow is imported when it is
first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch.maps import enlarge, place
    from batch.options import Options, Pace, Refused, Stopped
    from batch.report import write_report
    from batch.running import run

_LATER = {  # name → where it is
    "Options": "options",
    "Pace": "options",
    "Refused": "options",
    "Stopped": "options",
    "enlarge": "maps",
    "place": "maps",
    "run": "running",
    "write_report": "report",
}

__all__ = ["Options", "Pace", "Refused", "Stopped", "enlarge", "place", "run", "write_report"]


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
