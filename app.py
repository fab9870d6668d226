"""Parse the command line, start the page; nothing else."""

import argparse
import sys
from pathlib import Path

import potplants
from explorer import ending, examples, folder, startup
from explorer.study import Studies


def parser():
    told = argparse.ArgumentParser(
        description="See where an image classifier looks: Grad-CAM for every class at every layer."
    )
    told.add_argument("--host", help="address to serve on (default: $GRADIO_SERVER_NAME, else 127.0.0.1)")
    told.add_argument("--port", type=int, help="port (default: $GRADIO_SERVER_PORT, else the first free one from 7860)")
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
        "--device", default="auto", help="where the models compute: cpu, cuda or mps (default: auto, cuda or else mps if it is there, else cpu)"
    )
    return told


@ending.on_request()
def main():
    sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold letters that this terminal has not
    told = parser()
    asked = told.parse_args()
    try:
        folder.move_in()
        studies = Studies(asked.device)
        shown = examples.from_folder(asked.data) if asked.data else examples.embedded()
        choice = potplants.choose(asked.model)
    except ValueError as error:
        told.error(str(error))
    from explorer.page import build, serve  # after moving in: Gradio looks up where to write when it is imported

    studies.device.settle(choice.name)
    startup.look_ahead(studies, shown, choice.name)
    print(startup.log(choice, shown, studies.device), flush=True)
    serve(build(choice, shown, studies), shown, asked.host, asked.port, asked.share)


if __name__ == "__main__":
    main()
