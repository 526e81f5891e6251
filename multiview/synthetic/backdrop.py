"""Backgrounds, occluders and the faults of cameras, for rendered pictures of people.

Families of backgrounds are split: `TRAINING` ones are seen in training, `HELD_OUT` ones only in evaluation.
Images are (H, W, 3) float32 RGB in [0, 1] while they are composed, uint8 afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

__all__ = ["HELD_OUT", "TRAINING", "backdrop", "degrade", "downsample"]

Image = Float32[np.ndarray, "H W 3"]


def _clouds(rng: np.random.Generator, height: int, width: int, octaves: int = 4) -> Image:
    """Coloured noise whose amplitude falls with frequency."""
    image = np.zeros((height, width, 3), np.float32)
    cells = int(rng.integers(2, 5))
    for octave in range(octaves):
        grid = rng.random((cells * 2**octave + 1, cells * 2**octave + 1, 3), dtype=np.float32)
        image += cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR) * 0.55**octave
    low, high = np.sort(rng.random((2, 3)).astype(np.float32), axis=0)
    return low + (high - low) * image / 2.0


def _clutter(rng: np.random.Generator, height: int, width: int) -> Image:
    """Overlapping polygons, lines and discs."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = rng.random(3)
    size = np.array([width, height])
    for _ in range(int(rng.integers(4, 22))):
        colour = tuple(float(value) for value in rng.random(3))
        centre = rng.random(2) * size
        kind = rng.random()
        if kind < 0.5:
            points = centre + rng.normal(0, 0.22, (int(rng.integers(3, 6)), 2)) * size
            cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)
        elif kind < 0.75:
            end = centre + rng.normal(0, 0.4, 2) * size
            cv2.line(
                image,
                tuple(centre.astype(int).tolist()),
                tuple(end.astype(int).tolist()),
                colour,
                int(rng.integers(1, 3 + width // 12)),
                cv2.LINE_AA,
            )
        else:
            axes = (1 + rng.random(2) * size * 0.2).astype(int).tolist()
            cv2.ellipse(
                image,
                tuple(centre.astype(int).tolist()),
                tuple(axes),
                float(rng.uniform(0, 180)),
                0,
                360,
                colour,
                -1,
                cv2.LINE_AA,
            )
    return image


def _room(rng: np.random.Generator, height: int, width: int) -> Image:
    """A wall and a floor, each with a shade that changes across it, a skirting, and things on the wall."""
    image = np.empty((height, width, 3), np.float32)
    horizon = int(rng.uniform(0.1, 0.8) * height)
    ramp = np.linspace(rng.uniform(0.6, 1.0), rng.uniform(0.6, 1.0), width, dtype=np.float32)[None, :, None]
    image[:horizon] = rng.random(3).astype(np.float32) * ramp
    image[horizon:] = rng.random(3).astype(np.float32) * ramp
    cv2.line(
        image,
        (0, horizon),
        (width, horizon + int(rng.normal(0, 0.05) * height)),
        tuple(float(v) for v in rng.random(3)),
        max(1, height // 60),
        cv2.LINE_AA,
    )
    for _ in range(int(rng.integers(0, 6))):
        x, y = int(rng.random() * width), int(rng.random() * horizon) if horizon else 0
        w, h = (rng.uniform(0.05, 0.35, 2) * np.array([width, height])).astype(int)
        cv2.rectangle(
            image,
            (x, y),
            (x + int(w), y + int(h)),
            tuple(float(v) for v in rng.random(3)),
            -1 if rng.random() < 0.7 else 2,
        )
    return image


def _gradient(rng: np.random.Generator, height: int, width: int) -> Image:
    """Four corner colours, blended, with or without fine bands."""
    image = cv2.resize(rng.random((2, 2, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        angle, period = rng.uniform(0, np.pi), rng.uniform(0.02, 0.2) * height
        band = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
        image = image + (0.12 * band[..., None] * rng.random(3)).astype(np.float32)
    return image


def _tiles(rng: np.random.Generator, height: int, width: int) -> Image:
    """Tiles in perspective with grout (held out)."""
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32))
    depth = 1.0 / (0.15 + y * rng.uniform(0.5, 1.5))
    angle, scale = rng.uniform(0, np.pi), rng.uniform(1.5, 5)
    u = (np.cos(angle) * x * depth - np.sin(angle) * depth) * scale
    v = (np.sin(angle) * x * depth + np.cos(angle) * depth) * scale
    first, second, grout = rng.random((3, 3)).astype(np.float32)
    which = (np.floor(u) + np.floor(v)).astype(int) % 2
    image = np.where(which[..., None] == 0, first, second)
    seam = (np.minimum(u % 1, v % 1) < 0.06)[..., None]
    return np.where(seam, grout, image).astype(np.float32)


def _cells(rng: np.random.Generator, height: int, width: int) -> Image:
    """Cells about random seeds, each of one colour (held out)."""
    count = int(rng.integers(8, 40))
    seeds = rng.random((count, 2)).astype(np.float32)
    x, y = np.meshgrid(
        np.linspace(0, 1, width // 2, dtype=np.float32), np.linspace(0, 1, height // 2, dtype=np.float32)
    )
    nearest = ((x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    return cv2.resize(rng.random((count, 3), dtype=np.float32)[nearest], (width, height))


TRAINING: tuple[Callable[[np.random.Generator, int, int], Image], ...] = (_clouds, _clutter, _room, _gradient)
HELD_OUT: tuple[Callable[[np.random.Generator, int, int], Image], ...] = (_tiles, _cells)


def backdrop(rng: np.random.Generator, height: int, width: int, held_out: bool = False) -> Image:
    """Draw a background from the training families, or from those that training never shows."""
    families = HELD_OUT if held_out else TRAINING
    image = families[rng.integers(len(families))](rng, height, width)
    if rng.random() < 0.3:
        image = 0.6 * image + 0.4 * families[rng.integers(len(families))](rng, height, width)
    return np.clip(image, 0, 1).astype(np.float32)


def downsample(image: np.ndarray, share: float) -> np.ndarray:
    """The picture with `share` as many pixels a side, enlarged to its own size again."""
    height, width = image.shape[:2]
    # By size, not by factor: only then do both ways use the same scale, and nothing moves.
    small = cv2.resize(image, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def degrade(rng: np.random.Generator, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """What cameras do to pictures: exposure and colour cast, motion or focus blur, sensor noise, compression."""
    picture: Image = image.astype(np.float32)
    if rng.random() < 0.8:
        gain = rng.normal(1, 0.18) * rng.normal(1, 0.05, 3)
        picture = (picture - 128) * rng.uniform(0.6, 1.25) + 128
        picture = picture * gain.astype(np.float32) + np.float32(rng.normal(0, 10))
    kind = rng.random()
    if kind < 0.2:
        length = int(rng.integers(2, 2 + max(2, image.shape[0] // 24)))
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        angle = rng.uniform(0, np.pi)
        offset = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        centre = np.array([length, length])
        cv2.line(
            kernel,
            tuple(np.rint(centre - offset).astype(int).tolist()),
            tuple(np.rint(centre + offset).astype(int).tolist()),
            1.0,
        )
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    elif kind < 0.45:
        picture = np.asarray(
            cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, max(0.5, image.shape[0] / 110))), np.float32
        )
    if rng.random() < 0.15:
        # Someone far away: few pixels, enlarged.
        picture = np.asarray(downsample(picture, rng.uniform(0.35, 0.8)), np.float32)
    if rng.random() < 0.6:
        picture = picture + rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(1, 14))
    out = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    if rng.random() < 0.06:
        out = np.repeat(out.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    return out
