"""Where did it look, in many photos: rows of figures and maps as Parquet.

python -m batch PHOTOS... --out DIR [--model NAME] [--targets predicted|top5|all|NAME,NAME]
python -m batch report DIR
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from .options import Options, Pace, Refused, Stopped

WHAT = "Where did it look, in many photos: rows of figures and maps as Parquet."
EXIT = "Exit code: 0 all photos done, 2 refused, 3 stopped and can go on, 130 and 143 after Ctrl-C and SIGTERM."


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        if arguments[:1] == ["report"] and len(arguments) == 2:
            from .report import write_report

            print(write_report(arguments[1]))
            return 0
        return _run(_parser().parse_args(arguments))
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    except Stopped as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("Stopped before the first photo.", file=sys.stderr)
        return 130


def _run(given):
    from .running import run

    def chosen(kind):
        return kind(**{field.name: getattr(given, field.name) for field in dataclasses.fields(kind)})

    count = run(given.photos, given.out, chosen(Options), chosen(Pace))
    print(f"{count:,} photos are explained in {given.out}; {given.out}/report.html shows what came out.")
    return 0


def _parser():
    parser = argparse.ArgumentParser("python -m batch", description=WHAT, epilog=EXIT)
    parser.add_argument("photos", nargs="+", help="folders, photos, globs, lists of paths (.txt), .tar, .parquet")
    parser.add_argument("--out", required=True, help="the folder of the run; started again it goes on")
    parser.add_argument("--model", default=Options.model, help="of the catalogue, owner/name of the Hub, or a folder")
    parser.add_argument("--method", default=Options.method, help="a CAM method (default: %(default)s)")
    parser.add_argument("--targets", default=Options.targets, help="predicted, top5, all, or names of classes: a,b")
    parser.add_argument("--layers", default=Options.layers, help="names, or all (default: the deepest)")
    parser.add_argument("--truth", default=Options.truth, help="folders, or a CSV with file and class: an audit")
    parser.add_argument("--column", default=Options.column, help="of Parquet files, with the photos' bytes")
    parser.add_argument("--overlays", action="store_true", help="write each heatmap as a JPEG over its photo, too")
    parser.add_argument("--engine", choices=["local", "ray"], default=Pace.engine)
    parser.add_argument("--workers", type=_number(0), default=Pace.workers, help="processes (default: one a core)")
    parser.add_argument("--threads", type=_number(1), default=Pace.threads, help="of torch in each worker")
    parser.add_argument("--batch-size", type=_number(1), default=Pace.batch_size, help="photos in a forward pass")
    parser.add_argument("--shard-rows", type=_number(1), default=Pace.shard_rows, help="rows of a part-*.parquet")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default=Pace.device)
    parser.add_argument("--address", default=Pace.address, help="of a Ray cluster that runs already")
    return parser


def _number(least):
    def number(text):
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
