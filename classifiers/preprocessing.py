"""Preprocessing: how a classifier wants its photo, and where in the photo its input lies."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SQUASHED = 0.02  # proportions that differ by less look the same
MOST_ASPECT = 4  # of what is shown: a longer photo is cut or squeezed, or its pictures would be without bound
BAR_GREY = 128  # of the bars that make a photo square: cost the article's networks the fewest points, see benchmarks

Fit = Literal["bars", "crop", "squash"]
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Box(NamedTuple):
    """A part of a picture, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """For arrays [H, W, …]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Frame:
    """A photo as a classifier takes it. The canvas is what people see; the network's input is cut out of it."""

    canvas: np.ndarray  # [H, W, 3] uint8: the whole photo, resized as the classifier asks for, with bars if it has any
    seen: Box  # the network's input, in the canvas
    photo: Box  # the photo, in the canvas: all of it but the bars
    aspect: float  # width over height at which the canvas looks as the photo did
    note: str  # a sentence for people on what was done to the photo, "" where nothing is worth a word

    @property
    def whole(self) -> bool:
        """Whether the network sees all of the canvas."""
        height, width = self.canvas.shape[:2]
        return self.seen == (0, 0, width, height)

    @property
    def explained(self) -> Box:
        """The part of the photo that the network sees, in the canvas: neither bars nor what a crop leaves out."""
        least, most = ([choose(pair) for pair in zip(self.seen, self.photo)] for choose in (max, min))
        return Box(*least[:2], *most[2:])

    def shown(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures over the canvas [..., H, W, C] as people see the photo: without bars, in its own proportions."""
        pictures = pictures[(..., *self.photo.slices, slice(None))]
        height, width = pictures.shape[-3:-1]
        photo_aspect = self.aspect * width / height / (self.canvas.shape[1] / self.canvas.shape[0])
        photo_aspect = min(max(photo_aspect, 1 / MOST_ASPECT), MOST_ASPECT)
        if abs(photo_aspect / (width / height) - 1) <= SQUASHED:
            return pictures
        size = (round(height * photo_aspect), height) if photo_aspect > 1 else (width, round(width / photo_aspect))
        flat = pictures.reshape(-1, *pictures.shape[-3:])
        resized = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in flat]
        return np.stack(resized).reshape(*pictures.shape[:-3], size[1], size[0], pictures.shape[-1])

    def over_canvas(self, photo_map: np.ndarray) -> np.ndarray:
        """A map over the whole photo [h, w], of numbers that do not blend, over the canvas: [H, W], 0 on bars."""
        canvas = np.zeros(self.canvas.shape[:2], photo_map.dtype)
        left, top, right, bottom = self.photo
        resized = Image.fromarray(photo_map).resize((right - left, bottom - top), Image.Resampling.NEAREST)
        canvas[self.photo.slices] = np.asarray(resized)
        return canvas

    def place(self, heat: Tensor) -> Tensor:
        """Maps over the input [..., h, w] as maps over the canvas [..., H, W]; 0 where the network saw nothing."""
        if self.whole:
            return heat
        placed = heat.new_zeros((*heat.shape[:-2], *self.canvas.shape[:2]))
        placed[(..., *self.seen.slices)] = heat
        return placed


@dataclass(frozen=True)
class Preprocessing:
    """From a photo of any shape to a network's input, by Pillow, as the Hub's processors do it.

    fit: "bars" keeps the whole photo and its proportions, "crop" takes the middle, "squash" gives up the proportions.
    """

    height: int  # of the input
    width: int
    fit: Fit = "bars"
    resized: int | tuple[int, int] | None = (
        None  # "crop": the shorter side before it, or height and width; None: as the input
    )
    filter: str = "lanczos"  # a key of FILTERS
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)  # of RGB in [0, 1]
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False  # whether the network wants blue first
    rounded: bool = (
        False  # where an odd number of pixels is cropped away: as torchvision rounds, or down, as transformers does
    )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.height, self.width

    def frame(self, photo: np.ndarray) -> Frame:
        """Lay out a photo [H, W, 3] uint8, RGB. Where nothing must change, nothing does, bit for bit."""
        layout = {"bars": self._bars, "crop": self._crop, "squash": self._squash}[self.fit]
        return layout(photo, photo.shape[1] / photo.shape[0])

    def tensor(self, canvas: np.ndarray, seen: Box) -> Tensor:
        """A canvas [H, W, 3] uint8 as the network's input: [1, 3, height, width] float32."""
        pixels = torch.from_numpy(np.ascontiguousarray(canvas[seen.slices])).permute(2, 0, 1)  # [3, h, w]
        return self.normalise(pixels.float() / 255)[None]

    def normalise(self, values: Tensor) -> Tensor:
        """RGB in 0…1, [..., 3, h, w], as the network wants it."""
        if any(self.mean) or set(self.std) != {1.0}:
            values = (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]
        return values.flip(-3) if self.bgr else values

    def _bars(self, photo, aspect):
        width, height = _inside(photo, self.width, self.height)
        left, top = (self.width - width) // 2, (self.height - height) // 2
        canvas = np.full((self.height, self.width, 3), BAR_GREY, np.uint8)
        box = Box(left, top, left + width, top + height)
        canvas[box.slices] = self._resize(photo, width, height)
        where = "left and right of" if width < self.width else "above and below"
        bars = (width, height) != (self.width, self.height)
        note = f"The photo is not square, so the network sees it whole with grey bars {where} it." if bars else ""
        return Frame(canvas, Box(0, 0, self.width, self.height), box, self.width / self.height, note)

    def _squash(self, photo, aspect):
        everything = Box(0, 0, self.width, self.height)
        canvas = self._resize(photo, self.width, self.height)
        squashed = abs(aspect / (self.width / self.height) - 1) > SQUASHED
        note = "The photo is squashed to the network's shape, as it learned to see photos." if squashed else ""
        return Frame(canvas, everything, everything, aspect, note)

    def _crop(self, photo, aspect):
        photo, aspect = _at_most(photo, MOST_ASPECT)
        width, height = self._before_crop(*photo.shape[1::-1])
        canvas = self._resize(photo, width, height)
        left, top = self._middle(width - self.width), self._middle(height - self.height)
        seen = Box(left, top, left + self.width, top + self.height)
        note = (
            f"The network sees the middle of the photo, {self.width} × {self.height} of {width} × {height} pixels; "
            "what lies outside is shown without heat."
        )
        return Frame(canvas, seen, Box(0, 0, width, height), aspect, "" if (width, height) == seen[2:] else note)

    def _before_crop(self, width, height):
        if isinstance(self.resized, tuple):
            return self.resized[1], self.resized[0]
        shorter = self.resized or min(self.height, self.width)
        if width <= height:
            return shorter, int(shorter * height / width)  # rounded down, as Pillow's and the Hub's code do
        return int(shorter * width / height), shorter

    def _middle(self, surplus):
        """Where the crop begins."""
        return round(surplus / 2) if self.rounded else surplus // 2

    def _resize(self, photo, width, height):
        if photo.shape[1::-1] == (width, height):
            return photo.copy()
        return np.array(Image.fromarray(photo).resize((width, height), FILTERS[self.filter]))  # torch wants it writable


def _at_most(photo, aspect):
    """The photo and its proportions, the ends of a very long one cut off: the crop is in its middle."""
    height, width = photo.shape[:2]
    longest = aspect * min(height, width)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    photo = photo[top : top + longest, left : left + longest]
    return photo, photo.shape[1] / photo.shape[0]


def _inside(photo, width, height):
    """The photo's size, proportions kept, that just lies inside width × height."""
    tall, wide = photo.shape[:2]
    scale = min(width / wide, height / tall)
    return max(1, round(wide * scale)), max(1, round(tall * scale))
