"""The least errors of rays through lenses that people tell: the Cramer-Rao bound with bones that keep their lengths.

Every joint of every frame is a free point, as in `calibration_people.bound`. Where the principal point is unknown, it
and the focal length are nearly exchangeable with a turn; lengths of bones, constant and unknown, are what tells them
apart. They couple the joints of a frame, so that frames are the blocks that are eliminated.

Letters in shapes: C cameras, T frames, P people, J joints, B bones, U unknowns of a camera: turn, shift, time offset
and lens.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calib.people.lens_freedom import LensGuess
from multiview.body.actor import BONE_LENGTHS
from multiview.cameras.camera import Camera
from multiview.geometry.rigid import nearest_rotation
from multiview.synthetic import Studio

__all__ = ["by_lens", "least_rays_px", "prior_sigma", "ray_errors_px", "used_pixels"]


_BONE_SIGMA = 0.005  # relative, of the lengths: noise says far less of a single instant
_DRAWS, _AT_ONCE, _GAUGE = 40, 200, 8  # a similarity and a common time are free
_FIRST_LENS = 7  # of a camera's unknowns
_NOTHING = 1e-4  # 1/m^2, of a joint that nobody sees


def least_rays_px(studio: Studio, first_s: float, seconds: float) -> tuple[np.ndarray, float]:
    """The least error of rays, by the measure of `ray_errors_px`, with everything of the lenses unknown.

    Args:
        studio: What was filmed.
        first_s: s, when the recording begins.
        seconds: How long it is.

    Returns:
        (C,) px, mean of the median over the used picture; and the mean of the worst camera's.
    """
    covariance = _lens_covariance(studio, first_s, seconds)
    rng = np.random.default_rng(0)
    off = np.empty((_DRAWS, len(studio.rig)))
    for c, camera in enumerate(studio.rig.cameras):
        values, vectors = np.linalg.eigh(covariance[c])
        pixels = used_pixels(camera, studio)
        for n in range(_DRAWS):
            step = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.normal(size=len(values)))
            off[n, c] = np.median(ray_errors_px(_with(camera, step), camera, pixels))
    return off.mean(axis=0), float(off.max(axis=1).mean())


def _with(camera: Camera, step: np.ndarray) -> Camera:
    """A camera whose lens is off by a step of what `by_lens` derives by."""
    K, dist = camera.K.copy(), camera.dist.copy()
    K[[0, 1], [0, 1]] *= 1 + step[0] + np.array([0.0, step[3]])
    K[:2, 2] += step[4:]
    dist[:2] += step[1:3]
    return replace(camera, K=K, dist=dist)


def _lens_covariance(studio: Studio, first_s: float, seconds: float) -> np.ndarray:
    """(C, 6, 6) of what `by_lens` derives by."""
    first, count = int(first_s * studio.fps), int(seconds * studio.fps)
    times = (first + np.arange(count)) / studio.fps
    xyz = np.nan_to_num(studio.true_at(times))
    speed = np.nan_to_num(studio.true_at(times + 1e-3) - studio.true_at(times - 1e-3)) / 2e-3
    frames, people, joints = xyz.shape[:3]
    cameras = len(studio.rig)
    U = _FIRST_LENS + len(prior_sigma(studio.rig.cameras[0]))
    S = cameras * U + people * len(BONE_LENGTHS)
    shared = np.zeros((S, S))
    cross = np.zeros((frames * people, S, 3 * joints))
    points = np.zeros((frames * people, joints, 3, joints, 3))
    seen = np.zeros((frames, people, joints), dtype=int)
    for c, camera in enumerate(studio.rig.cameras):
        J, P, use = _derivatives(studio, c, slice(first, first + count), xyz, speed)
        seen += use
        own = slice(c * U, (c + 1) * U)
        shared[own, own] += np.einsum("tpjxa,tpjxb->ab", J, J)
        lens = np.arange(c * U + _FIRST_LENS, (c + 1) * U)
        shared[lens, lens] += 1 / prior_sigma(camera) ** 2
        each = np.arange(joints)
        points[:, each, :, each] += np.einsum("tpjxa,tpjxb->jtpab", P, P).reshape(joints, -1, 3, 3)
        cross[:, own] += np.einsum("tpjxa,tpjxb->tpajb", J, P).reshape(-1, U, 3 * joints)
    points = points.reshape(-1, 3 * joints, 3 * joints)
    _add_bones(shared, cross, points, xyz, seen, studio.skeleton.joints, cameras * U)
    points += _NOTHING * np.eye(3 * joints)
    for n in range(0, len(points), _AT_ONCE):
        some = cross[n : n + _AT_ONCE]
        shared -= np.einsum("nas,nsb->ab", some, np.linalg.solve(points[n : n + _AT_ONCE], np.swapaxes(some, 1, 2)))
    covariance = _inverse(shared)[: cameras * U, : cameras * U].reshape(cameras, U, cameras, U)
    return np.stack([covariance[c, _FIRST_LENS:, c, _FIRST_LENS:] for c in range(cameras)])


def _add_bones(
    shared: np.ndarray, cross: np.ndarray, points: np.ndarray, xyz: np.ndarray, seen: np.ndarray,
    joints: tuple[str, ...], first: int,
) -> None:  # fmt: skip
    """Each bone of each person has one length, an unknown from place `first` on; where both ends are seen by two."""
    frames, people = xyz.shape[:2]
    person, row = np.tile(np.arange(people), frames), np.arange(frames * people)
    flat, twice = xyz.reshape(len(row), -1, 3), seen.reshape(len(row), -1) >= 2
    for b, (start, end) in enumerate((joints.index(a), joints.index(z)) for a, z in BONE_LENGTHS.values()):
        both = twice[:, start] & twice[:, end]
        along = flat[:, end] - flat[:, start]
        along = along / np.maximum((along**2).sum(axis=1, keepdims=True), 1e-6) * both[:, None] / _BONE_SIGMA
        by_points = np.zeros_like(flat)
        by_points[:, end], by_points[:, start] = along, -along
        by_points = by_points.reshape(len(row), -1)
        points += by_points[:, :, None] * by_points[:, None]
        place = first + person * len(BONE_LENGTHS) + b
        np.add.at(shared, (place, place), both / _BONE_SIGMA**2)
        cross[row, place] -= by_points / _BONE_SIGMA


def _inverse(information: np.ndarray) -> np.ndarray:
    """Without the directions that nothing tells."""
    size = 1 / np.sqrt(np.maximum(np.diag(information), 1e-12))
    values, vectors = np.linalg.eigh(information * np.outer(size, size))
    vectors = vectors[:, _GAUGE:] * size[:, None]
    return np.asarray((vectors / np.maximum(values[_GAUGE:], 1e-12)) @ vectors.T)


def _derivatives(
    studio: Studio, c: int, part: slice, xyz: np.ndarray, speed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T, P, J, 2, U) of the pixels by a camera, (T, P, J, 2, 3) by the points, in deviations; which are seen."""
    camera, observed, people = studio.rig.cameras[c], studio.observations(c), xyz.shape[1]
    use = (observed.joint_actor[part, :people] == np.arange(people)[:, None]) & ~observed.outlier[part, :people]
    use &= (observed.found[part, :people] & ~observed.swapped[part, :people])[..., None]
    use &= np.isfinite(observed.xy[part, :people, :, 0])
    weight = np.nan_to_num(np.where(use, 1 / observed.sigma[part, :people], 0.0))[..., None, None]
    projected, P = (np.nan_to_num(value) for value in camera.project_with_jacobian(xyz))
    P = P * weight
    shift = P @ camera.R.T
    turn = np.cross((xyz @ camera.R.T)[..., None, :], shift)
    lens = by_lens(camera, xyz, projected) * weight
    return np.concatenate([turn, shift, P @ speed[..., None], lens], axis=-1), P, use


