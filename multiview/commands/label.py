"""`multiview label`: make training data, from recordings or rendered."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress

    from multiview.sources import FrameSource

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    text = "label the videos of a take with its own fused people: what several views agree on labels the others"
    take = kinds.add_parser("take", help=text, description=text.capitalize() + ".")
    take.add_argument("take", nargs="?", type=Path, help="a take's folder; or give --rig, --poses and --videos")
    take.add_argument("--rig", type=Path, help="calibration of the cameras (rig.toml)")
    take.add_argument("--poses", type=Path, help="poses.parquet of `multiview process` or `fuse`")
    take.add_argument("--videos", nargs="+", metavar="VIDEO", type=Path, help="one video per camera, named like it")
    take.add_argument("--keypoints", type=Path, metavar="DIR", help="the 2D poses, to tell visible from hidden joints")
    take.add_argument("--every", type=int, default=10, metavar="N", help="label each N-th frame (default 10)")
    take.add_argument("--views", type=int, default=2, help="rays that a joint must rest on (default 2)")
    take.add_argument(
        "--sigma-px", type=float, default=1.4, help="how uncertain a label may be in x or y, px (default 1.4)"
    )
    text = "render people, with exact labels"
    rendered = kinds.add_parser("rendered", help=text, description=text.capitalize() + ".")
    rendered.add_argument("--count", type=int, default=1000, help="pictures (default 1000)")
    rendered.add_argument("--seed", type=int, default=1)
    rendered.add_argument(
        "--held-out", action="store_true", help="postures, backgrounds and textures that training never shows"
    )
    for parser_ in (take, rendered):
        parser_.add_argument("--out", type=Path, required=True, metavar="DIR", help="for annotations.json and images/")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    console = Console()
    with Progress(console=console, transient=True) as bar:
        if args.kind == "rendered":
            from multiview.learn.rendered_set import write_rendered_set

            task = bar.add_task("rendering", total=args.count)
            people = write_rendered_set(
                args.out, args.count, args.seed, args.held_out, watch=lambda n: bar.update(task, completed=n)
            )
            pictures = args.count
        else:
            pictures, people = _label_take(args, bar)
    console.print(f"{pictures} pictures, {people} people -> {args.out / 'annotations.json'}", highlight=False)
    return 0


def _label_take(args: argparse.Namespace, bar: Progress) -> tuple[int, int]:
    from multiview.camera import load_rig
    from multiview.keypoint_folder import open_keypoint_folders
    from multiview.learn.label import Trust
    from multiview.learn.label_take import label_recording
    from multiview.poses import read_poses
    from multiview.skeleton import load_skeleton
    from multiview.sources.video import Source

    folder = args.take
    rig_path = args.rig or (folder and folder / "rig.toml")
    poses_path = args.poses or (folder and folder / "poses.parquet")
    videos = args.videos or (sorted((folder / "videos").glob("*.*")) if folder else [])
    videos = [video for video in videos if video.suffix.lower() in (".mp4", ".mkv", ".avi", ".mov", ".webm")]
    if not rig_path or not poses_path or not videos:
        raise ConfigError("give a take's folder with videos/, or all of --rig, --poses and --videos")
    rig, poses = load_rig(rig_path), read_poses(poses_path)
    sources: dict[str, FrameSource] = {video.stem: Source(video, video.stem) for video in videos}
    keypoints = open_keypoint_folders(args.keypoints, rig, load_skeleton(poses.skeleton)) if args.keypoints else None
    task = bar.add_task("labelling", total=sum(source.frames for source in sources.values()) or None)
    trust = Trust(views=args.views, sigma_px=args.sigma_px)
    return label_recording(
        args.out, rig, poses, sources, max(1, args.every), trust, keypoints, lambda n: bar.advance(task, n)
    )
