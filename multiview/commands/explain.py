"""`multiview explain`: show why the detections of one frame were grouped into people."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.commands.arguments import add_recorded_keypoints
from multiview.common.ranges import ranged

if TYPE_CHECKING:
    from multiview.body.skeleton import Skeleton
    from multiview.cameras.camera import Rig
    from multiview.data import Track, Views
    from multiview.recordings.pose_table import Poses
    from multiview.recordings.take import Take

    Read = tuple[Rig, Skeleton, Views, tuple[Track, ...] | None]

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument(
        "take",
        type=Path,
        nargs="?",
        help="a take that was recorded live, or the output of `process --save-keypoints`, instead of the options below",
    )
    add_recorded_keypoints(parser, default_rig="the take's")
    parser.add_argument(
        "--frame",
        type=ranged(int),
        required=True,
        help="number of the frame, as in the files' names or in `export --to csv`",
    )
    parser.add_argument("--out", type=Path, default=Path("explain.png"), help="image to write (default explain.png)")


def run(args: argparse.Namespace) -> int:
    """Print the table of one frame's graph and draw it."""
    from multiview.common.console import plain_console
    from multiview.drawing.explain import draw, explain, table
    from multiview.recordings.take import open_take

    live = args.take is not None and args.keypoints is None and not (args.take / "keypoints").is_dir()
    recorded = open_take(args.take) if live else None
    explanation = explain(*(_of_recording(recorded, args) if recorded and recorded.recordings() else _of_folder(args)))
    plain_console().print(table(explanation))
    draw(explanation, args.out)
    print(f"image -> {args.out}")
    return 0


def _of_recording(take: Take, args: argparse.Namespace) -> Read:
    """What fusion was given at a tick and who came out: frames of all cameras, put together by their times."""
    from multiview.cameras.rig_file import load_rig
    from multiview.errors import ConfigError
    from multiview.studio.derived import studio_skeleton
    from multiview.studio.rerun import rerun_fusion
    from multiview.studio.take_studio import take_studio

    studio, ticks = take_studio(take), []
    for fused in rerun_fusion(take, studio, args.rig):
        ticks.append(fused.views.tick)
        if ticks[-1] == args.frame:
            return load_rig(args.rig or take.rig), studio_skeleton(studio), fused.views, fused.tracks.tracks
    raise ConfigError(f"no frame {args.frame}: there are {ticks[0]} to {ticks[-1]}" if ticks else "no frame was fused")


def _of_folder(args: argparse.Namespace) -> Read:
    """A frame of recorded keypoints, and who was there by the take's poses."""
    from multiview.body.skeleton import find_skeleton
    from multiview.cameras.rig_file import load_rig
    from multiview.editing.take_poses import take_poses
    from multiview.errors import ConfigError
    from multiview.keypoint_formats import open_keypoints
    from multiview.recordings.recorded_keypoints import folder_views, frame_views

    rig_path, keypoints, fps = args.rig, args.keypoints, 25.0
    people = None
    if args.take is not None:
        poses, _ = take_poses(args.take)
        fps, people = poses.frames_per_second, _people_in(poses, args.frame)
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
    if args.frame in folders.frames and not any(camera.time_offset_s for camera in rig.cameras):
        return rig, opened.skeleton, frame_views(folders, len(rig), args.frame, fps), people
    ticks = {views.tick: views for views in folder_views(folders, rig, fps)[0]}
    if args.frame not in ticks:
        raise ConfigError(f"no frame {args.frame}: there are {min(ticks)} to {max(ticks)}")
    return rig, opened.skeleton, ticks[args.frame], people


def _people_in(poses: Poses, frame: int) -> tuple[Track, ...] | None:
    """Who was there; None where the poses have no such frame."""
    from multiview.data import TimeNs
    from multiview.recordings.pose_motion import PoseMotion

    times = poses.time_ns[poses.frame == frame]
    return PoseMotion(poses).at(TimeNs(int(times[0]))) if len(times) else None
