"""Parse the command line, start the page; nothing else. Torch and Gradio are imported once the arguments have been judged."""

import argparse
import re
import sys
from pathlib import Path

import potplants
from explorer.server import environment, sockets
from explorer.server import shutdown as ending


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One sentence and status 2, in place of the usage and a sentence."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help lists the arguments.\n")


def parser() -> Parser:
    told = Parser(description="See where an image classifier looks: Grad-CAM for every class at every layer.")
    told.add_argument("--host", help="address to serve on (default: $GRADIO_SERVER_NAME, else 127.0.0.1)")
    told.add_argument(
        "--port", help="port, 0 for any that is free (default: $GRADIO_SERVER_PORT, else the first free one from 7860)"
    )
    told.add_argument("--share", action="store_true", help="also make a public link")
    told.add_argument(
        "--model",
        default="auto",
        choices=["auto", *potplants.MODELS],
        help="who speaks first (default: auto, the Hub's classifier if it can be had, else the embedded one)",
    )
    told.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="photos of your own: DIR/test/0_*.jpg is Rudo, 1_ Baya, 2_ Greg, 3_ Yuki",
    )
    told.add_argument(
        "--device",
        type=_device,
        default="auto",
        help="where the models compute: cpu, cuda or mps (default: auto, cuda or else mps if it is there, else cpu)",
    )
    return told


def _device(name):
    if not re.fullmatch(r"auto|cpu|(cuda|mps)(:\d{1,3})?", name, re.ASCII):
        raise argparse.ArgumentTypeError("it is cpu, cuda, mps or auto")
    return name


def main():
    ending.on_request()
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may have letters that the terminal has not
    told = parser()
    asked = told.parse_args()
    try:
        environment.validate()
        place = sockets.reserve(asked.host, asked.port)
        from explorer.photos import examples
        from explorer.server import run_directory as folder

        shown = examples.from_folder(asked.data) if asked.data else examples.embedded()
        with ending.postponed():
            folder.create()
        from explorer.explanation.device import Device

        device = Device(asked.device)
        choice = potplants.choose(asked.model)
    except ValueError as error:
        told.exit(2, f"{told.prog}: {error}\n")
    from explorer import startup

    startup.run(choice, device, shown, place, asked.share)


if __name__ == "__main__":
    main()
