"""How well the flexion of fingers can be told, from one frame and from many: Cramer-Rao bounds.

    python -m benchmarks flexion_bound [--seeds 0-9] [--people 1] [--pixels 4]

In the scenes of `benchmarks hands`, of angles at the two outer joints of every finger whose four joints two views see:
the median absolute error, deg, of Gaussian errors of the bound. "points" is that of free points in one frame (drawn, as
an angle is not linear in errors as large as a bone's half), "fingers" that of an estimator of single frames that knows
the hand's shape and bone lengths exactly, and looks for its pose and four angles a finger: three flexions and the
abduction. "live" and "smoothed" are of one that also knows how the scene's fingers move, from the frames so far and
from all of them: they tremble about a shape that stays, in which outer
joints go together as ours are taken to (`finger_kernels`), and it is told when shapes change, though not to which.
These are posterior bounds (Tichavsky, Muravchik and Nehorai 1998, Posterior Cramer-Rao bounds for discrete-time
nonlinear filtering), with the information of the true poses and a tremble of the scene's size and duration.
"""

from __future__ import annotations

import argparse

import msgspec
import numpy as np
from jaxtyping import Float64
from rich.table import Table
from scipy.linalg import block_diag

from benchmarks.accuracy import seeds
from benchmarks.hands import OPTIONS, flexion
from benchmarks.wide import wide_console
from multiview.body.hands import hand_indices
from multiview.fusion.finger_kernels import COUPLING, COUPLING_SD
from multiview.synthetic import make_studio
from multiview.synthetic.cramer_rao import cramer_rao_covariance

__all__ = ["add_arguments", "run"]

_MEDIAN = 0.6745  # of the absolute value of a Gaussian, in standard deviations
_EVERY = 5  # frames, of those that are told from one frame each
_OUTER = np.array([4 * finger + joint for finger in range(5) for joint in (2, 3)])  # of the 20 angles of a hand
# Of the scene's fingers, by the four angles of each: the tremble (deg), how long it lasts, and what a new shape may be.
_TREMBLE_DEG, _TREMBLE_S, _SHAPE_DEG = np.tile([1.0, 3.0, 3.0, 2.0], 5), 0.4, 40.0
_CHANGES_DEG_S = 60.0  # of the fastest angle: the tremble alone is a tenth as fast


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=[0, 1], metavar="0-9", help="first and last seed (0-1)")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--pixels", type=float, default=OPTIONS.sigma_px, help="noise of a visible joint, px (4)")


def run(args: argparse.Namespace) -> int:
    table = Table("seed", "points deg", "fingers deg", "live deg", "smoothed deg", "angles")
    for seed in args.seeds:
        studio = make_studio(msgspec.structs.replace(OPTIONS, seed=seed, people=args.people, sigma_px=args.pixels))
        covariance = cramer_rao_covariance(studio)
        points: list[np.ndarray] = []
        model: dict[str, list[np.ndarray]] = {"fingers": [], "live": [], "smoothed": []}
        for side in ("left", "right"):
            own = hand_indices(studio.skeleton, side)
            assert own is not None
            for actor in np.unique(studio.truth.actor):
                rows = studio.truth.actor == actor
                true, cov = studio.truth.xyz[rows][:, own], covariance[rows][:, own]
                seen = np.isfinite(cov[..., 0, 0])
                points.append(_of_points(true[::_EVERY], cov[::_EVERY], np.random.default_rng(seed)))
                information = np.stack([_information(*frame) for frame in zip(true, cov, seen, strict=True)])
                whole = np.repeat(seen[:, 1:].reshape(-1, 5, 4).all(axis=2), 2, axis=1)
                single = np.array([_standard_deviations(one) for one in information[::_EVERY]])
                model["fingers"].append(np.where(whole[::_EVERY], single, np.nan))
                for name, sd in zip(("live", "smoothed"), _over_time(true, information, studio.fps), strict=True):
                    model[name].append(np.where(whole, sd, np.nan))
        cells = [np.nanmedian(np.concatenate(points))]
        cells += [_MEDIAN * np.nanmedian(np.concatenate(sds)) for sds in model.values()]
        table.add_row(str(seed), *(f"{cell:.1f}" for cell in cells), str(np.isfinite(model["live"]).sum()))
    wide_console().print(table)
    return 0


