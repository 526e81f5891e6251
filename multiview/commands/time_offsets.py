"""Estimate the constant time offset of each camera's stamps from people who move.

From a take, from folders of keypoints, or from videos:

    multiview time-offsets takes/first
    multiview time-offsets --rig rig.toml --keypoints keypoints --skeleton body25 --fps 25
    multiview time-offsets --rig rig.toml --videos cam01.mp4 cam02.mp4 cam03.mp4

People should walk through the room for half a minute, in all directions. An offset is confirmed if both halves of the
recording give it, it is many times its standard deviation, it settles within --max-offset, and the camera agrees better
with the others than before. Confirmed ones are written as `time_offset_s` to OUT/rig.toml, or to OUT/rig.refined.toml
where rig.toml was used or recorded. OUT/time_offsets.png shows for each camera the distance between its rays and those
of the others against the offset, OUT/time_offsets.json has the figures.

Videos whose cameras wrote when they began (SMPTE timecode, in the file or as sound, or the time of creation, in every
one of them) are moved by that first, so that --max-offset counts from there; so are videos in which the same sound is
heard, such as a clap. A sound or a time of creation that does not fit what the videos show is not used. Videos with a
file of times beside them are on one clock, and are not moved, nor those of a rig that has time offsets.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.commands.arguments import add_detector, add_recorded_keypoints
from multiview.commands.first_guess import SOUND, FirstGuess, guess_offsets, with_guess
from multiview.common.atomic_file import corrected_beside
from multiview.common.json_file import write_json
from multiview.common.ranges import FrameRate, ranged
from multiview.errors import ConfigError, SourceError
from multiview.sources import without_parts

if TYPE_CHECKING:
    from multiview.body.skeleton import Skeleton
    from multiview.cameras.camera import Rig
    from multiview.commands.time_offsets_run import TimeOffsetResult
    from multiview.recordings.recorded_keypoints import Recording

    Read = tuple[Rig, Skeleton, list[Recording], FirstGuess | None]

MAX_OFFSET_S, LARGEST_S = 1.0, 300.0
CREATION_S = 1.0  # times of creation are in whole seconds
PICTURE, FIGURES = "time_offsets.png", "time_offsets.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("take", type=Path, nargs="?", help="a take, with recorded keypoints or with videos")
    add_recorded_keypoints(parser, default_rig="the take's")
    parser.add_argument(
        "--fps", type=ranged(FrameRate), default=30.0, help="frames per second of the keypoints (default 30)"
    )
    parser.add_argument("--videos", nargs="+", metavar="VIDEO", help="videos named as the cameras in the rig")
    add_detector(parser)
    parser.add_argument(
        "--max-offset",
        type=ranged(float),
        default=MAX_OFFSET_S,
        metavar="S",
        help="largest offset to try, s (default 1); the cameras must share more than that",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("time_offsets"), help="folder for the results (default: time_offsets)"
    )
    parser.add_argument(
        "--write", action="store_true", help="also write the corrected rig beside the one used, as rig.refined.toml"
    )


def run(args: argparse.Namespace) -> int:
    from multiview.cameras.rig_file import save_rig
    from multiview.commands.time_offsets_run import corrected_rig, draw, estimate_time_offsets, table_of
    from multiview.common.console import plain_console
    from multiview.recordings.take import open_take

    if not 0 < args.max_offset <= LARGEST_S:
        raise ConfigError(f"--max-offset {args.max_offset:g}: give a number of seconds from 0 to {LARGEST_S:g}")
    rig, skeleton, recordings, guess = read(args)
    moved = with_guess(recordings, guess) if guess is not None else None
    if guess is not None and moved is not None:
        print(guess.words())
        spare = CREATION_S if guess.kind == "creation time" else 0.0
        result = estimate_time_offsets(rig, skeleton, moved, args.max_offset + spare, guess.offsets_s)
    if guess is None or moved is None or (guess.kind in ("creation time", SOUND) and not result.settled):
        if guess is not None:
            print(f"The videos' {guess.kind} do not fit what they show, and are not used")
        result = estimate_time_offsets(rig, skeleton, recordings, args.max_offset)
    args.out.mkdir(parents=True, exist_ok=True)
    draw(result, args.out / PICTURE)
    write_json(args.out / FIGURES, figures(result))
    console = plain_console()
    console.print(table_of(result))
    for line in result.drifts():
        console.print(line)
    if not result.confirmed_s().any():
        console.print(f"No time offset is confirmed; the rig is unchanged. Picture: {args.out / PICTURE}")
        return 0
    targets = {corrected_beside(args.out / "rig.toml")}
    if args.write:
        targets.add(corrected_beside(args.rig or open_take(args.take).rig))
    for target in sorted(targets):
        save_rig(corrected_rig(result), target)
        console.print(f"rig with time_offset_s: {target}")
    console.print(f"picture: {args.out / PICTURE}" + ("; name this rig in the studio's file" if args.write else ""))
    return 0


def read(args: argparse.Namespace) -> Read:
    """Keypoints with their times, from wherever they are; ConfigError where the arguments do not say."""
    given = [name for name in ("take", "keypoints", "videos") if getattr(args, name)]
    if len(given) != 1:
        raise ConfigError("name one recording: a take, --keypoints DIR or --videos A B ...")
    if not args.take and not args.rig:
        raise ConfigError(f"--{given[0]} needs --rig rig.toml")
    if args.take:
        return _from_take(args)
    return _from_videos(args, args.videos) if args.videos else _from_folders(args)


def _from_take(args: argparse.Namespace) -> Read:
    from multiview.recordings.take import open_take
    from multiview.studio.take_keypoints import take_keypoints

    take = open_take(args.take)
    rig = args.rig or take.rig
    if not rig.exists():
        raise SourceError(f"{take.folder} has no rig.toml: calibrate first, then give it with --rig")
    found = take_keypoints(take, rig)
    if any(recording.frames for recording in found[2]):
        return (*found, None)
    videos = sorted(str(path) for path in take.videos.glob("*.mp4"))
    if not videos:
        raise SourceError(
            f"{take.folder} has neither keypoints nor videos: give a take recorded with workers or --video"
        )
    args.rig = rig
    return _from_videos(args, videos)


def _from_videos(args: argparse.Namespace, videos: list[str]) -> Read:
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.process_run import detect_all, open_sources
    from multiview.common.names import name_of_file
    from multiview.detect import make_detector

    rig, detector = load_rig(args.rig), make_detector(args.detector, {})
    videos = without_parts(videos)
    names = [name_of_file(Path(video).stem) for video in videos]
    sources = open_sources(rig, videos, names, 0.0)
    guess = None
    if not any(camera.time_offset_s for camera in rig.cameras):  # else more is known already
        guess = guess_offsets([(name, Path(video)) for name, video in zip(names, videos, strict=True)])
    return rig, detector.skeleton, detect_all(rig, sources, [detector])[0], guess


def _from_folders(args: argparse.Namespace) -> Read:
    from multiview.cameras.rig_file import load_rig
    from multiview.keypoint_formats import open_keypoints
    from multiview.recordings.recorded_keypoints import folder_recordings

    rig = load_rig(args.rig)
    opened = open_keypoints(args.keypoints, rig, args.skeleton, args.format)
    return rig, opened.skeleton, folder_recordings(opened.source, rig, args.fps), None


def figures(result: TimeOffsetResult) -> dict[str, dict[str, object]]:
    """The content of time_offsets.json, by camera."""
    from multiview.commands.time_offsets_run import CONFIRMED

    return {
        name: {
            "offset_s": offset.offset_s + float(result.guess_s[c]) if offset.known else None,
            "guess_s": float(result.guess_s[c]),
            "sigma_s": offset.sigma_s if offset.known else None,
            "halves_s": offset.halves_s,
            "confirmed": result.found[c] == CONFIRMED,
            "found": result.found[c],
            "reprojection_before_px": float(result.before_px[c]),
            "reprojection_after_px": float(result.after_px[c]),
        }
        for c, (name, offset) in enumerate(zip(result.rig.names, result.offsets, strict=True))
    }
