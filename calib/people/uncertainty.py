"""What the covariance of a rig means: deviations of every camera after the best alignment, millimetres in the room."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from calib.people.joint_bundle import SHIFT, TURN, JointBundle, RigState
from multiview.geometry.rigid import cross_matrix

__all__ = ["aligned_covariance", "place_covariance", "pose_covariance", "volume_errors"]

_DRAWS = 32


def pose_covariance(bundle: JointBundle, covariance: Float64[np.ndarray, "S S"]) -> Float64[np.ndarray, "C 6 C 6"]:
    """Covariance of every camera's turn (from the left, rad) and shift; what is fixed has none."""
    places = bundle.layout()[:, TURN.start : SHIFT.stop]
    padded = np.pad(covariance, ((0, 1), (0, 1)))
    flat = padded[np.ix_(places.ravel(), places.ravel())]
    return np.asarray(flat.reshape(*places.shape, *places.shape))


def place_covariance(
    R: Float64[np.ndarray, "C 3 3"], t: Float64[np.ndarray, "C 3"], covariance: Float64[np.ndarray, "C 6 C 6"]
) -> Float64[np.ndarray, "C 6 C 6"]:
    """Covariance of every camera's turn (rad, in its own axes) and place (m, world) as the rig stands."""
    cameras = len(R)
    to_place = np.zeros((cameras, 6, 6))
    to_place[:, :3, :3] = np.eye(3)
    to_place[:, 3:, 3:] = -np.swapaxes(R, 1, 2)
    to_place[:, 3:, :3] = -np.swapaxes(R, 1, 2) @ cross_matrix(t)
    return np.asarray(np.einsum("aij,ajbk,blk->aibl", to_place, covariance, to_place))


def aligned_covariance(
    R: Float64[np.ndarray, "C 3 3"], t: Float64[np.ndarray, "C 3"], covariance: Float64[np.ndarray, "C 6 C 6"]
) -> Float64[np.ndarray, "C 6 C 6"]:
    """Covariance of every camera's turn (rad, in its own axes) and place (m, world) when the rig is moved, turned and
    scaled so that the cameras' places fit best: what no choice of world or unit can hide.

    Args:
        R: (C, 3, 3) cam_from_world.
        t: (C, 3) m.
        covariance: Of turns applied from the left, and of shifts, in any gauge.

    Returns:
        The covariance. Two cameras, whose places always fit, are aligned by their turns as well.
    """
    cameras = len(R)
    centre = -np.einsum("cki,ck->ci", R, t)
    moved = place_covariance(R, t, covariance)
    gauge = np.zeros((cameras, 6, 7))  # a turn of the world, a shift, a scale
    gauge[:, :3, :3] = -R
    gauge[:, 3:, :3] = -cross_matrix(centre)
    gauge[:, 3:, 3:6] = np.eye(3)
    gauge[:, 3:, 6] = centre
    flat = gauge.reshape(6 * cameras, 7)
    weight = np.tile([0.0, 0, 0, 1, 1, 1] if cameras > 2 else [1.0] * 6, cameras)
    best = np.linalg.pinv(flat * weight[:, None]) * weight
    left = np.eye(6 * cameras) - flat @ best
    return np.asarray((left @ moved.reshape(6 * cameras, -1) @ left.T).reshape(cameras, 6, cameras, 6))


def volume_errors(
    bundle: JointBundle,
    state: RigState,
    covariance: Float64[np.ndarray, "S S"],
    sizes: list[tuple[int, int]],
    placed: Bool[np.ndarray, " C"],
    points: Float64[np.ndarray, "P 3"],
) -> Float64[np.ndarray, " P"]:
    """Expected 3D error (m, RMS) at points, from the covariance alone, after a rigid alignment with scale.

    Args:
        bundle: The last fit.
        state: Of it.
        covariance: Of its shared unknowns.
        sizes: Of the pictures, px.
        placed: (C,) cameras that see.
        points: (P, 3) in the room.

    Returns:
        (P,) m, NaN where fewer than two cameras see the point.
    """
    cameras = np.flatnonzero(placed)
    seen, ideal = np.zeros((len(cameras), len(points)), dtype=bool), np.zeros((len(cameras), len(points), 3))
    for n, c in enumerate(cameras):
        x = points @ state.R[c].T + state.t[c]
        xy = state.lenses[c].project(x)
        seen[n] = (x[:, 2] > 0.1) & ((xy >= 0) & (xy < np.array(sizes[c]))).all(axis=1)
        ideal[n] = x / np.maximum(x[:, 2:], 0.1)
    enough = seen.sum(axis=0) >= 2
    square = np.full(len(points), np.nan)
    if enough.sum() < 4:
        return square
    values, vectors = np.linalg.eigh(covariance)
    spread = vectors * np.sqrt(np.clip(values, 0, None))
    rng, total = np.random.default_rng(0), np.zeros(int(enough.sum()))
    still = np.zeros_like(state.coefficients)
    for _ in range(_DRAWS):
        drawn = bundle.moved(state, spread @ rng.normal(size=len(values)), still)
        found = _meeting(drawn, cameras, ideal[:, enough], seen[:, enough], state)
        total += ((_similar(found, points[enough]) - points[enough]) ** 2).sum(axis=1) / _DRAWS
    square[enough] = total
    return np.sqrt(square)


def _meeting(
    drawn: RigState,
    cameras: np.ndarray,
    ideal: Float64[np.ndarray, "c P 3"],
    seen: Bool[np.ndarray, "c P"],
    state: RigState,
) -> Float64[np.ndarray, "P 3"]:
    """Points nearest to the rays that the true rig's pixels have in another rig."""
    A, b = np.zeros((ideal.shape[1], 3, 3)), np.zeros((ideal.shape[1], 3))
    for n, c in enumerate(cameras):
        focal, old = drawn.lenses[c].focal, state.lenses[c].focal
        local = ideal[n].copy()
        local[:, :2] = (local[:, :2] * old[:2] + old[2:] - focal[2:]) / focal[:2]
        ray = local @ drawn.R[c]
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        across = (np.eye(3) - ray[:, :, None] * ray[:, None]) * seen[n][:, None, None]
        A += across
        b += across @ (-drawn.R[c].T @ drawn.t[c])
    return np.asarray(np.linalg.solve(A + 1e-12 * np.eye(3), b[..., None])[..., 0])


def _similar(source: Float64[np.ndarray, "P 3"], target: Float64[np.ndarray, "P 3"]) -> Float64[np.ndarray, "P 3"]:
    """The source moved, turned and scaled to the target by the small steps that do it in first order."""
    middle = target - target.mean(axis=0)
    J = np.concatenate([-cross_matrix(middle), np.tile(np.eye(3), (len(middle), 1, 1)), middle[..., None]], axis=-1)
    step = np.linalg.lstsq(J.reshape(-1, 7), (source - target).ravel(), rcond=None)[0]
    return np.asarray(source - J @ step)
