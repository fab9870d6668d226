"""Trains an embedded classifier over several seeds, ships one by a rule fixed beforehand, and reports its accuracy.

    python -m potplants.training embedded --train data/train --keep-all
    python -m potplants.training debiased --train data/train_any
    python -m potplants.training embedded_gap --train data/train

The rule, fixed before any heatmap was computed: every seed is trained by the same recipe; the seed whose accuracy on
the test split is the median of all seeds is shipped (in case of a tie, the smallest seed). No seed is left out.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

from potplants.augmentation import Pots, random_affine, random_flip, random_lighting
from potplants.catalogue import CLASSES, MODELS, Model
from potplants.dataset import as_input, load_pixels
from potplants.layout import photos
from potplants.seeds import seed_file
from potplants.weights import sha256

RULE = "median test accuracy over all seeds, of equals the smallest seed; fixed before looking at heatmaps"
EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True)
class Stage:
    epochs: int
    side: int | None = None  # of the photos; None: the model's own
    folders: tuple[int, ...] = (0,)  # indices into the folders on the command line


@dataclass(frozen=True)
class Recipe:
    stages: tuple[Stage, ...] = (Stage(20),)
    batch: int = 32
    learning_rate: float = 1e-3
    # with a constant rate the last steps decide: val .82 to .96 over five seeds, 10 epochs
    schedule: str = "cosine to zero"
    optimiser: str = "Adam"
    augmentation: tuple[str, ...] = ("horizontal flip",)
    # for each folder, the probability that a photo's pot gets a random colour, drawn again in every epoch
    repainted: tuple[float, ...] = (0.0,)

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)


AUGMENTATIONS = {
    "horizontal flip": random_flip,
    "shift, zoom, turn": random_affine,
    "brightness, contrast, tint": random_lighting,
}
RECIPES = {
    "embedded": Recipe(),
    # Renders with pots of any colour, most of them repainted as well. Repainting photos of pots in their class's own
    # colour would double the data, but each keeps the light that the original pot reflects onto leaves and table, and
    # with it the class.
    "debiased": Recipe((Stage(44),), augmentation=tuple(AUGMENTATIONS), repainted=(0.7,)),
    # Without pooling, an epoch at 256 takes sixteen times one at 64: it is trained on small photos and finished at its
    # own size. It also learns slowly: 30 + 4 + 1 epochs at a rate of 0.001 left it at 72 % on val.
    "embedded_gap": Recipe((Stage(100, side=64), Stage(6, side=128), Stage(1)), learning_rate=4e-3),
}


@dataclass(frozen=True)
class Split:
    pixels: Tensor  # uint8 [M, 3, S, S]
    labels: Tensor  # int64 [M]
    masks: tuple[Path, ...] = ()  # M files, used where a recipe repaints
    folder: Tensor | None = None  # int64 [M], the index of each photo's folder if there are several


def concatenate(splits: list[Split]) -> Split:
    """Several folders as one split, with the folder of each photo."""
    return Split(
        torch.cat([split.pixels for split in splits]),
        torch.cat([split.labels for split in splits]),
        tuple(mask for split in splits for mask in split.masks),
        torch.cat([torch.full_like(split.labels, number) for number, split in enumerate(splits)]),
    )


def read_split(folder, size: int) -> Split:
    labelled = photos(folder)
    masks = tuple(file.with_suffix(".png") for file in labelled.files)
    return Split(load_pixels(labelled.files, size), torch.tensor(labelled.labels), masks)


def train(network: nn.Module, split: Split, recipe: Recipe, seed: int) -> nn.Module:
    """Train in place from the network's present weights; the same seed gives the same order, augmentation, dropout."""
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    pots = Pots(split.pixels, split.masks) if any(recipe.repainted) else None
    network.train()
    for stage in chain.from_iterable(repeat(stage, stage.epochs) for stage in recipe.stages):
        for batch in _shuffled(split, stage).split(recipe.batch):
            images = _augmented(split, batch, recipe, pots, stage.side)
            optimiser.zero_grad()
            F.cross_entropy(network(images), split.labels[batch]).backward()
            optimiser.step()
        schedule.step()
    return network.eval()


def _shuffled(split: Split, stage: Stage) -> Tensor:
    """The indices of the stage's photos in random order."""
    order = torch.randperm(len(split.labels))
    return order if split.folder is None else order[torch.isin(split.folder[order], torch.tensor(stage.folders))]


def _augmented(split: Split, batch: Tensor, recipe: Recipe, pots: Pots | None, side: int | None) -> Tensor:
    """The photos with indices `batch` as the input of one training step: [B, 3, side, side]."""
    images = as_input(split.pixels[batch])
    if pots:
        assert split.folder is not None  # `concatenate` sets it, and only its splits are repainted
        images = pots.repaint(images, batch, torch.tensor(recipe.repainted)[split.folder[batch]])
    if side:
        images = F.interpolate(images, size=(side, side), mode="area")
    for augmentation in recipe.augmentation:
        images = AUGMENTATIONS[augmentation](images)
    return images


