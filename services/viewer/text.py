"""Text for a window that draws only triangles: textured rectangles that face the viewer, one texel per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, UInt8

from multiview.common.palette import RGB

__all__ = ["GROUND", "Billboard", "BillboardMesh", "bar", "billboard_mesh", "side_by_side", "text_image"]

GROUND: RGB = (0.085, 0.095, 0.115)  # the colour behind everything
_PAD = 3  # px around text

Picture = UInt8[np.ndarray, "_ _ 3"]  # any size, each its own


class Billboard(NamedTuple):
    """An image whose top left pixel is at (x, y) of the window, `depth` m in front of the eye."""

    picture: Picture
    x: int
    y: int
    depth: float


@dataclass(frozen=True, slots=True)
class BillboardMesh:
    """All billboards as one mesh: vertices (m), triangles, texture coordinates of their corners, one texture."""

    vertices: Float64[np.ndarray, "V 3"]
    triangles: Int32[np.ndarray, "T 3"]
    uvs: Float64[np.ndarray, "U 2"]
    picture: Picture


@lru_cache(maxsize=512)
def text_image(text: str, colour: RGB, size_px: int, bold: bool = False) -> Picture:
    """A line of text on the ground's colour."""
    from PIL import Image, ImageDraw

    font = _font(size_px, bold)
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(text))) + 2 * _PAD
    mask = Image.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(mask).text((_PAD, 0), text, fill=255, font=font)
    share = np.asarray(mask, dtype=np.float64)[..., None] / 255
    picture = (1 - share) * np.array(GROUND) + share * np.array(colour)
    rounded: Picture = np.round(255 * picture).astype(np.uint8)
    return rounded


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Pictures in a row."""
    height, ground = max(len(picture) for picture in pictures), np.round(255 * np.array(GROUND))
    row: Picture = np.empty((height, sum(p.shape[1] for p in pictures), 3), dtype=np.uint8)
    row[:] = ground
    x = 0
    for picture in pictures:
        row[: len(picture), x : x + picture.shape[1]] = picture
        x += picture.shape[1]
    return row


def bar(share: float, width: int, height: int, colour: RGB, part: tuple[float, float] = (0.0, 1.0)) -> Picture:
    """A line filled up to `share` of it, with a handle there; marks at both ends of `part` unless it is the whole."""
    picture: Picture = np.empty((height, width, 3), dtype=np.uint8)
    picture[:] = np.round(255 * np.array(GROUND))
    middle, thick, at = height // 2, max(1, height // 8), round(np.clip(share, 0.0, 1.0) * (width - 1))
    picture[middle - thick : middle + thick] = (70, 76, 88)
    picture[middle - thick : middle + thick, :at] = np.round(255 * np.array(colour))
    for end in part if part != (0.0, 1.0) else ():
        left = round(end * (width - 1))
        picture[height // 4 : height - height // 4, max(0, left - thick) : left + thick] = (200, 205, 212)
    handle = max(2, height // 5)
    picture[height // 6 : height - height // 6, max(0, at - handle) : at + handle] = np.round(255 * np.array(colour))
    return picture


def billboard_mesh(
    billboards: Sequence[Billboard], view: Float64[np.ndarray, "4 4"], focal: float, size: tuple[int, int]
) -> BillboardMesh:
    """The billboards in front of `view` (cam_from_world), in a window of `size` px with focal length `focal` (px)."""
    width = max((billboard.picture.shape[1] for billboard in billboards), default=1)
    height = max(1, sum(len(billboard.picture) for billboard in billboards))
    picture: Picture = np.zeros((height, width, 3), dtype=np.uint8)
    boxes, depth, texels, row = [], [], [], 0
    for billboard in billboards:
        tall, wide = billboard.picture.shape[:2]
        picture[row : row + tall, :wide] = billboard.picture
        boxes.append((billboard.x, billboard.y, billboard.x + wide, billboard.y + tall))
        texels.append((0.0, row, wide, row + tall))
        depth.append(billboard.depth)
        row += tall
    flat = np.array(boxes, dtype=np.float64).reshape(-1, 4)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    z = np.array(depth, dtype=np.float64).reshape(-1, 1, 1)
    in_view = np.concatenate(
        [(flat - np.array(size) / 2) * z / focal, np.broadcast_to(z, (*flat.shape[:2], 1))], axis=2
    )
    vertices = (in_view.reshape(-1, 3) - view[:3, 3]) @ view[:3, :3]
    corners = np.array([0, 1, 2, 0, 2, 3], dtype=np.int32)
    triangles = (corners + 4 * np.arange(len(billboards), dtype=np.int32)[:, None]).reshape(-1, 3)
    uv = np.array(texels, dtype=np.float64).reshape(-1, 4)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    return BillboardMesh(vertices, triangles, (uv[:, corners] / [width, height]).reshape(-1, 2), picture)


@lru_cache(maxsize=8)
def _font(size_px: int, bold: bool) -> Any:
    from matplotlib.font_manager import FontProperties, findfont
    from PIL import ImageFont

    weight = "bold" if bold else "regular"
    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight=weight)), size_px)
