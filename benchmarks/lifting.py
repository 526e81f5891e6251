"""How near the truth people are whom one camera sees: recorded motions, and walking people of the synthetic studio.

    python -m benchmarks lifting [--motions FOLDER] [--networks temporal ...] [--views 8] [--noise 2] [--live]

Networks have learned from random movements only. One camera stands 4 m from the middle of a motion, 1.5 m high, in as
many directions as `--views`; keypoints are the 17 of COCO with white noise. Columns: `MPJPE` mm, the mean distance of
the joints from where they are about the middle of the hips; `aligned` mm the same after the best similarity
(Procrustes), both with the person's height known; `root` %, the mean distance of that middle from its place
over that from the camera, where the height is known, the floor, or neither; `NEES` of the joints in the room, the
mean of the squared error over the covariance, which is 1 if that is right, with the height and with the floor; and
ms a frame and person on one core. Baselines: the mean of the training poses, and the training pose whose keypoints are
nearest, as they are in the view.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from jaxtyping import Float64
from rich import box
from rich.table import Table

from benchmarks.studios import LEAST_MOTION_S, MOTIONS
from benchmarks.wide import wide_console
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.data import NS_PER_S, Keypoints2D, TimeNs, Tracks, Views
from multiview.geometry.rigid import nearest_rotation
from multiview.learn.lifting_data import HIPS, movements, sample_batch
from multiview.lifting.lifter import Lifter, lift_views
from multiview.lifting.network import NETWORKS
from multiview.lifting.windows import BEFORE, FRAMES, JOINTS, view_windows
from multiview.synthetic import StudioOptions
from multiview.synthetic.anatomy import joint_positions, random_build
from multiview.synthetic.motion import posture_of
from multiview.synthetic.paths import simulate_paths
from multiview.synthetic.recorded_motion import read_motion
from multiview.synthetic.rigs import looking_at

__all__ = ["add_arguments", "run"]

DISTANCE_M, HEIGHT_M, FOCAL_PX, FPS = 4.0, 1.5, 800.0, 30.0
SIZE, LEAST_DISTANCE_M = (1920, 1080), 2.0
TRAINING_POSES = 20_000  # that baselines know
KNOWN = ("height", "floor", "neither")
SYNTHETIC, SYNTHETIC_S = 4, 6.0  # people, and how long each does something


class Clip(NamedTuple):
    """One person's motion, (T, J, 3) m, the floor at z = 0, and how tall the person is."""

    name: str
    xyz: Float64[np.ndarray, "T J 3"]
    height_m: float


class Errors(NamedTuple):
    """Of T lifted frames of J joints: m, m, a share of the distance, and NEES; and ms a frame."""

    relative: Float64[np.ndarray, "T J"]
    aligned: Float64[np.ndarray, "T J"]
    root: Float64[np.ndarray, " T"]
    nees: Float64[np.ndarray, "T J"]
    ms: float


def clips(folder: Path) -> Iterator[Clip]:
    """People of the synthetic studio, then every recorded motion, each by another body."""
    for seed in range(SYNTHETIC):
        rng = np.random.default_rng([7, seed])
        build, instants = random_build(rng), round(SYNTHETIC_S * FPS)
        paths = simulate_paths(1, instants, FPS, 3.0, StudioOptions(people=1), rng)
        posture = posture_of(paths, 0, build, FPS, rng)
        yield Clip("synthetic", joint_positions(build, posture, JOINTS), build.height)
    for n, path in enumerate(sorted(folder.glob("*.txt"))):
        motion = read_motion(path)
        build = random_build(np.random.default_rng([8, n]))
        seconds = max(LEAST_MOTION_S, motion.seconds) if motion.loops else motion.seconds
        posture = motion.posture(build, np.arange(round(seconds * FPS)) / FPS)
        yield Clip(path.stem.removeprefix("humanoid3d_"), joint_positions(build, posture, JOINTS), build.height)