def predict(network: nn.Module, split: Split) -> Tensor:
    """The predicted class of every photo of the split: int64 [M]."""
    with torch.inference_mode():
        return torch.cat([network(as_input(part)).argmax(1) for part in split.pixels.split(32)])


def confusion(labels: Tensor, predicted: Tensor) -> list[list[int]]:
    """Row: true class; column: predicted class. [N, N] counts."""
    counts = torch.zeros(len(CLASSES), len(CLASSES), dtype=torch.int64)
    return counts.index_put_((labels, predicted), torch.tensor(1), accumulate=True).tolist()


def evaluate(network: nn.Module, splits: dict[str, Split]) -> dict:
    """Accuracy and confusion matrix on every split."""
    results = {}
    for name, split in splits.items():
        predicted = predict(network, split)
        results[name] = {
            "accuracy": round((predicted == split.labels).float().mean().item(), 4),
            "confusion": confusion(split.labels, predicted),
        }
    return results


def to_float16(network: nn.Module) -> dict[str, Tensor]:
    """The weights as stored in the file: half the size, and what every accuracy is measured with."""
    return {name: value.half() for name, value in network.state_dict().items()}


def median_seed(runs: list[dict]) -> int:
    """The seed to ship, by the rule in the module's docstring."""
    by_accuracy = sorted(runs, key=lambda run: run["test"]["accuracy"])
    median = by_accuracy[(len(by_accuracy) - 1) // 2]["test"]["accuracy"]
    return min(run["seed"] for run in runs if run["test"]["accuracy"] == median)


def train_seed(
    model: Model, split: Split, splits: dict[str, Split], recipe: Recipe, seed: int
) -> tuple[dict, dict[str, Tensor]]:
    """The results of one seed, evaluated on `splits`, and its weights as stored."""
    started = time.monotonic()
    torch.manual_seed(seed)
    network = train(model.network(), split, recipe, seed)
    stored = to_float16(network)
    network.load_state_dict(stored)  # back to float32, rounded as shipped
    run = {"seed": seed, "seconds": round(time.monotonic() - started), **evaluate(network, splits)}
    _print(f"seed {seed}: val {run['val']['accuracy']:.3f}, test {run['test']['accuracy']:.3f}, {run['seconds']} s")
    return run, stored


def write_report(
    model: Model, file: Path, folders: list[Path], photo_count: int, runs: list[dict], shipped: int
) -> None:
    """The JSON file beside the weights: the recipe, the rule, and the results of every seed."""
    recipe = RECIPES[model.name]
    report = {
        "model": model.name,
        "weights": {
            "file": file.name,
            "sha256": sha256(file),
            "bytes": file.stat().st_size,
            "stored": "float16",
            "computed": "float32",
        },
        "trained on": {
            "folders": [folder.name for folder in folders],
            "photos": photo_count,
            "size": model.size,
            "epochs": recipe.epochs,
            **asdict(recipe),
        },
        "rule": RULE,
        "shipped seed": shipped,
        "classes": CLASSES,
        "runs": runs,
    }
    file.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", choices=list(RECIPES))
    parser.add_argument(
        "--train", required=True, type=Path, nargs="+", help="the folders of the recipe, e.g. data/train"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--keep-all", action="store_true", help="keep the other seeds' weights beside the shipped ones")
    args = parser.parse_args()
    folders = len(RECIPES[args.model].repainted)
    if len(args.train) != folders:
        parser.error(f"{args.model} is trained on {folders} folders: see the head of this file")
    return args


def main() -> None:
    args = _arguments()
    model, recipe = MODELS[args.model], RECIPES[args.model]
    split = concatenate([read_split(folder, model.size) for folder in args.train])
    splits = {name: read_split(EXAMPLES / name, model.size) for name in ("val", "test")}
    trained = [train_seed(model, split, splits, recipe, seed) for seed in args.seeds]
    runs = [run for run, _ in trained]
    shipped = median_seed(runs)

    file = model.weights
    assert isinstance(file, Path)  # only models of this repository have a recipe
    file.parent.mkdir(exist_ok=True)
    for run, stored in trained:
        if run["seed"] == shipped or args.keep_all:
            save_file(stored, file if run["seed"] == shipped else seed_file(model, run["seed"]))
    write_report(model, file, args.train, len(split.labels), runs, shipped)
    _print(f"shipped: seed {shipped}, {file.stat().st_size:,} bytes")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (this module is a command, too)


if __name__ == "__main__":
    main()
