"""Arguments that name a board recording, and its detection."""

from __future__ import annotations

import argparse
from pathlib import Path

from calib.board.target import Target
from calib.corners.detect import Detected, detect
from calib.corners.pictures import Pictures, image_folder, video
from multiview.common.names import check_name, split_names
from multiview.common.ranges import FrameRate, ranged
from multiview.errors import SourceError
from multiview.sources import open_cameras, without_parts

__all__ = ["add_source_arguments", "detect_with_progress", "sources_from"]


def add_source_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument(
        "--videos", nargs="+", type=Path, metavar="FILE",
        help="one video per camera; CAMERA.1.mp4 ... beside a recorded CAMERA.mp4 belong to it, as GX020001.MP4 ... do "
        "to a GoPro's GX010001.MP4",
    )  # fmt: skip
    group.add_argument(
        "--images", nargs="+", type=Path, metavar="DIR",
        help="one folder of images per camera; the last number in a file's name is its frame",
    )  # fmt: skip
    parser.add_argument(
        "--cameras", metavar="A,B", help="names of the cameras (default: the names of files or folders)"
    )
    parser.add_argument(
        "--every",
        type=ranged(int),
        metavar="N",
        help="search only each N-th image (default: 900 images per camera, or 7 a second)",
    )
    parser.add_argument("--fps", type=ranged(FrameRate), help="frame rate, if the recording has none (default 25)")


def sources_from(args: argparse.Namespace) -> list[Pictures]:
    """Raises SourceError for a count of names that does not fit, and for what cannot be opened."""
    paths = without_parts(args.videos) if args.videos else args.images
    names = (
        [check_name(name, "--cameras") for name in split_names(args.cameras)] if args.cameras else [None] * len(paths)
    )
    if len(names) != len(paths):
        raise SourceError(f"--cameras names {len(names)} cameras for {len(paths)} recordings: name each one")
    if args.every is not None and args.every < 1:
        raise SourceError("--every must be 1 or more")
    if args.videos:
        return open_cameras(zip(paths, names, strict=True), lambda path, name: video(path, name, args.fps))
    return [image_folder(path, name, args.fps or 25.0) for path, name in zip(paths, names, strict=True)]


def detect_with_progress(sources: list[Pictures], board: Target, every: int | None) -> Detected:
    """`detect`, with one bar per camera and what was noticed, in words."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Table

    from multiview.common.console import plain_console

    console = plain_console(stderr=False, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {source.name: progress.add_task(source.name, total=source.count) for source in sources}
        detected = detect(sources, board, every, lambda name, count: progress.advance(tasks[name], count))
    console.print(f"Board: {detected.identified.board.words()}", markup=False)
    for remark in detected.identified.remarks:
        console.print(f"Note: {remark}", markup=False)
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "pictures", "with board", "corners", "blurred"):
        table.add_column(title, justify="left" if title == "camera" else "right")
    for entry in detected.summaries:
        table.add_row(entry.name, str(entry.pictures), str(entry.boards), str(entry.corners), str(entry.rejected))
    console.print(table)
    for entry in detected.summaries:
        for remark in entry.remarks:
            console.print(f"Note: {entry.name} {remark}", markup=False)
    return detected
