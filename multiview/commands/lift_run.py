"""The work of `multiview lift`, and of `process` with one camera: from one camera's 2D poses to poses.parquet."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from multiview.body.skeleton import Skeleton, save_own_skeleton
from multiview.cameras.camera import Rig
from multiview.commands.fuse_run import save_rig_beside
from multiview.commands.fusion_choices import FusionChoices
from multiview.common.json_file import write_json
from multiview.data import Views
from multiview.errors import ConfigError
from multiview.fusion.pipeline import PipelineOptions
from multiview.lifting.lifter import Lifter, lift_views
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.recorded_keypoints import Recording, recorded_views

__all__ = ["LiftChoices", "lift_and_write", "lift_recording", "one_camera"]


class LiftChoices(NamedTuple):
    """What is known of people whom one camera sees: their height, m (0: unknown), and whether z = 0 is the floor."""

    height_m: float = 0.0
    floor: bool = True


def one_camera(rig: Rig, name: str, giving: list[str]) -> Rig:
    """The rig of the one camera that is lifted.

    Args:
        rig: With it, and perhaps others.
        name: Its name; empty: the only one that gives anything.
        giving: Those that give something.

    Returns:
        A rig of one camera.

    Raises:
        ConfigError: There is no such camera, or several give something and none is named.
    """
    if not name and len(giving) != 1:
        several = f"{len(giving)} cameras have keypoints ({', '.join(giving)}): name one with --camera"
        raise ConfigError((several + ", or fuse them all") if giving else "no camera has keypoints: check the folder")
    return replace(rig, cameras=(rig.cameras[rig.index(name or giving[0])],))


def lift_and_write(
    rig: Rig,
    skeleton: Skeleton,
    views: Iterable[Views],
    choices: LiftChoices,
    options: PipelineOptions,
    out: Path,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Lift a recording, and write the folder `out`: poses.parquet, rig.toml, summary.json and a skeleton of one's own.

    Args:
        rig: Of one camera.
        skeleton: Of its keypoints.
        views: What it saw.
        choices: What is known of people and floor.
        options: Of the tracks.
        out: The folder.
        extra: Goes into the summary, too.

    Returns:
        The summary.
    """
    lifter = Lifter(rig, skeleton, options, choices.height_m, choices.floor)
    views = list(views)
    began = time.perf_counter()
    ticks = list(lift_views(lifter, views))
    ms = 1e3 * (time.perf_counter() - began) / max(len(ticks), 1)
    poses = Poses.from_tracks(ticks, skeleton)
    write_poses(poses, out / "poses.parquet")
    save_own_skeleton(skeleton, out)
    save_rig_beside(rig, out)
    heights = {str(number): round(float(np.exp(one.log_m)), 3) for number, one in lifter.heights.items()}
    placed_by = "height" if choices.height_m else "floor" if lifter.floor else "usual heights"
    summary = {
        "frames": len(ticks),
        "people": len(poses.people),
        "lifted_from": rig.names[0],
        "placed_by": placed_by,
        "heights_m": heights,
        "ms_per_frame": {"total": {"mean": ms}},
        "skeleton": skeleton.name,
        **extra,
    }
    write_json(out / "summary.json", summary)
    return summary


def lift_recording(
    rig: Rig,
    skeleton: Skeleton,
    recording: Recording,
    lifting: LiftChoices,
    choices: FusionChoices,
    out: Path,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """`lift_and_write` of the only recording of a rig's cameras, with the options of `process`.

    Args:
        rig: With its camera, and perhaps others.
        skeleton: Of its keypoints.
        recording: What it saw.
        lifting: What is known of people and floor.
        choices: Of fusion: where people may appear, and how many.
        out: The folder.
        extra: Goes into the summary, too.

    Returns:
        The summary.

    Raises:
        ConfigError: An option is given that only several cameras know.
    """
    if choices.refine_cameras or choices.independent:
        raise ConfigError("one camera is lifted: --refine-cameras and --independent are for several; leave them out")
    one = one_camera(rig, recording.camera, [])
    options = PipelineOptions(volume=choices.volume())
    views = recorded_views(one, [recording])
    seen = {"frames_with_people": {recording.camera: sum(k.people > 0 for k in recording.keypoints)}}
    return lift_and_write(one, skeleton, views, lifting, options, out, {**extra, **seen})