def camera_at(clip: Clip, azimuth: float) -> Camera:
    """One that looks at the middle of a motion; further off where people would run into it."""
    middle, direction = clip.xyz.reshape(-1, 3).mean(axis=0), np.array([np.cos(azimuth), np.sin(azimuth)])
    nearest = float(((clip.xyz[..., :2] - middle[:2]) @ direction).max())
    centre = np.array([*(middle[:2] + max(DISTANCE_M, nearest + LEAST_DISTANCE_M) * direction), HEIGHT_M])
    R, t = looking_at(centre, middle)
    K = np.array([[FOCAL_PX, 0.0, (SIZE[0] - 1) / 2], [0.0, FOCAL_PX, (SIZE[1] - 1) / 2], [0.0, 0.0, 1.0]])
    return Camera("cam01", SIZE, K, np.zeros(5), R, t)


def views_of(clip: Clip, camera: Camera, noise_px: float, seed: int) -> list[Views]:
    """What the camera sees, with white noise."""
    xy = camera.project(clip.xyz) + noise_px * np.random.default_rng([9, seed]).normal(size=(*clip.xyz.shape[:2], 2))
    score = np.ones(clip.xyz.shape[1])
    return [
        Views(n, TimeNs(round(n * NS_PER_S / FPS)), (Keypoints2D(one[None], score[None]),)) for n, one in enumerate(xy)
    ]


def lifted(clip: Clip, camera: Camera, views: list[Views], known: str, network: str, live: bool) -> Errors:
    """A clip with one network, where the person's height, the floor or neither is known."""
    height_m = clip.height_m if known == "height" else 0.0
    rig = Rig((camera,))
    lifter = Lifter(rig, load_skeleton("coco17"), height_m=height_m, floor=known == "floor", network=network)
    began = time.process_time()
    ticks = [lifter.step(one) for one in views] if live else list(lift_views(lifter, views))
    ms = 1e3 * (time.process_time() - began) / len(views)
    return errors(clip, camera, ticks, ms)


def errors(clip: Clip, camera: Camera, ticks: list[Tracks], ms: float) -> Errors:
    """How far the first person of each tick is from the truth."""
    there = [tick for tick in ticks if tick.tracks]
    true = clip.xyz[[tick.tick for tick in there]]
    xyz = np.stack([tick.tracks[0].pose.xyz for tick in there])
    cov = np.stack([tick.tracks[0].pose.cov for tick in there])
    off = xyz - true
    nees = np.einsum("tji,tji->tj", off, np.linalg.solve(cov, off[..., None])[..., 0]) / 3
    root = off[:, HIPS].mean(axis=1)
    away = np.linalg.norm(true[:, HIPS].mean(axis=1) - camera.centre, axis=-1)
    relative = np.linalg.norm(off - root[:, None], axis=-1)
    return Errors(relative, _aligned(xyz, true), np.linalg.norm(root, axis=-1) / away, nees, ms)


def _aligned(xyz: Float64[np.ndarray, "T J 3"], true: Float64[np.ndarray, "T J 3"]) -> Float64[np.ndarray, "T J"]:
    """Distances m after the similarity that makes them smallest (Umeyama 1991)."""
    a, b = (one - one.mean(axis=1, keepdims=True) for one in (xyz, true))
    R = nearest_rotation(b.swapaxes(1, 2) @ a)
    turned = a @ R.swapaxes(1, 2)
    scale = (turned * b).sum(axis=(1, 2)) / (a * a).sum(axis=(1, 2))
    return np.asarray(np.linalg.norm(scale[:, None, None] * turned - b, axis=-1))


