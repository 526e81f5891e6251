"""From heatmaps to joints: argmax with a quarter-pixel shift, DARK, and a local soft-argmax, each with a covariance.

All positions are in heatmap pixels, (0, 0) the centre of the first. A heatmap is read as

    h(p) = A * Gaussian(p - x; S) + white noise of deviation v,

where x is the joint. The covariance that a decoder reports has two parts:

- noise: how far v moves this decoder's answer. v is the robust deviation of the map's background.
- spread: a network trained to minimise squared error or cross entropy answers, where it is unsure, with the average
  over what it holds possible, so S = (its belief's covariance) + `target_sigma`^2, the blob that it was taught to draw.
  Given `target_sigma`, S is measured and the belief's part is reported; without it only the noise is.

Sources: Xiao et al., Simple Baselines, 2018 (quarter pixel); Zhang et al., Distribution-Aware Coordinate Representation
(DARK), 2020; Huang et al., UDP, 2020; Sun et al., Integral Human Pose Regression, 2018 (soft-argmax); Bernstein and
Jarvis, Shapes and Shears, 2002, section 3 (adaptive moments: weights matched to the blob, no bias from a window).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.special import ndtr

__all__ = ["DECODERS", "Joints", "argmax", "dark", "newton_step", "peaks", "soft_argmax", "spatial_softmax"]

Maps = Float[np.ndarray, "*batch H W"]
Flat = Float64[np.ndarray, "M H W"]
QUARTER_PIXEL_VARIANCE = 0.25**2 / 3  # an answer on a half-pixel grid is uniformly off by up to a quarter
BORDER_VARIANCE = 0.05**2  # px^2: within 5 px of the border half of a blob is missing
VARIANCE_FLOOR = 1e-6  # px^2: keeps noise-free maps invertible
MAX_SHAPE_RADIUS = 7  # px: blobs are looked at within this window


class Joints(NamedTuple):
    """Positions px, scores (the peak's value, clipped to [0, 1]) and covariances px^2, one per heatmap."""

    xy: Float64[np.ndarray, "*batch 2"]
    score: Float64[np.ndarray, "*batch"]
    cov: Float64[np.ndarray, "*batch 2 2"]


def peaks(heatmaps: Flat) -> tuple[Int64[np.ndarray, "M 2"], Float64[np.ndarray, " M"]]:
    """The largest pixel of each map, as (x, y), and its value."""
    flat = heatmaps.reshape(len(heatmaps), -1)
    index = flat.argmax(axis=1)
    y, x = np.divmod(index, heatmaps.shape[2])
    return np.stack([x, y], axis=1), flat[np.arange(len(flat)), index]


def spatial_softmax(logits: Maps) -> Float64[np.ndarray, "*batch H W"]:
    """Each map as a density: softmax over its pixels, for networks trained with spatial cross entropy."""
    z = np.asarray(logits, np.float64)
    z = np.exp(z - z.max(axis=(-2, -1), keepdims=True))
    return np.asarray(z / z.sum(axis=(-2, -1), keepdims=True), np.float64)


def argmax(heatmaps: Maps, target_sigma: float | None = None) -> Joints:
    """The largest pixel, a quarter of a pixel toward its larger neighbour in x and in y (HRNet's own decoding)."""
    maps, batch = _flatten(heatmaps)
    peak, value = peaks(maps)
    gradient, inside = _gradient(maps, peak, margin=1)
    xy = peak + np.where(inside[:, None], 0.25 * np.sign(gradient), 0.0)
    # The neighbours differ by 2 offset A / sigma^2, so noise moves the choice by sigma^2 v / A; the factor is measured.
    noise = _noise(maps) / np.maximum(value, 1e-10) * (target_sigma or 2.0) ** 2
    cov = (QUARTER_PIXEL_VARIANCE + 1.25 * noise**2)[:, None, None] * np.eye(2)
    return _joints(maps, xy, value, cov, batch, target_sigma)


def dark(heatmaps: Maps, blur: int = 11, target_sigma: float | None = None) -> Joints:
    """One Newton step on the logarithm of the blurred map, exact for a Gaussian (DARK; `blur` px wide, odd).

    Within a pixel of the border, and where the curvature is not a peak's, the largest pixel stands.
    """
    maps, batch = _flatten(heatmaps)
    peak, value = peaks(maps)
    sigma = 0.3 * ((blur - 1) * 0.5 - 1) + 0.8  # OpenCV's own rule, which the published decoders use
    smooth = np.stack([cv2.GaussianBlur(m, (blur, blur), sigma, borderType=cv2.BORDER_CONSTANT) for m in maps])
    step, inverse, good = newton_step(smooth, peak)
    good &= np.abs(step).max(axis=1) <= 2  # beyond this the blob is no Gaussian about its own peak
    xy = peak + np.where(good[:, None], step, 0.0)
    # Noise of deviation v, blurred by b, has the covariance v^2 / (4 pi b^2) exp(-d^2 / 4 b^2) at a distance of d.
    top = np.maximum(np.take_along_axis(smooth.reshape(len(maps), -1), _index(maps, peak), 1)[:, 0], 1e-10)
    noise = _noise(maps) / top
    gradient_variance = noise**2 * (1 - np.exp(-1 / sigma**2)) / (8 * np.pi * sigma**2)
    cov = gradient_variance[:, None, None] * (inverse @ inverse)
    cov = np.where(good[:, None, None], cov, np.eye(2) / 12)
    cov += _border(maps, peak)[:, None, None] * np.eye(2)
    return _joints(maps, xy, value, cov, batch, target_sigma)


def newton_step(
    maps: Flat, peak: Int64[np.ndarray, "M 2"]
) -> tuple[Float64[np.ndarray, "M 2"], Float64[np.ndarray, "M 2 2"], Bool[np.ndarray, " M"]]:
    """From the pixel `peak` to the top of the logarithm's paraboloid there, the inverse of its curvature, and whether
    it is a peak's. A Gaussian's curvature is minus its inverse covariance."""
    logs = np.log(np.maximum(_around(maps, peak), 1e-10))  # (M, 3, 3), rows are y
    g = 0.5 * np.stack([logs[:, 1, 2] - logs[:, 1, 0], logs[:, 2, 1] - logs[:, 0, 1]], axis=1)
    hxx = logs[:, 1, 2] - 2 * logs[:, 1, 1] + logs[:, 1, 0]
    hyy = logs[:, 2, 1] - 2 * logs[:, 1, 1] + logs[:, 0, 1]
    hxy = 0.25 * (logs[:, 2, 2] - logs[:, 2, 0] - logs[:, 0, 2] + logs[:, 0, 0])
    det = hxx * hyy - hxy**2
    good = _inside(maps, peak, margin=1) & (det > 1e-9) & (hxx < 0)
    det = np.where(good, det, 1.0)
    inverse = np.stack([hyy, -hxy, -hxy, hxx], axis=1).reshape(-1, 2, 2) / det[:, None, None]
    return -np.einsum("mij,mj->mi", inverse, g), inverse, good


def soft_argmax(heatmaps: Maps, target_sigma: float | None = None, density: bool = False) -> Joints:
    """The mean position under the map about its peak, with weights matched to the blob, so that no window biases it.

    With `density` (a spatial softmax) the score is the mass about the peak rather than the peak's value.
    """
    maps, batch = _flatten(heatmaps)
    peak, value = peaks(maps)
    xy, shape = _moments(maps, peak, peak.astype(np.float64), steps=8)
    noise = _noise(maps) / np.maximum(value, 1e-10)
    root_det = np.sqrt(np.maximum(np.linalg.det(shape), 1e-12))
    cov = (2 / np.pi * noise**2 / root_det)[:, None, None] * shape  # the Cramer-Rao bound of a Gaussian in white noise
    cov += _border(maps, peak)[:, None, None] * np.eye(2)
    if density:
        window, x, y = _window(maps, peak)
        near = (x - xy[:, :1]) ** 2 + (y - xy[:, 1:]) ** 2 <= 9 * np.maximum(shape[:, :1, 0], shape[:, 1:, 1])
        value = (window * near).sum(axis=1)
    return _joints(maps, xy, value, cov, batch, target_sigma, shape)


DECODERS: dict[str, Callable[..., Joints]] = {"argmax": argmax, "dark": dark, "soft_argmax": soft_argmax}


def _flatten(heatmaps: Maps) -> tuple[Flat, tuple[int, ...]]:
    maps = np.asarray(heatmaps, np.float64)
    return np.ascontiguousarray(maps.reshape(-1, *maps.shape[-2:])), maps.shape[:-2]


def _joints(
    maps: Flat,
    xy: Float64[np.ndarray, "M 2"],
    value: Float64[np.ndarray, " M"],
    cov: Float64[np.ndarray, "M 2 2"],
    batch: tuple[int, ...],
    target_sigma: float | None,
    shape: Float64[np.ndarray, "M 2 2"] | None = None,
) -> Joints:
    if target_sigma is not None:
        if shape is None:
            shape = _moments(maps, np.round(xy).astype(np.int64), xy, steps=6, move=False)[1]
        values, axes = np.linalg.eigh(shape)
        # The eigenvalues' own Cramer-Rao deviation; what is reported is the mean of a normal cut off below zero.
        root_det = np.sqrt(values.prod(axis=1, keepdims=True))
        deviation = np.sqrt(8 / np.pi / root_det) * values * (_noise(maps) / np.maximum(value, 1e-10))[:, None] + 1e-9
        excess = values - target_sigma**2
        z = np.clip(excess / deviation, -8.0, 8.0)
        spread = np.where(z < 8, deviation * (z + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) / ndtr(z)), excess)
        cov = cov + (axes * spread[:, None, :]) @ axes.transpose(0, 2, 1)
    return Joints(xy.reshape(*batch, 2), np.clip(value, 0.0, 1.0).reshape(batch), cov.reshape(*batch, 2, 2))


