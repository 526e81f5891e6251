"""Two mice in a box: 8 joints, 6 cm, four cameras half a metre away, 1 px of noise; nothing of it is human."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import save_rig
from multiview.data import NS_PER_S, Keypoints2D, Tracks, Views
from multiview.evaluation.metrics import compare, identity_switches, normalised_rmse
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.fusion.smoother import Smoothed
from multiview.recordings.ground_truth import Truth
from multiview.recordings.pose_table import Poses, read_poses

FPS, FRAMES, SIGMA_PX = 60.0, 240, 1.0
JOINTS = ("nose", "left_ear", "right_ear", "neck", "spine", "left_hip", "right_hip", "tail_base")
BONES = ((3, 0), (3, 1), (3, 2), (3, 4), (4, 7), (7, 5), (7, 6))
# m, along the back from the tail's base, to the left, and up
SHAPE = (
    np.array([[60, 0, 8], [46, 8, 14], [46, -8, 14], [40, 0, 12], [20, 0, 16], [6, 9, 8], [6, -9, 8], [0, 0, 10.0]])
    / 1e3
)
MOUSE = Skeleton("mouse", JOINTS, BONES, ((1, 2), (5, 6)), np.full(8, 0.05), size_m=0.06)


def looking_at_the_middle(name: str, angle: float) -> Camera:
    """Half a metre from the middle of the box, 0.35 m above it."""
    centre = np.array([0.357 * np.cos(angle), 0.357 * np.sin(angle), 0.35])
    ahead = -centre / np.linalg.norm(centre)
    right = np.cross(ahead, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(ahead, right), ahead])
    K = np.array([[1100.0, 0, 640], [0, 1100, 512], [0, 0, 1]])
    return Camera(name, (1280, 1024), K, np.zeros(5), R, -R @ centre)


RIG = Rig(tuple(looking_at_the_middle(f"cam{n + 1:02d}", np.pi / 2 * n + 0.3) for n in range(4)))


def mice(passing_m: float, fps: float = FPS) -> np.ndarray:
    """(T, 2, 8, 3) m: two that run to and fro beside each other, past each other, bending as they go."""
    t = np.arange(round(FRAMES / FPS * fps)) / fps
    found = np.empty((len(t), 2, 8, 3))
    for n in range(2):
        phase = 1.3 * n
        x = 0.11 * np.sin(2 * np.pi * 0.35 * t + np.pi * n)
        y = 0.5 * passing_m * (1 - 2 * n) + 0.012 * np.sin(2 * np.pi * 0.5 * t + phase)
        heading = 0.8 * np.sin(2 * np.pi * 0.3 * t + phase) + np.pi * n
        bend = 0.35 * np.sin(2 * np.pi * 1.5 * t + phase)  # of the front against the back, rad
        for frame in range(len(t)):
            angles = heading[frame] + bend[frame] * np.clip((SHAPE[:, 0] - 0.02) / 0.02, 0, 1)
            along, across = SHAPE[:, 0] - 0.02, SHAPE[:, 1]
            found[frame, n, :, 0] = x[frame] + np.cos(angles) * along - np.sin(angles) * across
            found[frame, n, :, 1] = y[frame] + np.sin(angles) * along + np.cos(angles) * across
            found[frame, n, :, 2] = SHAPE[:, 2] + 0.002 * np.sin(2 * np.pi * 4 * t[frame] + phase)
    return found


def seen(xyz: np.ndarray, rig: Rig = RIG, fps: float = FPS) -> list[Views]:
    """What the cameras find: 1 px of noise, in the order of chance."""
    rng = np.random.default_rng(4)
    views = []
    for frame, animals in enumerate(xyz):
        found = []
        for camera in rig.cameras:
            xy = camera.project(animals) + SIGMA_PX * rng.standard_normal((*animals.shape[:2], 2))
            order = rng.permutation(len(animals))
            found.append(Keypoints2D(xy[order].astype(np.float32).astype(np.float64), np.full(xy.shape[:2], 0.9)))
        views.append(Views(frame, round(frame * NS_PER_S / fps), tuple(found)))
    return views


def truth_with_bound(xyz: np.ndarray, rig: Rig = RIG) -> Truth:
    """The truth, with what no unbiased estimator of single frames can beat (Cramer-Rao): (sum J^T J / sigma^2)^-1."""
    frames, animals = xyz.shape[:2]
    rows = xyz.reshape(-1, *xyz.shape[2:])
    information = sum(
        jacobian.swapaxes(-1, -2) @ jacobian / SIGMA_PX**2
        for jacobian in (camera.project_with_jacobian(rows)[1] for camera in rig.cameras)
    )
    bound = np.sqrt(np.trace(np.linalg.inv(information), axis1=-2, axis2=-1))
    frame, actor = np.repeat(np.arange(frames), animals), np.tile(np.arange(animals), frames)
    return Truth(frame=frame, actor=actor, xyz=rows, joints=JOINTS, bound=bound)


def fused(views: list[Views], skeleton: Skeleton = MOUSE, rig: Rig = RIG) -> list[Tracks]:
    pipeline = Pipeline(rig, skeleton, PipelineOptions())
    return [pipeline.step(one) for one in views]


@pytest.mark.parametrize(("passing_m", "fps"), [(0.08, 60.0), (0.045, 60.0), (0.08, 30.0), (0.045, 30.0)])
def test_two_mice_are_fused_better_than_one_frame_allows(passing_m: float, fps: float) -> None:
    """At 30 Hz the past says little of a mouse that shakes at 4 Hz; that its head and hips keep their shapes does."""
    xyz = mice(passing_m, fps)
    comparison = compare(truth_with_bound(xyz), Poses.from_tracks(fused(seen(xyz, fps=fps)), MOUSE))
    assert (comparison.recall, comparison.precision) == (1.0, 1.0)
    assert identity_switches(comparison) == []
    assert normalised_rmse(comparison) <= 0.8


LIMB = Skeleton(
    "limb", ("hip", "knee", "ankle", "paw", "toe"), ((0, 1), (1, 2), (2, 3), (3, 4)), (), np.full(5, 0.05), size_m=0.08
)


def limb(still_s: float) -> np.ndarray:
    """(T, 1, 5, 3) m: one that keeps its posture, then folds and stretches once in two seconds."""
    t = np.arange(round((still_s + 3.0) * FPS)) / FPS
    moving = np.clip(t - still_s, 0.0, None)
    end = np.stack([0.05 + 0.02 * np.sin(moving), 0.05 * np.cos(moving), np.full(len(t), 0.05)], axis=-1)
    found, angle = [end], np.zeros(len(t))
    for n, (length, swing) in enumerate(((0.02, 0.6), (0.025, 1.3), (0.02, 1.3), (0.01, 0.8))):
        angle = angle + (0.9 if n % 2 else -0.9) + swing * np.sin(np.pi * moving)
        end = end + length * np.stack([np.sin(angle), np.zeros(len(t)), -np.cos(angle)], axis=-1)
        found.append(end)
    return np.stack(found, axis=1)[:, None]


@pytest.mark.parametrize("still_s", [0.0, 6.0])
def test_a_limb_that_folds_is_not_taken_for_a_rigid_part(still_s: float) -> None:
    """Even after seconds in which nothing of it moved: no estimate is worse than those of its single frames."""
    xyz = limb(still_s)
    errors = np.linalg.norm([one.tracks[0].pose.xyz for one in fused(seen(xyz), LIMB)] - xyz[:, 0], axis=-1)
    moving = round(still_s * FPS)
    bound = truth_with_bound(xyz, RIG).bound
    assert np.sqrt(np.mean(errors[moving:] ** 2)) < np.sqrt(np.mean(bound[moving:] ** 2))


def test_fusion_of_animals_does_not_depend_on_their_size() -> None:
    """Mice as large as people, in a room as much larger, slower by its root, give the same poses but for rounding."""
    xyz = mice(0.08)[:60]
    grown = replace(MOUSE, size_m=30 * 0.06)
    rig = Rig(tuple(replace(camera, t=30 * camera.t) for camera in RIG.cameras))
    slower = [replace(one, time_ns=round(one.time_ns * 30**0.5)) for one in seen(30 * xyz, rig)]
    small, large = fused(seen(xyz)), fused(slower, grown, rig)
    for one, other in zip(small, large, strict=True):
        assert [track.person for track in one.tracks] == [track.person for track in other.tracks]
        for mouse, giant in zip(one.tracks, other.tracks, strict=True):
            np.testing.assert_allclose(30 * mouse.pose.xyz, giant.pose.xyz, atol=1e-6)
            np.testing.assert_allclose(900 * mouse.pose.cov, giant.pose.cov, rtol=1e-5, atol=1e-12)


def test_smoothing_of_animals_is_better_still() -> None:
    xyz = mice(0.08)[:120]
    views, found = seen(xyz), []
    smoothed = Smoothed(Pipeline(RIG, MOUSE), lag=30)
    for one in views:
        found += smoothed.step(one)
    found += smoothed.finish()
    causal = compare(truth_with_bound(xyz), Poses.from_tracks(fused(views), MOUSE))
    comparison = compare(truth_with_bound(xyz), Poses.from_tracks(found, MOUSE))
    assert normalised_rmse(comparison) < normalised_rmse(causal)


def test_an_object_of_four_points_is_fused() -> None:
    xyz = mice(0.08)[:30, :1, [0, 3, 4, 7]]
    rod = Skeleton("rod", ("a", "b", "c", "d"), ((0, 1), (1, 2), (2, 3)), (), np.full(4, 0.05), size_m=0.06)
    tracks = fused(seen(xyz), rod)
    assert [len(one.tracks) for one in tracks] == [1] * 30


def write_sleap(xyz: np.ndarray, folder: Path) -> None:
    """What SLEAP exports of a video of each camera: its analysis HDF5, tracks in the order of chance."""
    edges = np.array(BONES)
    for number, camera in enumerate(RIG.cameras):
        xy = np.stack([views.keypoints[number].xy for views in seen(xyz)])  # (frame, track, joint, xy)
        with h5py.File(folder / f"{camera.name}.analysis.h5", "w") as file:
            file["tracks"] = xy.transpose(1, 3, 2, 0)
            file["point_scores"] = np.full(xy.shape[:3], 0.9).transpose(1, 2, 0)
            file["node_names"] = np.array(JOINTS, dtype="S")
            file["edge_inds"] = edges
            file["edge_names"] = np.array(JOINTS, dtype="S")[edges]
            file["track_names"] = np.array(["a", "b"], dtype="S")
            file["video_path"] = f"videos/{camera.name}.mp4"


def test_a_sleap_recording_of_mice_is_fused_from_files_alone(tmp_path: Path) -> None:
    """Four videos' predictions and a rig: no option but the frame rate, which the files do not have."""
    xyz = mice(0.08)
    (tmp_path / "sleap").mkdir()
    write_sleap(xyz, tmp_path / "sleap")
    save_rig(RIG, tmp_path / "rig.toml")
    arguments = ["--rig", str(tmp_path / "rig.toml"), "--keypoints", str(tmp_path / "sleap"), "--fps", f"{FPS:g}"]
    assert main(["fuse", *arguments, "--out", str(tmp_path / "out")]) == 0
    comparison = compare(truth_with_bound(xyz), read_poses(tmp_path / "out"))
    assert (comparison.recall, comparison.precision) == (1.0, 1.0)
    assert identity_switches(comparison) == []
    assert normalised_rmse(comparison) <= 0.8
