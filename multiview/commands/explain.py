"""`multiview explain`: show why the detections of one frame were grouped into people."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.commands.arguments import add_recorded_keypoints

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    add_recorded_keypoints(parser)
    parser.add_argument("--frame", type=int, required=True, help="number of the frame, as in the files' names")
    parser.add_argument("--out", type=Path, default=Path("explain.png"), help="image to write (default explain.png)")


def run(args: argparse.Namespace) -> int:
    """Print the table of one frame's graph and draw it."""
    from rich.console import Console

    from multiview.body.skeleton import load_skeleton
    from multiview.cameras.rig_file import load_rig
    from multiview.drawing.explain import draw, explain, table
    from multiview.errors import ConfigError
    from multiview.recordings.keypoint_folder import open_keypoint_folders
    from multiview.recordings.recorded_keypoints import frame_views

    rig, skeleton = load_rig(args.rig), load_skeleton(args.skeleton)
    folders = open_keypoint_folders(args.keypoints, rig, skeleton)
    if args.frame not in folders.frames:
        raise ConfigError(f"no frame {args.frame}: there are {folders.frames[0]} to {folders.frames[-1]}")
    explanation = explain(rig, skeleton, frame_views(folders, len(rig), args.frame, 25.0))
    Console().print(table(explanation))
    draw(explanation, args.out)
    print(f"image -> {args.out}")
    return 0
