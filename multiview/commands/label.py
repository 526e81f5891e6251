"""`multiview label`: create training data from recordings or rendered images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.commands.arguments import add_keypoints, add_rig
from multiview.common.atomic_file import VIDEO_SUFFIXES
from multiview.common.counted import counted
from multiview.common.names import name_of_file
from multiview.common.ranges import ranged
from multiview.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from rich.progress import Progress

    from multiview.cameras.camera import Rig
    from multiview.learn.label_take import DetectionsOf
    from multiview.recordings.pose_table import Poses
    from multiview.recordings.take import Take
    from multiview.sources import FrameSource

__all__ = ["add_arguments", "fuse_take", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    text = "label the videos of a take with its fused people"
    take = kinds.add_parser("take", help=text, description=text.capitalize() + ".")
    take.add_argument(
        "take", nargs="?", type=Path, help="a take's folder with videos/; or give --rig, --poses and --videos"
    )
    add_rig(take, default="the take's")
    take.add_argument("--poses", type=Path, help="poses.parquet of `multiview process --smooth` or `fuse --smooth`")
    take.add_argument("--videos", nargs="+", metavar="VIDEO", type=Path, help="one video per camera, named like it")
    add_keypoints(take, purpose="2D keypoints, to determine visible joints (a take has them)")
    take.add_argument("--every", type=ranged(int), default=10, metavar="N", help="label each N-th frame (default 10)")
    take.add_argument("--views", type=ranged(int), default=2, help="minimum number of rays per joint (default 2)")
    take.add_argument(
        "--rms-px",
        type=ranged(float),
        default=1.9,
        metavar="PX",
        help="label only joints so that their expected RMS error is at most PX (default 1.9)",
    )
    text = "render people, with exact labels"
    rendered = kinds.add_parser("rendered", help=text, description=text.capitalize() + ".")
    rendered.add_argument("--count", type=ranged(int), default=1000, help="number of images (default 1000)")
    rendered.add_argument("--seed", type=ranged(int), default=1)
    rendered.add_argument(
        "--held-out", action="store_true", help="use the postures, backgrounds and textures reserved for evaluation"
    )
    for parser_ in (take, rendered):
        parser_.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="folder for annotations.json and images/"
        )


def run(args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from multiview.common.console import plain_console

    console = plain_console()
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
    console.print(
        f"{counted(pictures, 'image')}, {counted(people, 'person', 'people')} -> {args.out / 'annotations.json'}",
        highlight=False,
    )
    return 0


def _label_take(args: argparse.Namespace, bar: Progress) -> tuple[int, int]:
    from multiview.cameras.rig_file import load_rig
    from multiview.learn.label import LabelCriteria, sigma_for_rms
    from multiview.learn.label_take import label_recording
    from multiview.sources import open_source, without_parts

    folder: Path | None = args.take
    rig_path = args.rig or (folder and folder / "rig.toml")
    videos = args.videos or (sorted((folder / "videos").glob("*.*")) if folder else [])
    videos = without_parts([video for video in videos if video.suffix.lower() in VIDEO_SUFFIXES])
    if folder and not folder.exists():
        raise SourceError(f"{folder}: no such take; give a take's folder with videos/")
    if not rig_path or not videos or not (folder or args.poses):
        raise ConfigError("give a take's folder with videos/, or all of --rig, --poses and --videos")
    rig = load_rig(rig_path)
    poses, detections = _poses(args, rig)
    criteria = LabelCriteria(views=args.views, sigma_px=sigma_for_rms(rig, poses, args.rms_px, args.views))
    sources: dict[str, FrameSource] = {
        name: open_source(str(video), name) for name, video in ((name_of_file(video.stem), video) for video in videos)
    }
    task = bar.add_task("labelling", total=sum(source.frames for source in sources.values()) or None)
    return label_recording(
        args.out,
        rig,
        poses,
        sources,
        max(1, args.every),
        criteria,
        detections,
        lambda n: bar.advance(task, n),
        _folder(args),
    )


def _poses(args: argparse.Namespace, rig: Rig) -> tuple[Poses, DetectionsOf | None]:
    """The people, and what each camera itself saw of them."""
    from multiview.body.skeleton import find_skeleton
    from multiview.editing.take_poses import take_poses
    from multiview.keypoint_formats import open_keypoints
    from multiview.recordings.take import open_take

    if args.poses or not open_take(args.take).recordings():
        poses, _ = take_poses(args.poses or args.take)
        if not args.keypoints:
            return poses, None
        skeleton = find_skeleton(poses.skeleton, _folder(args))
        return poses, open_keypoints(args.keypoints, rig, skeleton).source.read
    return fuse_take(open_take(args.take), rig)


def _folder(args: argparse.Namespace) -> Path:
    """Where the poses are, and a skeleton of their own."""
    path: Path = args.poses or args.take
    return path if path.is_dir() else path.parent


def fuse_take(take: Take, rig: Rig) -> tuple[Poses, DetectionsOf]:
    """The people of a take, each frame corrected by what came later, and what each camera itself saw of them."""
    from multiview.commands.fuse_run import fuse_views
    from multiview.recordings.pose_table import Poses
    from multiview.studio.derived import frame_rate, pipeline_options, studio_skeleton
    from multiview.studio.rerun import rerun_fusion
    from multiview.studio.take_studio import take_studio

    studio = take_studio(take)
    views = [fused.views for fused in rerun_fusion(take)]
    if not views:
        raise SourceError(f"{take.folder}: no keypoints recorded")
    skeleton = studio_skeleton(studio)
    options, contacts = pipeline_options(studio), studio.fusion.contacts
    tracks, _ = fuse_views(
        rig, skeleton, views, len(views), frame_rate(studio), options, smooth=True, contacts=contacts
    )
    at = {seen.tick: seen.keypoints for seen in views}
    return Poses.from_tracks(tracks, skeleton), lambda camera, frame: at[frame][camera]