class Baselines:
    """Poses in the view about the middle of the hips, of people of the height 1, and the keypoints that show them."""

    def __init__(self) -> None:
        moved = movements(TRAINING_POSES // 20, 1)
        batch = sample_batch(moved, TRAINING_POSES, np.random.default_rng(4))
        whole = batch.windows.seen.all(axis=1)
        self.poses = (batch.xyz - batch.xyz[:, HIPS].mean(axis=1, keepdims=True))[whole]
        self.keypoints = _keypoints(batch.windows.inputs)[whole]

    def errors(self, clip: Clip, camera: Camera, views: list[Views]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Distances m about the hips, and after the best similarity, of each baseline."""
        xy = np.concatenate([one.keypoints[0].xy for one in views if one.keypoints[0] is not None])
        rays = np.repeat(camera.rays(xy)[:, None], FRAMES, axis=1)
        seen = np.zeros(rays.shape[:3], dtype=np.bool_)
        seen[:, BEFORE] = True
        windows = view_windows(rays, seen)
        true = np.einsum("nij,nkj->nki", windows.view_from_world, clip.xyz)
        true = true - true[:, HIPS].mean(axis=1, keepdims=True)
        keypoints = _keypoints(windows.inputs)
        nearest = [int(np.sum((self.keypoints - one) ** 2, axis=1).argmin()) for one in keypoints]
        mean = np.broadcast_to(self.poses.mean(axis=0), true.shape)
        guesses = {"mean pose": mean, "nearest neighbour": self.poses[nearest]}
        return {
            name: (np.linalg.norm(clip.height_m * guess - true, axis=-1), _aligned(guess, true))
            for name, guess in guesses.items()
        }


def _keypoints(inputs: np.ndarray) -> np.ndarray:
    """Those of the windows' instants, as far from the middle as the person is large."""
    own: np.ndarray = inputs[:, BEFORE, : 2 * len(JOINTS)]
    return own / np.linalg.norm(own, axis=1, keepdims=True)


def row(found: dict[str, list[Errors]]) -> dict[str, float]:
    """The figures of some trials, by what was known."""
    pooled = {
        known: [
            np.concatenate([getattr(one, field) for one in trials]) for field in ("relative", "aligned", "root", "nees")
        ]
        for known, trials in found.items()
    }
    relative, aligned, _, _ = pooled["height"]
    figures = {"MPJPE": 1e3 * float(relative.mean()), "aligned": 1e3 * float(aligned.mean())}
    figures |= {f"root {known}": 100 * float(pooled[known][2].mean()) for known in KNOWN}
    figures |= {f"NEES {known}": float(pooled[known][3].mean()) for known in KNOWN[:2]}
    return figures | {"ms": float(np.mean([one.ms for one in found["height"]]))}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--motions", type=Path, default=MOTIONS, metavar="FOLDER", help="recorded motions")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="which (all)")
    parser.add_argument("--views", type=int, default=8, help="directions of the camera (8)")
    parser.add_argument("--noise", type=float, default=2.0, help="of the keypoints, px (2)")
    parser.add_argument("--live", action="store_true", help="without the frames after an instant")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(args: argparse.Namespace) -> int:
    console, baselines = wide_console(), Baselines()
    found: dict[str, dict[str, dict[str, list[Errors]]]] = {}
    plain: dict[str, dict[str, list[tuple[np.ndarray, np.ndarray]]]] = {}
    for n, clip in enumerate(clips(args.motions)):
        for v in range(args.views):
            camera = camera_at(clip, 2 * np.pi * (v + 0.5) / args.views)
            views = views_of(clip, camera, args.noise, 100 * n + v)
            for network in args.networks:
                trials = found.setdefault(clip.name, {}).setdefault(network, {})
                for known in KNOWN:
                    trials.setdefault(known, []).append(lifted(clip, camera, views, known, network, args.live))
            for name, pair in baselines.errors(clip, camera, views).items():
                plain.setdefault(clip.name, {}).setdefault(name, []).append(pair)
    rows: list[dict[str, object]] = []
    for name in found:
        rows += [{"motion": name, "by": network, **row(trials)} for network, trials in found[name].items()]
        for baseline, pairs in plain[name].items():
            mpjpe, aligned = (1e3 * float(np.concatenate([pair[k] for pair in pairs]).mean()) for k in (0, 1))
            rows.append({"motion": name, "by": baseline, "MPJPE": mpjpe, "aligned": aligned})
    if len(found) < 2:
        console.print(f"no recorded motions in {args.motions}: only synthetic people")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="left" if column in ("motion", "by") else "right")
    for one in rows:
        table.add_row(*(_cell(column, one.get(column, "")) for column in rows[0]))
    console.print(table)
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))
    return 0


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if column in ("MPJPE", "aligned") else f"{value:.2f}" if column != "ms" else f"{value:.3f}"
