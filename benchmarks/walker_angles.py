"""`python -m benchmarks.walker_angles`: joint angles of a walker fused from four cameras against those of the body.

For each angle: the error (deg RMS), the deviation that is stated (RMS), their ratio (normalised error, 1 where the
stated one is honest) and the Cramer-Rao bound of a single frame, from the noise of the detections. With OpenSim also
inverse kinematics of hip, knee and ankle, for several cut-off frequencies of the filter.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from multiview.biomechanics.joint_angles import NEVER_KNOWN
from multiview.biomechanics.measured_angles import measured_angles
from multiview.biomechanics.movement import Movement, movement
from multiview.biomechanics.musculoskeletal import build_model
from multiview.body.skeleton import load_skeleton
from multiview.export.opensim import marker_weights, solve_kinematics
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.smoother import Smoothed
from multiview.recordings.pose_table import Poses
from multiview.recordings.resample import ResampleOptions, resample_poses
from multiview.synthetic.cramer_rao import cramer_rao_covariance
from multiview.synthetic.options import StudioOptions
from multiview.synthetic.studio import Studio, make_walker_studio
from tests.biomechanics.walking import Walker, off_deg, true_angles, walker

_FLEXIONS = {"hip_flexion": "hip_flexion", "knee_angle": "knee_flexion", "ankle_angle": "ankle_dorsiflexion"}


def fused(seed: int, fps: float, skeleton: str) -> tuple[Walker, Studio, Poses]:
    """Four cameras, 4 px, smoothed."""
    person = replace(walker(seed), start=-2.6 * np.array([np.cos(0.5), np.sin(0.5)]))
    options = StudioOptions(cameras=4, people=1, seconds=4.4, fps=fps, seed=seed, skeleton=skeleton)
    studio = make_walker_studio(options, person)
    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton), 10**6)
    for frame in range(studio.frames):
        smoothed.step(studio.views(frame))
    return person, studio, Poses.from_tracks(smoothed.finish(), load_skeleton(skeleton))


def single_frame(studio: Studio, moving: Movement) -> dict[str, np.ndarray]:
    """The deviation of each angle from one frame alone, as the noise of the detections bounds it."""
    rows = np.searchsorted(studio.truth.frame, moving.first_frame + np.arange(len(moving.xyz)))
    order = [studio.truth.joints.index(joint) for joint in moving.joints]
    cov = cramer_rao_covariance(studio)[rows][:, order]
    return measured_angles(replace(moving, xyz=studio.truth.xyz[rows][:, order], cov=cov)).sd


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2))) if np.isfinite(values).any() else float("nan")


def angle_rows(person: Walker, studio: Studio, moving: Movement) -> Iterator[tuple[str, float, float, float, float]]:
    found, bound, true = measured_angles(moving), single_frame(studio, moving), true_angles(person, moving.time_s)
    for name, values in true.items():
        if name in NEVER_KNOWN or not np.isfinite(found.value[name]).any():
            continue
        off, sd = off_deg(found.value[name], values), found.sd[name]
        yield name, rms(off), rms(sd), rms(off / sd), rms(bound[name])


def kinematics(person: Walker, moving: Movement) -> dict[str, float]:
    model = build_model(moving)
    with tempfile.TemporaryDirectory() as folder:
        weights = marker_weights(moving, tuple(marker.name for marker in model.markers))
        found = solve_kinematics(moving, model, weights, Path(folder) / "walker.osim")
    true = true_angles(person, moving.time_s[found.rows])
    errors = {}
    for theirs, ours in _FLEXIONS.items():
        sides = (("left", "l"), ("right", "r"))
        off = [off_deg(found.columns[f"{theirs}_{end}"], true[f"{side}_{ours}_deg"]) for side, end in sides]
        errors[theirs] = rms(np.concatenate(off))
    return errors | {"marker_mm": 1e3 * rms(found.error_m)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[2, 3, 4])
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--skeleton", default="halpe26")
    args = parser.parse_args()
    table: dict[str, list[tuple[float, ...]]] = {}
    solved: dict[float, list[dict[str, float]]] = {}
    for seed in args.seeds:
        person, studio, poses = fused(seed, args.fps, args.skeleton)
        (number,) = poses.people
        for name, *figures in angle_rows(person, studio, movement(poses, int(number))):
            table.setdefault(name, []).append(tuple(figures))
        for cut_hz in (0.0, 12.0, 8.0, 6.0) if find_spec("opensim") else ():
            filtered = movement(resample_poses(poses, ResampleOptions(lowpass_hz=cut_hz)), int(number))
            solved.setdefault(cut_hz, []).append(kinematics(person, filtered))
    print(f"{'deg RMS':34}{'error':>8}{'stated':>8}{'ratio':>8}{'bound of one frame':>20}")
    for name, rows in table.items():
        error, stated, ratio, bound = np.sqrt(np.mean(np.square(rows), axis=0))
        print(f"{name:34}{error:8.2f}{stated:8.2f}{ratio:8.2f}{bound:20.2f}")
    for cut_hz, found in solved.items():
        means = {key: np.sqrt(np.mean([one[key] ** 2 for one in found])) for key in found[0]}
        words = ", ".join(f"{key} {value:.2f}" for key, value in means.items())
        print(f"OpenSim, {f'low-pass {cut_hz:g} Hz' if cut_hz else 'not filtered'}: {words}")


if __name__ == "__main__":
    main()
