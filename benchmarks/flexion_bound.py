"""How well one frame can tell the flexion of fingers: the Cramer-Rao bound, with and without a model of the hand.

    python -m benchmarks flexion_bound [--seeds 0-9] [--people 1] [--pixels 4]

In the scenes of `benchmarks hands`, of angles at the two outer joints of every finger whose four joints two views see:
the median absolute error, deg, of Gaussian errors of the bound. "points" is that of free points (drawn, as an angle is
not linear in errors as large as a bone's half), "fingers" that of an estimator that knows the hand's shape and bone
lengths exactly, and looks for its pose and four angles a finger: three flexions and the abduction. No filter of single
frames does better than these; a smoother over n independent frames of a hand at rest gains the root of n.
"""

from __future__ import annotations

import argparse

import msgspec
import numpy as np
from jaxtyping import Float64
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.hands import OPTIONS, flexion
from benchmarks.wide import wide_console
from multiview.body.hands import hand_indices
from multiview.synthetic import make_studio
from multiview.synthetic.cramer_rao import cramer_rao_covariance

__all__ = ["add_arguments", "run"]

_MEDIAN = 0.6745  # of the absolute value of a Gaussian, in standard deviations
_EVERY = 5  # frames


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=[0, 1], metavar="0-9", help="first and last seed (0-1)")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--pixels", type=float, default=OPTIONS.sigma_px, help="noise of a visible joint, px (4)")


def run(args: argparse.Namespace) -> int:
    table = Table("seed", "points deg", "fingers deg", "angles")
    for seed in args.seeds:
        studio = make_studio(msgspec.structs.replace(OPTIONS, seed=seed, people=args.people, sigma_px=args.pixels))
        covariance = cramer_rao_covariance(studio)
        points, fingers = [], []
        for side in ("left", "right"):
            own = hand_indices(studio.skeleton, side)
            assert own is not None
            true, cov = studio.truth.xyz[::_EVERY, own], covariance[::_EVERY][:, own]
            seen = np.isfinite(cov[..., 0, 0])
            points.append(_of_points(true, cov, np.random.default_rng(seed)))
            fingers += [_of_model(xyz, c, s) for xyz, c, s in zip(true, cov, seen, strict=True)]
        free, model = np.concatenate(points), np.concatenate(fingers)
        table.add_row(
            str(seed), f"{np.nanmedian(free):.1f}", f"{np.nanmedian(model):.1f}", str(np.isfinite(model).sum())
        )
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


def _of_model(xyz: Float64[np.ndarray, "21 3"], cov: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Median absolute errors, deg, of the two outer flexions of fingers that are seen; the hand's pose is unknown."""
    columns = [np.tile(axis, (21, 1)) for axis in np.eye(3)] + [np.cross(axis, xyz - xyz[0]) for axis in np.eye(3)]
    lateral = xyz[5] - xyz[17]
    lateral = lateral / np.linalg.norm(lateral)
    normal = np.cross(lateral, xyz[9] - xyz[0])
    outer = []
    for first in range(1, 21, 4):
        bend = np.cross(xyz[first + 1] - xyz[first], xyz[first + 3] - xyz[first + 1])
        straight = np.linalg.norm(bend) < 1e-6
        axis = lateral if straight else bend / np.linalg.norm(bend)
        for joint, turn in ((0, normal / np.linalg.norm(normal)), (0, axis), (1, axis), (2, axis)):
            moved = np.zeros((21, 3))
            beyond = slice(first + joint + 1, first + 4)
            moved[beyond] = np.cross(turn, xyz[beyond] - xyz[first + joint])
            if joint:
                outer.append((len(columns), seen[first : first + 4].all()))
            columns.append(moved)
    J = np.stack(columns, axis=-1)  # (21, 3, 26)
    information = np.einsum("jai,jab,jbk->ik", J[seen], np.linalg.inv(cov[seen]), J[seen])
    if np.linalg.matrix_rank(information, hermitian=True) < len(information):
        return np.full(len(outer), np.nan)
    sd = np.degrees(np.sqrt(np.diag(np.linalg.inv(information))))
    return _MEDIAN * np.array([sd[column] if whole else np.nan for column, whole in outer])