def by_lens(camera: Camera, xyz: np.ndarray, projected: np.ndarray) -> np.ndarray:
    """(..., 2, 6) derivatives of pixels by relative focal length, two radial coefficients, the pixels' aspect and the
    principal point."""
    x = np.nan_to_num(xyz @ camera.R.T + camera.t, nan=1.0)
    ideal = x[..., :2] / x[..., 2:]
    square = (ideal**2).sum(axis=-1, keepdims=True)
    pixels = ideal * camera.K[[0, 1], [0, 1]]
    off = projected - camera.K[:2, 2]
    columns = [off, pixels * square, pixels * square**2, off * [0.0, 1.0]]
    centre = np.broadcast_to(np.eye(2), (*xyz.shape[:-1], 2, 2))
    return np.concatenate([np.stack(columns, axis=-1), centre], axis=-1)


def prior_sigma(camera: Camera) -> np.ndarray:
    """(6,) of what `by_lens` derives by, as `LensGuess` has them."""
    prior = LensGuess()
    return np.array(
        [prior.focal, prior.radial, prior.radial / 2, prior.aspect, *(2 * [prior.principal * camera.size[0]])]
    )


def ray_errors_px(found: Camera, truth: Camera, pixels: np.ndarray) -> np.ndarray:
    """By how much each pixel's ray is off when the camera is turned so that they fit best: a turn takes up most of an
    error of the principal point."""
    a, b = truth.rays(pixels), found.rays(pixels)
    turned = b @ nearest_rotation(a.T @ b).T
    return np.asarray(truth.K[0, 0] * np.linalg.norm(turned - a, axis=1))


def used_pixels(camera: Camera, studio: Studio) -> np.ndarray:
    """A grid over the part of the picture in which people were."""
    xy = camera.project(studio.true_at(np.arange(0, 11.0, 0.1)).reshape(-1, 3))
    inside = xy[((xy >= 0) & (xy < camera.size)).all(axis=1)]
    low, high = np.percentile(inside, [1, 99], axis=0)
    return np.stack(np.meshgrid(*np.linspace(low, high, 20).T), axis=-1).reshape(-1, 2)
