"""`multiview lift`: compute 3D poses from the recorded 2D keypoints of one camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.commands.arguments import add_lifting, add_recorded_keypoints
from multiview.common.ranges import FrameRate, ranged

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    add_recorded_keypoints(parser)
    parser.add_argument("--camera", default="", metavar="NAME", help="which camera (default: the one with keypoints)")
    parser.add_argument(
        "--fps", type=ranged(FrameRate), default=25.0, help="frames per second of the recording (default 25)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for poses.parquet and summary.json")
    add_lifting(parser)


def run(args: argparse.Namespace) -> int:
    """Lift every frame and write the poses and a summary."""
    from dataclasses import replace

    from multiview.cameras.rig_file import load_rig
    from multiview.commands.lift_run import LiftChoices, lift_and_write, one_camera
    from multiview.commands.outcome import say_lifted
    from multiview.fusion.pipeline import PipelineOptions
    from multiview.keypoint_formats import open_keypoints
    from multiview.recordings.recorded_keypoints import folder_views

    rig = load_rig(args.rig)
    opened = open_keypoints(args.keypoints, rig, args.skeleton, args.format)
    for remark in opened.remarks:
        print(remark)
    silent = opened.source.cameras_without_folder()
    giving = [name for index, name in enumerate(rig.names) if index not in silent]
    one = one_camera(rig, args.camera, giving)
    index = rig.index(one.names[0])
    ticks, _ = folder_views(opened.source, rig, args.fps)
    views = [replace(tick, keypoints=(tick.keypoints[index],)) for tick in ticks]
    choices = LiftChoices(args.height, args.floor)
    summary = lift_and_write(one, opened.skeleton, views, choices, PipelineOptions(), args.out, {})
    return say_lifted(summary, args.out)
