"""Many photos on one sheet for visual inspection, optionally with their masks.

python -m maker.contact_sheet examples/val sheet.png --columns 10 --masks
"""

import argparse
from pathlib import Path

from PIL import Image


def tile(path, side, masks):
    """One cell: the photo, or the photo and its mask."""
    pictures = [Image.open(path)] + ([Image.open(path.with_suffix(".png")).convert("RGB")] if masks else [])
    cell = Image.new("RGB", (side * len(pictures), side))
    for order, picture in enumerate(pictures):
        cell.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (order * side, 0))
    return cell


def sheet(paths, columns, side, masks):
    """The cells in rows."""
    cells = [tile(path, side, masks) for path in paths]
    width, height = cells[0].size
    page = Image.new("RGB", (columns * width, -(-len(cells) // columns) * height))
    for order, cell in enumerate(cells):
        page.paste(cell, (order % columns * width, order // columns * height))
    return page


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--match", default="*.jpg", help="only these names, such as '0_*.jpg'")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--masks", action="store_true")
    args = parser.parse_args()
    sheet(sorted(args.folder.glob(args.match)), args.columns, args.side, args.masks).save(args.out)


if __name__ == "__main__":
    main()
