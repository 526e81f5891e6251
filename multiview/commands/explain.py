"""`multiview explain`: show why the detections of one frame were grouped into people."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.commands.arguments import add_recorded_keypoints
from multiview.common.ranges import ranged

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument(
        "take", type=Path, nargs="?", help="output of `process --save-keypoints`, instead of the three options below"
    )
    add_recorded_keypoints(parser, default_rig="the take's")
    parser.add_argument("--frame", type=ranged(int), required=True, help="number of the frame, as in the files' names")
    parser.add_argument("--out", type=Path, default=Path("explain.png"), help="image to write (default explain.png)")


def run(args: argparse.Namespace) -> int:
    """Print the table of one frame's graph and draw it."""
    from multiview.body.skeleton import find_skeleton
    from multiview.cameras.rig_file import load_rig
    from multiview.common.console import plain_console
    from multiview.drawing.explain import draw, explain, table
    from multiview.editing.take_poses import take_poses
    from multiview.errors import ConfigError
    from multiview.keypoint_formats import open_keypoints
    from multiview.recordings.recorded_keypoints import frame_views

    rig_path, keypoints = args.rig, args.keypoints
    if args.take is not None:
        poses, _ = take_poses(args.take)
        rig_path, keypoints = rig_path or args.take / "rig.toml", keypoints or args.take / "keypoints"
        if not keypoints.is_dir():
            raise ConfigError(f"{args.take} has no folder keypoints: `multiview process --save-keypoints` keeps them")
        skeleton = find_skeleton(poses.skeleton, args.take)
    elif rig_path is None or keypoints is None:
        raise ConfigError("give a take, or --rig and --keypoints")
    else:
        skeleton = args.skeleton
    rig = load_rig(rig_path)
    opened = open_keypoints(keypoints, rig, skeleton, args.format)
    folders = opened.source
    if args.frame not in folders.frames:
        raise ConfigError(f"no frame {args.frame}: there are {folders.frames[0]} to {folders.frames[-1]}")
    explanation = explain(rig, opened.skeleton, frame_views(folders, len(rig), args.frame, 25.0))
    plain_console().print(table(explanation))
    draw(explanation, args.out)
    print(f"image -> {args.out}")
    return 0
