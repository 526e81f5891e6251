"""From a person in a picture to a varied training crop; the keypoints go through the very map the pixels go through.

Half body as in HRNet (Sun et al., 2019): now and then only the upper or the lower body is shown, enlarged. Cutout
after DeVries and Taylor (2017).
"""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from multiview.common.ranges import Share, between
from multiview.keypoints.crop import crop_affine, crop_region, transform_points
from multiview.keypoints.flip import flip_pairs
from multiview.learn.sample import ABSENT, HIDDEN, VISIBLE, Sample
from multiview.synthetic.backdrop import degrade, downsample

__all__ = ["Augmentation", "augment", "crop_sample", "framed_crop"]


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much training crops vary."""

    rotation_deg: Annotated[float, between(0, 180, "degrees")] = 25.0
    """Deviation of the crop's rotation, degrees; it is clipped at twice that, and every other crop stays upright."""
    scale: Annotated[float, between(0, 2)] = 0.15
    """Deviation of the logarithm of the crop's size."""
    shift: Annotated[float, between(0, 2)] = 0.05
    """Deviation of the crop's centre, as a fraction of its size."""
    flip: Share = 0.5
    """Share of mirrored crops; left and right joints are swapped."""
    half_body: Share = 0.08
    """Share of crops that show only the upper or the lower body."""
    cutout: Share = 0.25
    """Share of crops with a patch painted over; the joints under it become hidden."""
    low_res: Share = 0.2
    """Share of crops of a distant person: few pixels, enlarged."""
    degrade: Share = 0.9
    """Share of crops with a camera's faults: exposure, colour, blur, noise, compression."""


def crop_sample(sample: Sample, size: tuple[int, int], A: Float64[np.ndarray, "2 3"]) -> Sample:
    """The crop that the affine map `A` (crop_from_image) cuts out; joints outside it become absent."""
    width, height = size
    image = cv2.warpAffine(sample.image, A, size, flags=cv2.INTER_LINEAR)
    labels = (
        None if sample.part_labels is None else cv2.warpAffine(sample.part_labels, A, size, flags=cv2.INTER_NEAREST)
    )
    xy = transform_points(A, sample.xy)
    inside = ((xy >= -0.5) & (xy <= np.array([width, height]) - 0.5)).all(-1)
    corners = transform_points(A, sample.box[[[0, 1], [2, 1], [2, 3], [0, 3]]])
    box = np.concatenate([corners.min(0), corners.max(0)])
    orientation = None if sample.orientation is None else _transformed(sample.orientation, A)
    return Sample(image, xy, np.where(inside, sample.visibility, ABSENT), box, labels, orientation)


def framed_crop(sample: Sample, size: tuple[int, int]) -> Sample:
    """The crop about the sample's box, as a detector makes it: nothing varied."""
    return crop_sample(sample, size, crop_affine(*crop_region(sample.box, size), size))


def _transformed(orientation: Float64[np.ndarray, "3 3"], A: Float64[np.ndarray, "2 3"]) -> Float64[np.ndarray, "3 3"]:
    """Directions in camera axes, as the crop's camera would have them; a mirrored person's left is the other way."""
    scale = np.sqrt(abs(np.linalg.det(A[:, :2])))
    sign = np.sign(np.linalg.det(A[:, :2]))
    rotated = np.concatenate([orientation[:, :2] @ A[:, :2].T / scale, orientation[:, 2:]], axis=1)
    return np.asarray(sign * rotated)


def augment(
    sample: Sample,
    rng: np.random.Generator,
    size: tuple[int, int],
    options: Augmentation,
    symmetric_pairs: tuple[tuple[int, int], ...],
    symmetric_parts: tuple[tuple[int, int], ...] = (),
) -> Sample:
    """A varied crop of `size` = width, height px around the sample's person."""
    box = sample.box
    if rng.random() < options.half_body:
        box = _half_body(sample, rng)
    centre, extent = crop_region(box, size)
    extent = extent * np.exp(np.clip(rng.normal(0, options.scale), -2 * options.scale, 2 * options.scale))
    centre = centre + rng.normal(0, options.shift, 2) * extent
    rotation = 0.0
    if rng.random() < 0.5:
        rotation = float(np.radians(np.clip(rng.normal(0, 1), -2, 2) * options.rotation_deg))
    A = crop_affine(centre, extent, size, rotation)
    mirrored = rng.random() < options.flip
    if mirrored:
        A = np.array([[-1.0, 0, size[0] - 1], [0, 1, 0]]) @ np.vstack([A, [0, 0, 1]])
    crop = crop_sample(sample, size, A)
    if mirrored:
        crop = _swap_left_right(crop, symmetric_pairs, symmetric_parts)
    image, visibility = crop.image, crop.visibility
    if rng.random() < options.cutout:
        image, visibility = _cutout(crop, rng)
    if rng.random() < options.low_res:
        image = downsample(image, rng.uniform(0.3, 0.9))
    if rng.random() < options.degrade:
        image = degrade(rng, image)
    return Sample(image, crop.xy, visibility, crop.box, crop.part_labels, crop.orientation)


def _swap_left_right(crop: Sample, pairs: tuple[tuple[int, int], ...], parts: tuple[tuple[int, int], ...]) -> Sample:
    """A mirrored person's left is the picture's right."""
    order = flip_pairs(pairs, len(crop.xy))
    labels = crop.part_labels
    if labels is not None:
        table = np.arange(256, dtype=np.uint8)
        for a, b in parts:
            table[a], table[b] = b, a
        labels = table[labels]
    return Sample(crop.image, crop.xy[order], crop.visibility[order], crop.box, labels, crop.orientation)


def _half_body(sample: Sample, rng: np.random.Generator) -> Float64[np.ndarray, " 4"]:
    """The box of the joints above, or below, the middle one; the whole box where that leaves too few."""
    known = sample.visibility > ABSENT
    if known.sum() < 8:
        return sample.box
    order = np.arange(len(known))
    half = (
        order < order[known][known.sum() * 11 // 17]
        if rng.random() < 0.6
        else order >= order[known][known.sum() * 9 // 17]
    )
    xy = sample.xy[known & half]
    margin = 0.2 * max(1.0, float(np.ptp(xy, axis=0).max()))
    return np.concatenate([xy.min(0) - margin, xy.max(0) + margin])


def _cutout(crop: Sample, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "H W 3"], Int64[np.ndarray, " J"]]:
    """A rectangle of one colour, of noise, or of another place in the picture; what it covers is hidden."""
    height, width = crop.image.shape[:2]
    w, h = (int(rng.uniform(0.1, 0.4) * side) for side in (width, height))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    image = crop.image.copy()
    kind = rng.random()
    if kind < 0.4:
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    elif kind < 0.6:
        image[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3))
    else:
        u, v = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        image[y : y + h, x : x + w] = crop.image[v : v + h, u : u + w]
    covered = ((crop.xy >= [x, y]) & (crop.xy < [x + w, y + h])).all(-1)
    return image, np.where(covered & (crop.visibility == VISIBLE), HIDDEN, crop.visibility)
