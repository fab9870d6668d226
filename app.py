"""The command line: validates arguments and environment, then starts the page. Torch and Gradio are imported last."""

import argparse
import io
import re
import sys
from pathlib import Path
from typing import NoReturn

import potplants
from explorer.server import environment, shutdown, sockets


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence and status 2, instead of the usage and a sentence."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help lists the arguments.\n")


def create_parser() -> Parser:
    parser = Parser(description="See where an image classifier looks: Grad-CAM for every class at every layer.")
    parser.add_argument("--host", help="address to serve on (default: $GRADIO_SERVER_NAME, else 127.0.0.1)")
    parser.add_argument(
        "--port", help="port, 0 for any that is free (default: $GRADIO_SERVER_PORT, else the first free one from 7860)"
    )
    parser.add_argument("--share", action="store_true", help="also make a public link")
    parser.add_argument(
        "--model",
        default="auto",
        choices=["auto", *potplants.MODELS],
        help="who speaks first (default: auto, the Hub's classifier if it can be had, else the embedded one)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="photos of your own: DIR/test/0_*.jpg is Rudo, 1_ Baya, 2_ Greg, 3_ Yuki",
    )
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        help="where the models compute: cpu, cuda or mps (default: auto, cuda or else mps if it is there, else cpu)",
    )
    return parser


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|(cuda|mps)(:\d{1,3})?", name, re.ASCII):
        raise argparse.ArgumentTypeError("it is cpu, cuda, mps or auto")
    return name


def main() -> None:
    shutdown.on_request()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack letters of a folder's name
    parser = create_parser()
    args = parser.parse_args()
    try:
        environment.validate()
        place = sockets.reserve(args.host, args.port)
        from explorer.photos import examples
        from explorer.server import run_directory

        photos = examples.from_folder(args.data) if args.data else examples.embedded()
        with shutdown.postponed():
            run_directory.create()
        from explorer.explanation.device import Device

        device = Device(args.device)
        choice = potplants.choose(args.model)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    from explorer import startup

    startup.run(choice, device, photos, place, args.share)


if __name__ == "__main__":
    main()
