"""The command line: validates arguments and environment, then starts the page. Torch and Gradio are imported last."""

import argparse
import io
import os
import re
import sys
from typing import NoReturn

from classifiers import wanted
from explorer.server import environment, lean_gradio, shutdown, sockets

UNITS = {"MB": 10**6, "GB": 10**9}
MOST_BYTES = 10**12


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
        type=_model,
        default=wanted.AUTO,
        help=f"who speaks first: {', '.join(wanted.BUILT_IN)}, a repository of the Hub as owner/name or "
        "owner/name@revision, or a folder of this machine as ./name (default: auto, the article's classifier if it can "
        "be had and knows the photos, else the embedded one)",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="photos of your own: DIR/test/0_*.jpg is Rudo, 1_ Baya, 2_ Greg, 3_ Yuki; or a folder for each class, "
        "DIR/CLASS/*.jpg; or kaggle, which fetches the article's",
    )
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        help="where the models compute: cpu, cuda or mps (default: auto, cuda or else mps if it is there, else cpu)",
    )
    _add_hub_arguments(parser)
    return parser


def _add_hub_arguments(parser: Parser):
    parser.add_argument("--no-hub", action="store_true", help="ask the Hub for nothing; what is in its cache is used")
    parser.add_argument(
        "--hub-limit",
        type=_size,
        default="1GB",
        metavar="SIZE",
        help="the largest repository of the Hub that is loaded, such as 500MB or 2GB (default: 1GB)",
    )
    parser.add_argument(
        "--allow-private",
        action="store_true",
        help="ask for gated and private repositories with this server's HF_TOKEN, on behalf of every visitor",
    )


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|(cuda|mps)(:\d{1,3})?", name, re.ASCII):
        raise argparse.ArgumentTypeError("it is cpu, cuda, mps or auto")
    return name


def _model(name: str) -> str:
    try:
        return wanted.checked(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?(MB|GB)", text.strip(), re.ASCII | re.IGNORECASE)
    count = round(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if not UNITS["MB"] <= count <= MOST_BYTES:
        raise argparse.ArgumentTypeError("it is a size from 1MB to 1000GB, such as 500MB or 2GB")
    return count


def main() -> None:
    shutdown.on_request()
    lean_gradio.skip_interface_files()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack letters of a folder's name
    parser = create_parser()
    args = parser.parse_args()
    try:
        environment.validate()
        place = sockets.reserve(args.host, args.port)
        from explorer.server import run_directory

        photos = _photos(args.data)
        with shutdown.postponed():
            run_directory.create()
        if args.no_hub:
            os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it when it is imported
        from explorer.explanation.device import Device

        device = Device(args.device)
        choice = _choice(args, photos)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    from explorer import startup

    startup.run(choice, device, photos, place, args.share)


def _photos(data: str | None):
    """The example photos. Raises ValueError."""
    from explorer.photos import examples, kaggle

    if data is None:
        return examples.embedded()
    if not data.startswith("kaggle") or not kaggle.ARGUMENT.fullmatch(data):
        return examples.from_folder(data)
    print(f"Fetching the {kaggle.CREDIT}, from Kaggle or its cache", flush=True)
    return kaggle.examples(data)


def _choice(args: argparse.Namespace, photos):
    """The classifier that speaks first, loaded as the arguments allow. Raises ValueError."""
    import classifiers
    from classifiers import hub

    hub.use(hub.HubPolicy(not args.no_hub, args.hub_limit, args.allow_private))
    val = photos.splits.get("val", ()) if photos.rendered else ()
    rendered = [(photo.file, photo.really) for photo in val]
    told = None if args.model in (wanted.AUTO, *wanted.BUILT_IN) or sys.stderr.isatty() else _Told(args.model)
    return classifiers.choose(args.model, rendered, told)


class _Told:
    """Tells the log how much of a repository has come, a line for each quarter; a terminal has the library's bar."""

    def __init__(self, name: str):
        self._name, self._quarters = name, -1

    def __call__(self, fraction: float):
        quarters = int(4 * fraction)
        if quarters > self._quarters:
            self._quarters = quarters
            print(f"Fetching {self._name}: {quarters * 25} %", flush=True)


if __name__ == "__main__":
    main()
