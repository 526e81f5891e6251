"""`multiview export`: write poses as TRC, C3D, BVH, CSV and other formats."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from multiview.commands.arguments import add_person_numbers, add_videos, camera_names
from multiview.common.ranges import ranged
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.export import Scene
    from multiview.recordings.pose_table import Poses
    from multiview.recordings.resample import ResampleOptions
    from multiview.retarget.target import Character

__all__ = ["Exported", "add_arguments", "export_poses", "run"]

_READ, _PREPARED = 0.3, 0.45  # the share of the work that is then done, roughly
_ONE_RATE = ("angles", "bvh", "fbx", "gltf", "usd", "opensim", "trc", "c3d", "c3d_segments")  # for all frames
_FIXED_AXES = {
    **dict.fromkeys(("bvh", "fbx", "gltf", "usd", "opensim", "trc"), "y up"),
    **dict.fromkeys(("c3d", "c3d_segments", "nwb", "rrd", "foxglove"), "z up"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from multiview.export import exporter_names

    parser.add_argument("poses", type=Path, help="poses.parquet of `multiview fuse` or of a take, or its folder")
    parser.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(exporter_names()))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the files (default: beside the poses)")
    parser.add_argument("--measured-only", action="store_true", help="omit filled joints")
    add_person_numbers(parser)
    parser.add_argument("--start", type=ranged(float), metavar="S", help="start time, s")
    parser.add_argument("--end", type=ranged(float), metavar="S", help="end time, s")
    parser.add_argument(
        "--max-gap",
        type=ranged(float),
        default=0.0,
        metavar="S",
        help="interpolate gaps of up to this duration, s, and mark them",
    )
    parser.add_argument(
        "--lowpass",
        type=ranged(float),
        default=0.0,
        metavar="HZ",
        help="cut-off frequency of a zero-phase Butterworth filter; 6 is usual",
    )
    parser.add_argument("--resample", type=ranged(float), default=0.0, metavar="HZ", help="resample to this frame rate")
    parser.add_argument(
        "--units",
        default="",
        metavar="UNIT",
        help="unit of length; trc, csv, json: m, cm or mm; anipose: mm, cm or m; bvh: cm, m or mm; c3d: mm or m "
        "(default: the first); other formats have one only",
    )
    parser.add_argument("--model", default="", metavar="OSIM", help="opensim only: your model, scaled to each person")
    parser.add_argument("--names", default="", help="trc only: markers named as by multiview, pose2sim or opensim")
    parser.add_argument(
        "--rig",
        default="",
        metavar="NAME|FILE",
        help="bvh, fbx, gltf and usd: the bones of mixamo, unreal or vrm, or a character (.glb, .vrm, .bvh) to move",
    )
    parser.add_argument(
        "--hands-reach", action="store_true", help="with --rig: hands go where the person's were, scaled"
    )
    add_videos(parser, required=False)
    parser.add_argument("--axes", choices=("zup", "yup"), default="zup", help="tables only: vertical axis (default z)")


class Exported(NamedTuple):
    """What was written.

    Attributes:
        paths: The files; none where there is nobody.
        off_s: How far times of frames were off the steady rate that the format needs, s.
        frames_per_second: Of what was written.
        has_hands: Whether people have hands.
    """

    paths: list[Path]
    off_s: float
    frames_per_second: float
    has_hands: bool


def run(args: argparse.Namespace) -> int:
    from multiview.commands.progress import progress_bar

    options = _options(args)
    source = args.poses / "poses.parquet" if args.poses.is_dir() else args.poses
    with progress_bar(f"{source.name} to {args.to}") as progress:
        stem = (args.out or source.parent) / source.stem
        videos = dict(zip(args.videos, camera_names(args), strict=True)) if args.videos else {}
        own = {"names": args.names, "model": args.model}
        moved = _character(args)
        exported = export_poses(args.poses, stem, args.to, args.units, options, progress, videos, own, moved)
    for path in exported.paths:
        print(path)
    if exported.off_s:
        told = (
            f"up to {1e3 * exported.off_s:.1f} ms off a steady rate: interpolated to {exported.frames_per_second:g} Hz"
        )
        print(f"multiview: times of frames were {told}", file=sys.stderr)
    if moved is not None and moved.has_fingers and not exported.has_hands:
        print("multiview: the poses have no hands: the character's fingers do not move", file=sys.stderr)
    if not exported.paths:
        print(f"{source} holds no people: nothing to write")
    return 0


def export_poses(
    poses: Path,
    stem: Path,
    to: str,
    units: str,
    options: ResampleOptions,
    progress: Callable[[float], None],
    videos: dict[str, str] | None = None,
    own: dict[str, str] | None = None,
    character: Character | None = None,
) -> Exported:
    """Write the poses of a take or a parquet file in a format.

    Args:
        poses: The file, or the take's folder.
        stem: Path without what follows the name.
        to: Name of the format.
        units: Of length; empty: the format's own.
        options: What is done to them before.
        progress: Told which share, 0 to 1, is done.
        videos: The camera of each video to show.
        own: Options that only this format has, by name.
        character: Who moves as people did; None for skeletons of their own.

    Returns:
        What was written.

    Raises:
        ConfigError: There is no such format or unit, the format's axes are fixed, or it shows no videos or characters.
        SourceError: There are no poses.
    """
    from multiview.body.hands import is_hand
    from multiview.editing.take_poses import take_poses
    from multiview.export import CharacterExporter, SceneExporter, load_exporter
    from multiview.recordings.resample import evenly_timed, resample_poses

    if options.y_up and to in _FIXED_AXES:
        raise ConfigError(f"{to} files are always {_FIXED_AXES[to]}: leave --axes out")
    exporter = load_exporter(to, units, **(own or {}))
    if videos and not isinstance(exporter, SceneExporter):
        raise ConfigError(f"{to} files show no videos: leave --videos out, or give --to rrd or foxglove")
    if character is not None:
        if not isinstance(exporter, CharacterExporter):
            raise ConfigError(f"{to} files move no characters: leave --rig out, or give --to bvh, fbx, gltf or usd")
        exporter.character = character
    table, _ = take_poses(poses)
    progress(_READ)
    table = resample_poses(table, options)
    off_s = 0.0
    if to in _ONE_RATE:
        table, off_s = evenly_timed(table)
    progress(_PREPARED)

    def written(share: float) -> None:
        progress(_PREPARED + (1 - _PREPARED) * share)

    if isinstance(exporter, SceneExporter):
        paths = exporter.write_scene(_scene(table, poses, videos or {}), stem, written)
    else:
        paths = exporter.write(table, stem, written)
    return Exported(paths, off_s, table.frames_per_second, any(map(is_hand, table.joints)))


def _scene(poses: Poses, path: Path, videos: dict[str, str]) -> Scene:
    """What stands around people: the rig that the poses were made with, refined or not, and its videos.

    `path` is the take, or the file of the poses, which is unedited and beside an unrefined rig.
    """
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.export_pictures import WIDTH_PX, pictures_of
    from multiview.commands.process_run import open_sources
    from multiview.editing.take_poses import take_rig
    from multiview.export import scene_of

    folder = path if path.is_dir() else path.parent
    rig_path = take_rig(folder) if path.is_dir() else folder / "rig.toml"
    if not videos or not len(poses):
        return scene_of(poses, folder, rig_path)
    if not rig_path.is_file():
        raise ConfigError(f"{folder} has no rig.toml: videos are shown in their cameras")
    rig = load_rig(rig_path)
    sources = open_sources(rig, list(videos), list(videos.values()), 0.0)
    return scene_of(poses, folder, rig_path, pictures_of(rig, poses, sources), WIDTH_PX)


def _character(args: argparse.Namespace) -> Character | None:
    from multiview.retarget.target import load_character

    if args.hands_reach and not args.rig:
        raise ConfigError("--hands-reach is for a character: give --rig, too")
    return load_character(args.rig, args.hands_reach) if args.rig else None


def _options(args: argparse.Namespace) -> ResampleOptions:
    from multiview.recordings.resample import ResampleOptions

    limits = {name: value for name, value in (("start_s", args.start), ("end_s", args.end)) if value is not None}
    return ResampleOptions(
        measured_only=args.measured_only,
        people=tuple(args.person),
        max_gap_s=args.max_gap,
        lowpass_hz=args.lowpass,
        resample_hz=args.resample,
        y_up=args.axes == "yup",
        **limits,
    )
