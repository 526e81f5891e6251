"""Synthetic hands through fusion: how near the bound, how well the fingers' flexion, and whether hands are exchanged.

    python -m benchmarks hands [--seeds 0-9] [--smooth]

People clap, cross their arms and hold their hands behind their back, while detectors take one hand for the other in 5 %
of the moments when they are near each other. RMSE is per joint and sample over its single-frame Cramer-Rao bound, over
joints that are measured. Hands are exchanged in a frame where those of a person lie nearer to the other one's truth.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import msgspec
import numpy as np
from jaxtyping import Float64
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import METHODS, seeds
from multiview.body.hands import hand_indices
from multiview.evaluation import metrics
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.cramer_rao import cramer_rao_covariance

__all__ = ["OPTIONS", "add_arguments", "flexion", "run"]

OPTIONS = StudioOptions(
    cameras=5, people=1, seconds=12.0, skeleton="blazepose75", gestures=("clap", "cross", "behind"), hand_swaps=0.05
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=[0, 1], metavar="0-9", help="first and last seed (0-1)")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--smooth", action="store_true", help="smooth whole takes")


def run(args: argparse.Namespace) -> int:
    table = Table("seed", "body rmse", "hand rmse", "hand NEES", "measured %", "flexion deg", "p90", "swaps")
    method = METHODS["smooth" if args.smooth else "causal"]
    for seed in progress(args.seeds, "takes", console=Console(stderr=True), transient=True):
        studio = make_studio(_options(seed, args.people))
        covariance = cramer_rao_covariance(studio)
        bound = np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))
        comparison = metrics.compare(replace(studio.truth, bound=bound), method(studio))
        left, right = (hand_indices(studio.skeleton, side) for side in ("left", "right"))
        assert left is not None
        assert right is not None
        names = [comparison.joints.index(studio.skeleton.joints[i]) for i in (*left, *right)]
        usable = comparison.measured
        ratio = comparison.error_m / bound[comparison.truth_row]
        ratio[~(usable & np.isfinite(ratio))] = np.nan
        body = np.setdiff1d(np.arange(len(comparison.joints)), names)
        nees = metrics.nees(comparison)[:, names]
        true = studio.truth.xyz[comparison.truth_row]
        found = comparison.poses.xyz[comparison.pose_row]
        both = np.concatenate([left, right])
        off = np.abs(flexion(found[:, both]) - flexion(true[:, both]))
        off = off[np.isfinite(off)]
        table.add_row(
            str(seed),
            f"{_rms(ratio[:, body]):.3f}",
            f"{_rms(ratio[:, names]):.3f}",
            f"{metrics.trimmed_mean(nees[np.isfinite(nees)]):.2f}",
            f"{100 * usable[:, names].mean():.1f}",
            f"{np.median(off):.1f}",
            f"{np.percentile(off, 90):.1f}",
            str(_exchanged(found, true, left, right)),
        )
    Console().print(table)
    return 0


def _options(seed: int, people: int) -> StudioOptions:
    """The study's options."""
    return msgspec.structs.replace(OPTIONS, seed=seed, people=people)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


def flexion(hands: Float64[np.ndarray, "T 42 3"]) -> Float64[np.ndarray, "T F"]:
    """deg, how far each finger is bent at its two outer joints, both hands."""
    fingers = hands.reshape(len(hands), 2, 21, 3)[:, :, 1:].reshape(len(hands), 10, 4, 3)
    bones = np.diff(fingers, axis=2)
    with np.errstate(invalid="ignore"):
        bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
        cosine = np.clip((bones[:, :, 1:] * bones[:, :, :-1]).sum(-1), -1, 1)
    return np.degrees(np.arccos(cosine)).reshape(len(hands), -1)


def _exchanged(found: np.ndarray, true: np.ndarray, left: np.ndarray, right: np.ndarray) -> int:
    """Frames in which a hand lies nearer to the other one's truth than to its own, of hands that are apart."""
    wrong = np.zeros(len(found), dtype=bool)
    apart = np.linalg.norm(true[:, left].mean(axis=1) - true[:, right].mean(axis=1), axis=-1) > 0.04
    for own, other in ((left, right), (right, left)):
        to_own = np.nanmedian(np.linalg.norm(found[:, own] - true[:, own], axis=-1), axis=-1)
        to_other = np.nanmedian(np.linalg.norm(found[:, own] - true[:, other], axis=-1), axis=-1)
        wrong |= to_other < to_own
    return int((wrong & apart).sum())
