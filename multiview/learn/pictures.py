"""Pictures of what a network found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from multiview.body.skeleton import Skeleton
from multiview.common.atomic_file import replacing
from multiview.learn.sample import ABSENT, Sample

__all__ = ["draw_people", "draw_person", "tile_pictures"]

TRUTH, LEFT, RIGHT, MIDDLE = (255, 255, 255), (40, 220, 40), (235, 40, 40), (60, 160, 255)


def draw_person(
    sample: Sample, found: Float64[np.ndarray, "J 2"], skeleton: Skeleton, height: int = 240
) -> UInt8[np.ndarray, "h w 3"]:
    """The sample's picture, `height` px high: green the person's left, red their right, thin white the truth."""
    scale = height / sample.image.shape[0]
    picture = cv2.resize(sample.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    bones = [(a, b) for a, b in skeleton.bones if (sample.visibility[[a, b]] > ABSENT).all()]
    for a, b in bones:
        cv2.line(picture, _at(sample.xy[a], scale), _at(sample.xy[b], scale), TRUTH, 1, cv2.LINE_AA, 3)
    for a, b in bones:
        cv2.line(picture, _at(found[a], scale), _at(found[b], scale), _colour(skeleton, a, b), 2, cv2.LINE_AA, 3)
    return np.asarray(picture, np.uint8)


def draw_people(
    image: UInt8[np.ndarray, "H W 3"], found: Float64[np.ndarray, "P J 2"], skeleton: Skeleton, height: int = 240
) -> UInt8[np.ndarray, "h w 3"]:
    """A picture, `height` px high, with everyone found in it; bones of which a joint is missing (NaN) are left out."""
    scale = height / image.shape[0]
    picture = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    for person in found:
        for a, b in skeleton.bones:
            if np.isfinite(person[[a, b]]).all():
                ends = (_at(person[a], scale), _at(person[b], scale))
                cv2.line(picture, *ends, _colour(skeleton, a, b), 2, cv2.LINE_AA, 3)
    return np.asarray(picture, np.uint8)


def _colour(skeleton: Skeleton, a: int, b: int) -> tuple[int, int, int]:
    ends = skeleton.joints[a], skeleton.joints[b]
    left, right = (all(end.startswith(side) for end in ends) for side in ("left", "right"))
    return LEFT if left else RIGHT if right else MIDDLE


def _at(point: Float64[np.ndarray, " 2"], scale: float) -> tuple[int, int]:
    """A point of the picture in eighths of a pixel of the enlarged one."""
    x, y = np.rint(((point + 0.5) * scale - 0.5) * 8).astype(int).tolist()
    return x, y


def tile_pictures(tiles: list[UInt8[np.ndarray, "h w 3"]], path: Path, columns: int = 8) -> None:
    """One sheet of pictures, in rows."""
    height, width = max(tile.shape[0] for tile in tiles), max(tile.shape[1] for tile in tiles)
    sheet = np.zeros((height * -(-len(tiles) // columns), width * columns, 3), np.uint8)
    for i, tile in enumerate(tiles):
        y, x = divmod(i, columns)
        sheet[y * height : y * height + tile.shape[0], x * width : x * width + tile.shape[1]] = tile
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), sheet[..., ::-1])