def _of_points(true: Float64[np.ndarray, "T 21 3"], cov: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Absolute errors, deg, of angles between points that are drawn."""
    known = np.isfinite(cov[..., 0, 0])
    drawn = np.full_like(true, np.nan)
    root = np.linalg.cholesky(cov[known])
    drawn[known] = true[known] + (root @ rng.normal(size=(len(root), 3, 1)))[..., 0]
    off: np.ndarray = np.abs(_angles(drawn) - _angles(true)).ravel()
    return off[np.isfinite(off)]


def _angles(hand: Float64[np.ndarray, "T 21 3"]) -> Float64[np.ndarray, "T 10"]:
    """As `benchmarks hands` has them, of one hand."""
    return flexion(np.concatenate([hand, hand], axis=1))[:, :10]


def _information(xyz: Float64[np.ndarray, "21 3"], cov: np.ndarray, seen: np.ndarray) -> Float64[np.ndarray, "20 20"]:
    """What one frame tells of the angles of a hand, 1/rad^2, of each finger abduction and flexions, at any pose."""
    columns = [np.tile(axis, (21, 1)) for axis in np.eye(3)] + [np.cross(axis, xyz - xyz[0]) for axis in np.eye(3)]
    lateral = xyz[5] - xyz[17]
    lateral = lateral / np.linalg.norm(lateral)
    normal = np.cross(lateral, xyz[9] - xyz[0])
    for first in range(1, 21, 4):
        bend = np.cross(xyz[first + 1] - xyz[first], xyz[first + 3] - xyz[first + 1])
        straight = np.linalg.norm(bend) < 1e-6
        axis = lateral if straight else bend / np.linalg.norm(bend)
        for joint, turn in ((0, normal / np.linalg.norm(normal)), (0, axis), (1, axis), (2, axis)):
            moved = np.zeros((21, 3))
            beyond = slice(first + joint + 1, first + 4)
            moved[beyond] = np.cross(turn, xyz[beyond] - xyz[first + joint])
            columns.append(moved)
    J = np.stack(columns, axis=-1)  # (21, 3, 26)
    whole = np.einsum("jai,jab,jbk->ik", J[seen], np.linalg.inv(cov[seen]), J[seen])
    return np.asarray(whole[6:, 6:] - whole[6:, :6] @ np.linalg.pinv(whole[:6, :6], hermitian=True) @ whole[:6, 6:])


def _standard_deviations(information: Float64[np.ndarray, "20 20"]) -> Float64[np.ndarray, " 10"]:
    """deg, of the outer angles from one frame; NaN where it does not determine all."""
    if np.linalg.cond(information) > 1e12:
        return np.full(10, np.nan)
    return np.degrees(np.sqrt(np.diag(np.linalg.inv(information))))[_OUTER]


def _over_time(
    true: Float64[np.ndarray, "T 21 3"], information: Float64[np.ndarray, "T 20 20"], fps: float
) -> tuple[Float64[np.ndarray, "T 10"], Float64[np.ndarray, "T 10"]]:
    """deg, standard deviations of the outer angles from the frames so far, and from all.

    Each angle is a shape plus a tremble, a Markov process of second order (Matern 3/2) with its rate. States are the
    20 shapes, trembles and rates.
    """
    angles = np.unwrap(np.radians(_angles(true)), axis=0)
    changes = np.degrees(np.abs(np.gradient(angles, axis=0))).max(axis=1) * fps > _CHANGES_DEG_S
    shape, tremble = _shapes(), np.diag(np.radians(_TREMBLE_DEG) ** 2)
    # The scene's tremble is white noise under a Gaussian of this width: its rate's variance is that over 2 width^2.
    rate = 1.0 / (np.sqrt(2.0) * _TREMBLE_S)
    stationary = block_diag(shape, tremble, rate**2 * tremble)
    e, h = np.exp(-rate / fps), 1.0 / fps
    small = np.array([[1.0, 0.0, 0.0], [0.0, e * (1 + rate * h), e * h], [0.0, -(rate**2) * h * e, e * (1 - rate * h)]])
    F = np.kron(small, np.eye(20))
    Q = stationary - F @ stationary @ F.T
    G = np.concatenate([np.eye(20), np.eye(20), np.zeros((20, 20))])  # states to angles
    filtered, predicted = [], []
    P = stationary
    for k, told in enumerate(information):
        P = stationary if k == 0 else F @ P @ F.T + Q
        if changes[k]:
            P = P.copy()
            P[:20], P[:, :20] = 0.0, 0.0
            P[:20, :20] = shape
        predicted.append(P)
        P = np.linalg.inv(np.linalg.inv(P) + G @ told @ G.T)
        filtered.append(P)
    smoothed = [filtered[-1]]
    for k in range(len(filtered) - 2, -1, -1):
        step = F.copy()
        if changes[k + 1]:
            step[:20] = 0.0  # the next shape is another
        gain = filtered[k] @ step.T @ np.linalg.inv(predicted[k + 1])
        smoothed.append(filtered[k] + gain @ (smoothed[-1] - predicted[k + 1]) @ gain.T)
    live, late = (np.array([np.diag(G.T @ P @ G)[_OUTER] for P in way]) for way in (filtered, smoothed[::-1]))
    return np.degrees(np.sqrt(live)), np.degrees(np.sqrt(late))


def _shapes() -> Float64[np.ndarray, "20 20"]:
    """rad^2, covariance of a shape's angles: wide, but for outer joints of fingers, which follow those before them."""
    shape = np.diag(np.full(20, np.radians(_SHAPE_DEG) ** 2))
    for middle, outer in _OUTER.reshape(5, 2)[1:]:  # a thumb's joints are free
        shape[outer, middle] = shape[middle, outer] = COUPLING * shape[middle, middle]
        shape[outer, outer] = COUPLING**2 * shape[middle, middle] + COUPLING_SD**2
    return shape
