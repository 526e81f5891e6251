"""Find the board in videos or images of several cameras, and write one row per corner.

Legacy patterns, inverted prints, mirrored images, other dictionaries and square counts are detected and reported.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calib.board.target import load_targets
from calib.corners.corners import write_corners
from calib.corners.recording import add_source_arguments, detect_with_progress, sources_from
from multiview.cameras.camera import too_many_cameras
from multiview.common.counted import counted
from multiview.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--board",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="board.toml; several, of boards shown together",
    )
    add_source_arguments(parser, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("corners.parquet"), help="file to write (default: corners.parquet)"
    )


def run(args: argparse.Namespace) -> None:
    sources = sources_from(args)
    if fault := too_many_cameras(len(sources)):
        raise ConfigError(fault)
    detected = detect_with_progress(sources, load_targets(args.board), args.every)
    write_corners(detected.corners, args.out)
    print(f"{len(detected.corners)} corners of {counted(len(detected.corners.names), 'camera')} in {args.out}")
