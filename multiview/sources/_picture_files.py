"""Pictures in a folder: which frame each of them is, and how they are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16

from multiview.common.ledger import check_ordinary
from multiview.common.picture_file import decode_picture
from multiview.data import FrameNumber
from multiview.errors import SourceError

__all__ = ["PICTURE_SUFFIXES", "PictureDepth", "numbered_pictures", "read_picture"]

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
SAMPLE = 5  # pictures that tell how many bits are used
BITS = (8, 10, 12, 14, 16)


def numbered_pictures(folder: Path) -> list[tuple[FrameNumber, Path]]:
    """Frame number and path of every picture of a folder, in order.

    All names but for their numbers are alike. The frame's number is the one that differs from file to file, the last
    one if several do. Hidden files are left out. Names without numbers are numbered from 0 in alphabetical order.

    Raises:
        SourceError: There is no picture, a name is unlike the others, or two have one number. (Guessing would number
            the pictures of this camera otherwise than those of the others.)
    """
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.name[0] != ".")
    if not names:
        raise SourceError(f"{folder} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))})")
    shapes = [_shape(name) for name in names]
    usual, count = Counter(shapes).most_common(1)[0]
    if 2 * count > len(names):
        for name, shape in zip(names, shapes, strict=True):
            if shape != usual:
                example = names[shapes.index(usual)]
                raise SourceError(
                    f"{folder}: what is {name}? The other pictures are named like {example}: move it away"
                )
    groups = [re.findall(r"\d+", Path(name).stem) for name in names]
    if not all(groups):
        if any(groups):
            raise SourceError(f"{folder}: {names[[bool(g) for g in groups].index(False)]} has no number, others have")
        return [(FrameNumber(number), folder / name) for number, name in enumerate(names)]
    numbers = _frame_numbers(groups)
    first: dict[FrameNumber, str] = {}
    for number, name in zip(numbers, names, strict=True):
        if number in first:
            raise SourceError(f"{folder}: {first[number]} and {name} bear the same frame number {number}")
        first[number] = name
    return sorted((number, folder / name) for number, name in first.items())


def _shape(name: str) -> str:
    """A name without its numbers and its ending."""
    return re.sub(r"\d+", "0", Path(name).stem)


def _frame_numbers(groups: Sequence[list[str]]) -> list[FrameNumber]:
    """The last of the numbers in each name that are not the same in all."""
    if len({len(group) for group in groups}) > 1:
        return [FrameNumber(int(group[-1])) for group in groups]
    columns = list(zip(*groups, strict=True))
    differing = [column for column in columns if len(set(column)) > 1]
    return [FrameNumber(int(text)) for text in (differing or columns)[-1]]


class PictureDepth:
    """How many bits of 16 the pictures of a folder use: cameras of 10 to 14 bits leave the upper ones empty."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.bits = 8
        for path in paths[:: max(1, len(paths) // SAMPLE)]:
            self.widen(_decoded(path))

    def widen(self, image: UInt8[np.ndarray, "H W 3"] | UInt16[np.ndarray, "H W 3"]) -> None:
        """Take account of one more picture."""
        if image.dtype == np.uint16:
            used = int(image.max()).bit_length()
            self.bits = max(self.bits, next(bits for bits in BITS if bits >= used))


def read_picture(path: Path, depth: PictureDepth) -> UInt8[np.ndarray, "H W 3"]:
    """A picture as BGR of 8 bits; SourceError naming one that cannot be read."""
    image = _decoded(path)
    if image.dtype == np.uint8:
        return image
    depth.widen(image)
    return (image >> (depth.bits - 8)).astype(np.uint8)


def _decoded(path: Path) -> UInt8[np.ndarray, "H W 3"] | UInt16[np.ndarray, "H W 3"]:
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors reach users in our words
    check_ordinary(path)
    try:
        # Not cv2.imread, which cannot open every path on every system.
        image = decode_picture(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except MemoryError:
        image = None
    if image is None:
        raise SourceError(f"{path} cannot be read as a picture: it is none, or too large or damaged")
    if image.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"{path} has pixels of type {image.dtype}; 8 or 16 bits are read")
    return np.asarray(image)