def _index(maps: Flat, peak: Int64[np.ndarray, "M 2"]) -> Int64[np.ndarray, "M 1"]:
    return np.asarray((peak[:, 1] * maps.shape[2] + peak[:, 0])[:, None])


def _inside(maps: Flat, peak: Int64[np.ndarray, "M 2"], margin: int) -> Bool[np.ndarray, " M"]:
    size = np.array([maps.shape[2], maps.shape[1]])
    return np.asarray(((peak >= margin) & (peak < size - margin)).all(axis=1))


def _border(maps: Flat, peak: Int64[np.ndarray, "M 2"]) -> Float64[np.ndarray, " M"]:
    return np.where(_inside(maps, peak, margin=5), VARIANCE_FLOOR, BORDER_VARIANCE)


def _around(maps: Flat, peak: Int64[np.ndarray, "M 2"]) -> Float64[np.ndarray, "M 3 3"]:
    """The 3x3 neighbourhood of each peak; outside the map the border repeats."""
    d = np.arange(-1, 2)
    x = np.clip(peak[:, 0, None] + d, 0, maps.shape[2] - 1)
    y = np.clip(peak[:, 1, None] + d, 0, maps.shape[1] - 1)
    return np.asarray(maps[np.arange(len(maps))[:, None, None], y[:, :, None], x[:, None, :]])


