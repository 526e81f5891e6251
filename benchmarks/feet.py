"""Feet on the floor: how far planted ones slide, whether contacts hold feet that swing, and what errors remain.

    python -m benchmarks feet [--seeds 2-4] [--skeletons halpe26 coco17] [--motions FOLDER] [--no-floor]

One row for each scene, way of fusing, and contacts off or on, pooled over the seeds: a walker with planted feet at 30
and 60 Hz with white and correlated noise, and with `--motions` recorded clips (body25). A point of a foot is planted
while the truth moves by less than 5 cm/s, and swings faster than 30 cm/s. `slide` is the speed that is shown of planted
points less the true one, median and 90th percentile, mm/s; `held` and `fast` are the shares of frames with a contact
among those that swing, and among those faster than 50 cm/s; `found` the share with a contact among those planted.
RMSE is that of ankles and of all points of the feet, mm; NEES that of points in contact.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.wide import wide_console
from multiview.data import Tracks
from multiview.evaluation.metrics import trimmed_mean
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.planted_feet import foot_joints
from multiview.fusion.smoother import WHOLE_TAKE_S, Smoothed
from multiview.synthetic.options import StudioOptions
from multiview.synthetic.studio import Studio, make_recorded_studio, make_walker_studio
from tests.biomechanics.walking import walker
from tests.export.motion_clips import recorded_clip

__all__ = ["add_arguments", "run"]

_STILL_M_S, _SWINGS_M_S, _FAST_M_S = 0.05, 0.3, 0.5
_BEGINNING = 5  # frames that are left out


@dataclass
class _Row:
    """Figures of one scene, take by take."""

    slide: list[np.ndarray] = field(default_factory=list)
    swinging: list[np.ndarray] = field(default_factory=list)
    fast: list[np.ndarray] = field(default_factory=list)
    found: list[np.ndarray] = field(default_factory=list)
    ankles: list[np.ndarray] = field(default_factory=list)
    feet: list[np.ndarray] = field(default_factory=list)
    nees: list[np.ndarray] = field(default_factory=list)

    def add(self, studio: Studio, ticks: list[Tracks]) -> None:
        joints = foot_joints(studio.skeleton)
        T, F = studio.frames, len(joints)
        xyz, cov, contact = np.full((T, F, 3), np.nan), np.full((T, F, 3, 3), np.nan), np.zeros((T, F), dtype=bool)
        for tick in ticks:
            for track in tick.tracks:
                xyz[tick.tick], cov[tick.tick] = track.pose.xyz[joints], track.pose.cov[joints]
                if track.pose.contact is not None:
                    contact[tick.tick] = track.pose.contact[joints]
        true = studio.truth.xyz[:, joints]
        speed = np.linalg.norm(np.gradient(true, axis=0), axis=-1) * studio.fps
        still = speed < _STILL_M_S
        step = np.linalg.norm(np.diff(xyz - true, axis=0), axis=-1) * studio.fps
        self.slide.append(step[still[1:] & still[:-1]])
        self.swinging.append(contact[speed > _SWINGS_M_S])
        self.fast.append(contact[speed > _FAST_M_S])
        self.found.append(contact[still])
        off = (xyz - true)[_BEGINNING:]
        ankles = [f for f, j in enumerate(joints) if studio.skeleton.joints[j].endswith("ankle")]
        self.ankles.append((off[:, ankles] ** 2).sum(-1).ravel())
        self.feet.append((off**2).sum(-1).ravel())
        there = contact[_BEGINNING:] & np.isfinite(off[..., 0])
        scaled = np.linalg.solve(cov[_BEGINNING:][there], off[there][..., None])[..., 0]
        self.nees.append((off[there] * scaled).sum(-1) / 3)

    def figures(self) -> Iterator[float]:
        slide = 1e3 * np.concatenate(self.slide)
        yield float(np.nanmedian(slide))
        yield float(np.nanpercentile(slide, 90))
        for marks in (self.swinging, self.fast, self.found):
            every = np.concatenate(marks)
            yield 100 * float(every.mean()) if len(every) else 0.0
        for squares in (self.ankles, self.feet):
            yield 1e3 * float(np.sqrt(np.nanmean(np.concatenate(squares))))
        nees = np.concatenate(self.nees)
        yield trimmed_mean(nees) if len(nees) else float("nan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=[2, 3], metavar="0-9", help="first and last seed (2-3)")
    parser.add_argument("--skeletons", nargs="*", default=["halpe26", "coco17"])
    parser.add_argument("--motions", type=Path, help="folder of recorded clips (humanoid3d_*.txt)")
    parser.add_argument("--no-floor", action="store_true", help="the rig does not know where up is")


def run(args: argparse.Namespace) -> int:
    table = Table("scene", "fused", "contacts", "slide", "p90", "held %", "fast %", "found %", "ankles", "feet", "NEES")
    for name, studios in _scenes(args):
        rows = {(smooth, find): _Row() for smooth in (False, True) for find in (False, True)}
        for studio in studios:
            if args.no_floor:
                studio.rig = replace(studio.rig, world="camera")
            for (smooth, find), row in rows.items():
                row.add(studio, _fused(studio, smooth, find))
        for (smooth, find), row in rows.items():
            cells = [f"{value:.1f}" for value in row.figures()]
            table.add_row(name, "smooth" if smooth else "live", "on" if find else "off", *cells)
    wide_console().print(table)
    return 0


def _scenes(args: argparse.Namespace) -> Iterator[tuple[str, list[Studio]]]:
    for skeleton in args.skeletons:
        for fps in (30.0, 60.0):
            for correlation in (0.0, 0.85):
                studios = []
                for seed in args.seeds:
                    person = replace(walker(seed), start=-2.6 * np.array([np.cos(0.5), np.sin(0.5)]))
                    options = StudioOptions(
                        people=1, seconds=4.4, fps=fps, seed=seed, skeleton=skeleton, correlation=correlation
                    )
                    studios.append(make_walker_studio(options, person))
                yield f"{skeleton} {fps:.0f} Hz {'correlated' if correlation else 'white'}", studios
    for path in sorted(args.motions.glob("humanoid3d_*.txt")) if args.motions else ():
        xyz = recorded_clip(path, 30.0).xyz
        xyz = xyz - [*xyz[:, :, :2].mean(axis=(0, 1)), xyz[..., 2].min()]
        yield (
            path.stem.partition("_")[2],
            [
                make_recorded_studio(StudioOptions(people=1, fps=30.0, seed=seed, skeleton="body25"), xyz)
                for seed in args.seeds
            ],
        )


def _fused(studio: Studio, smooth: bool, find: bool) -> list[Tracks]:
    pipeline = Pipeline(studio.rig, studio.skeleton, contacts=find)
    if not smooth:
        return [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]
    smoothed = Smoothed(pipeline, round(WHOLE_TAKE_S * studio.fps), round(10 * studio.fps))
    return [tick for frame in range(studio.frames) for tick in smoothed.step(studio.views(frame))] + smoothed.finish()
