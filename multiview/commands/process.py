"""`multiview process`: 3D poses from videos: 2D detection, then the same as `fuse`, or with one video `lift`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from multiview.commands.arguments import add_detector, add_fusion, add_lifting, add_rig, add_videos, camera_names
from multiview.common.counted import counted
from multiview.common.ranges import FrameRate, ranged

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    add_rig(parser)
    add_videos(parser)
    add_detector(parser)
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the detector; may be repeated"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for poses.parquet, rig.toml and summary.json; a take"
    )
    parser.add_argument(
        "--fps",
        type=ranged(FrameRate, zero=True),
        default=0.0,
        help="frame rate, if the videos' times are wrong (default: the videos' own times)",
    )
    add_fusion(parser)
    add_lifting(parser)
    parser.add_argument(
        "--save-keypoints", action="store_true", help="save the 2D poses as OUT/keypoints, for `fuse` and `explain`"
    )
    parser.add_argument(
        "--threads", type=ranged(int), default=0, help="number of parallel detectors (default: one per core)"
    )


def run(args: argparse.Namespace) -> int:
    """Detect, fuse, write, and say how well the two agree."""
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.fusion_choices import fusion_choices
    from multiview.commands.lift_run import LiftChoices, lift_recording
    from multiview.commands.outcome import say_lifted, say_why
    from multiview.commands.process_run import detect_all, fuse_and_write, open_sources
    from multiview.common.plugins import plugin_options
    from multiview.detect import make_detector
    from multiview.errors import SourceError
    from multiview.recordings.recorded_keypoints import write_recordings
    from multiview.recordings.written_keypoints import check_all_are_ours

    rig = load_rig(args.rig)
    if args.save_keypoints:
        check_all_are_ours(args.out / "keypoints")
    sources = open_sources(rig, args.videos, camera_names(args), args.fps)
    options = plugin_options(args.option)
    choices = fusion_choices(args)
    count = args.threads or cores()
    detectors = [make_detector(args.detector, options) for _ in range(min(count, len(sources)))]
    recordings, seconds = detect_all(rig, sources, detectors)
    for recording in recordings:
        if recording.trouble:
            print(f"multiview: {recording.trouble}; continuing with the frames read before", file=sys.stderr)
    frames = sum(len(recording.keypoints) for recording in recordings)
    if not frames:
        raise SourceError("no frame in any video: check the files")
    if args.save_keypoints:
        write_recordings(rig, recordings, args.out / "keypoints")
    extra = {"detector": args.detector, "detection_seconds": seconds}
    if len(recordings) == 1:
        lifting = LiftChoices(args.height, args.floor)
        summary = lift_recording(rig, detectors[0].skeleton, recordings[0], lifting, choices, args.out, extra)
        return say_lifted(summary, args.out)
    absent = "has no picture in these videos"
    written = fuse_and_write(rig, detectors[0].skeleton, recordings, choices, args.out, extra, absent)
    summary = written.summary
    people, cameras = counted(summary["people"], "person", "people"), counted(len(recordings), "camera")
    print(
        f"{summary['frames']} frames of {cameras}, {people}; "
        f"2D at {frames / seconds:.1f} images/s, "
        f"fusion {summary['ms_per_frame']['total']['median']:.2f} ms per frame"
        + (f", median reprojection error {written.errors.median():.1f} px" if summary["people"] else "")
        + f" -> {args.out / 'poses.parquet'}"
    )
    return say_why(written.known)


def cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