def _gradient(maps: Flat, peak: Int64[np.ndarray, "M 2"], margin: int) -> tuple[np.ndarray, np.ndarray]:
    near = _around(maps, peak)
    return np.stack([near[:, 1, 2] - near[:, 1, 0], near[:, 2, 1] - near[:, 0, 1]], axis=1), _inside(maps, peak, margin)


def _noise(maps: Flat) -> Float64[np.ndarray, " M"]:
    """The deviation of the background, by the median absolute deviation of every other pixel."""
    sample = maps[:, ::2, ::2].reshape(len(maps), -1)
    return np.asarray(1.4826 * np.median(np.abs(sample - np.median(sample, axis=1, keepdims=True)), axis=1))


def _window(maps: Flat, peak: Int64[np.ndarray, "M 2"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (M, n) in a square about each peak, zero outside the map, and their coordinates x and y (M, n)."""
    r = MAX_SHAPE_RADIUS
    dy, dx = (d.ravel() for d in np.mgrid[-r : r + 1, -r : r + 1])
    x, y = peak[:, :1] + dx, peak[:, 1:] + dy
    inside = (x >= 0) & (x < maps.shape[2]) & (y >= 0) & (y < maps.shape[1])
    index = np.where(inside, y * maps.shape[2] + x, 0)
    return np.where(inside, np.take_along_axis(maps.reshape(len(maps), -1), index, 1), 0.0), x, y


def _moments(
    maps: Flat, peak: Int64[np.ndarray, "M 2"], centre: Float64[np.ndarray, "M 2"], steps: int, move: bool = True
) -> tuple[Float64[np.ndarray, "M 2"], Float64[np.ndarray, "M 2 2"]]:
    """Mean and covariance of each blob by adaptive moments: Gaussian weights that take on the blob's own shape.

    Weights of covariance W see a Gaussian blob S as (S^-1 + W^-1)^-1, from which S follows; once W = S the mean moves
    half of the way to the blob's, so twice the step is taken.
    """
    window, x, y = _window(maps, peak)
    height, width = maps.shape[1:]
    c = centre.copy()
    S = np.zeros((len(maps), 2, 2)) + 4.0 * np.eye(2)
    for _ in range(steps):
        dx, dy = x - c[:, :1], y - c[:, 1:]
        # Beside the border a pixel whose mirror image about c lies outside the map stands for both: it moves no mean.
        mirrored = (x - dx * 2 > -0.5) & (x - dx * 2 < width - 0.5) & (y - dy * 2 > -0.5) & (y - dy * 2 < height - 0.5)
        W = np.linalg.inv(S)
        distance = W[:, 0, 0, None] * dx**2 + 2 * W[:, 0, 1, None] * dx * dy + W[:, 1, 1, None] * dy**2
        weight = window * np.exp(-0.5 * distance)
        both = np.where(mirrored, weight, 2 * weight)
        mass = np.maximum(both.sum(axis=1, keepdims=True), 1e-12)
        weight *= mirrored
        step = np.stack([(weight * dx).sum(axis=1), (weight * dy).sum(axis=1)], axis=1) / mass
        if move:
            c += np.clip(2 * step, -1.0, 1.0)
        seen = np.stack([both * dx**2, both * dx * dy, both * dy**2], axis=1).sum(axis=2) / mass
        seen -= np.stack([step[:, 0] ** 2, step[:, 0] * step[:, 1], step[:, 1] ** 2], axis=1)
        seen = seen[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
        S = _bounded(np.linalg.inv(_bounded(seen, 0.05, 1e3)) - W)
    return np.clip(c, 0, [width - 1, height - 1]), S


def _bounded(
    matrices: Float64[np.ndarray, "M 2 2"], low: float | None = None, high: float | None = None
) -> Float64[np.ndarray, "M 2 2"]:
    """Symmetric matrices with their eigenvalues kept in a range; without one, the inverse, kept to sensible blobs."""
    values, axes = np.linalg.eigh(matrices)
    if low is None or high is None:
        largest = (MAX_SHAPE_RADIUS / 1.5) ** 2
        values = 1 / np.clip(values, 1 / largest, 1 / 0.1)
    else:
        values = np.clip(values, low, high)
    return np.asarray((axes * values[:, None, :]) @ axes.transpose(0, 2, 1))
