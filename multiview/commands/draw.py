"""`multiview draw`: draw 3D people over their videos, as videos or images."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.commands.arguments import add_keypoints, add_rig, add_videos, camera_names
from multiview.common.ranges import FrameRate, ranged

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument(
        "take", type=Path, nargs="?", help="a take, or the output of `process` or `fuse`, instead of the next two"
    )
    add_rig(parser, "the take's")
    parser.add_argument("--poses", type=Path, help="poses.parquet, or the folder that holds it (default: the take's)")
    add_videos(parser)
    add_keypoints(parser, purpose="to show as well (OUT/keypoints of `process --save-keypoints`)")
    parser.add_argument("--out", type=Path, required=True, help="folder for CAMERA.mp4, or for frame_NUMBER.png")
    parser.add_argument(
        "--frames", metavar="I,J,...", help="only these frames, as PNG images of all cameras side by side"
    )
    parser.add_argument(
        "--height", type=ranged(int), default=720, help="height of the drawn images, px (default 720; 0: as recorded)"
    )
    parser.add_argument(
        "--fps", type=ranged(FrameRate, zero=True), default=0.0, help="frame rate of the videos (default: their own)"
    )


def run(args: argparse.Namespace) -> int:
    """Draw every video, or the frames asked for."""
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.draw_run import Overlay, draw_pictures, draw_videos
    from multiview.commands.process_run import open_sources
    from multiview.data import FrameNumber
    from multiview.editing.take_poses import take_poses, take_rig
    from multiview.errors import ConfigError

    rig_path, poses_path = args.rig, args.poses or args.take
    if rig_path is None and args.take is not None:
        rig_path = take_rig(args.take)
    if rig_path is None or poses_path is None:
        raise ConfigError("give a take, or --rig and --poses")
    rig, (poses, table) = load_rig(rig_path), take_poses(poses_path)
    try:
        frames = sorted({FrameNumber(int(text)) for text in args.frames.split(",")}) if args.frames else []
    except ValueError:
        raise ConfigError(f"--frames {args.frames}: give frame numbers separated by commas, as in 0,25,50") from None
    sources = open_sources(rig, args.videos, camera_names(args), args.fps)
    args.out.mkdir(parents=True, exist_ok=True)
    overlay = Overlay(rig, poses, args.keypoints, args.height, table.parent)
    written = draw_pictures(overlay, sources, frames, args.out) if frames else draw_videos(overlay, sources, args.out)
    for path in written:
        print(path)
    if why := overlay.why_nobody():
        print(why)
    return 0
