"""Compute the rig from detected corners: intrinsics, poses and time offsets, with an illustrated report.

Writes OUT/rig.toml, OUT/report.html and OUT/report.json. The exit code is 1 if the rig must not be used.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from calib.corners.corners import Corners
from multiview.common.ranges import ranged
from multiview.data import FrameNumber
from multiview.errors import ConfigError

FLOOR_CORNERS = 6  # that tell how the board lies
FLOOR_NEAR = 30  # frames around the named one, in which the board is looked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corners", type=Path, required=True, help="corners.parquet, as `detect` writes it")
    parser.add_argument(
        "--board", type=Path, nargs="+", metavar="FILE", help="board.toml (default: the board that `detect` found)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the rig and the report")
    parser.add_argument(
        "--model", choices=("pinhole5", "pinhole8", "fisheye"), help="lens model (default: chosen by cross-validation)"
    )
    parser.add_argument(
        "--lenses",
        type=Path,
        metavar="FILE",
        help="lenses that are known and stay as they are: a rig or lens file of any format that `convert` reads, by "
        "names of cameras; a wand needs them",
    )
    parser.add_argument(
        "--no-offsets", action="store_true", help="assume that all cameras are synchronised: estimate no time offsets"
    )
    parser.add_argument(
        "--floor",
        action="append",
        default=[],
        metavar="[CAM=]FRAME",
        help="a frame in which the board lies on the floor, face up; it defines the world's origin. With cameras (may "
        "be repeated), the frame of a recording next to these in which the board was found",
    )
    parser.add_argument(
        "--gravity", metavar="CAM=X,Y,Z", help="direction of gravity in a camera's axes (x right, y down, z forward)"
    )
    parser.add_argument(
        "--length", action="append", default=[], metavar="A,B=M", help="check a length measured with a tape between "
        "two cameras or two board corners, as in cam01,cam02=2.35 (may be repeated)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from calib.board.markers import Markers
    from calib.board.target import load_targets
    from calib.commands.lens_file import read_lenses
    from calib.corners.corners import read_corners
    from calib.corners.found_board import board_of
    from calib.corners.selection import MAX_INSTANTS
    from calib.report.outcome import judge, rig_of
    from calib.report.report import write_reports
    from calib.solve.known_lenses import known_lenses
    from calib.solve.lengths import check_length, parse_length
    from calib.solve.solve import solve
    from calib.solve.world import world_from_camera
    from multiview.cameras.rig_file import save_rig

    start = time.perf_counter()
    lengths = [parse_length(text) for text in args.length]
    given = read_corners(args.corners)
    board, notes = board_of(given, load_targets(args.board) if args.board else None)
    for note in notes:
        print(f"Note: {note}")
    fixed = isinstance(board, Markers) and board.fixed
    if args.lenses is not None and args.model is not None:
        raise ConfigError("give --lenses or --model, not both: known lenses have their models")
    if fixed and args.floor:
        raise ConfigError("--floor: markers at rest do not say which of them lies on the floor; give --gravity")
    floor_camera, floor = _floor(args.floor, given)
    known = None if args.lenses is None else known_lenses(given, board, read_lenses(args.lenses), str(args.lenses))
    calibration = solve(
        given, board, args.model, not args.no_offsets, known, max_instants=MAX_INSTANTS, keep_frame=floor
    )
    corners = calibration.corners
    if fixed:
        print("Note: the markers stay where they are: all pictures of a camera count as one")
    elif len(corners) < len(given):
        print(f"Note: {len(corners)} of {len(given)} corners are used, at instants chosen for coverage")
    rig = rig_of(calibration, corners.names, corners.sizes)
    world = world_from_camera(calibration, rig, board, floor, args.gravity, floor_camera)
    checks = [check_length(length, rig, board) for length in lengths]
    outcome = judge(calibration, corners, tuple(text for fits, text in checks if not fits))
    outcome = replace(outcome, rig=world.applied(rig))
    args.out.mkdir(parents=True, exist_ok=True)
    seconds = time.perf_counter() - start
    write_reports(args.out, outcome, calibration, corners, board, tuple(text for _, text in checks), seconds)
    save_rig(outcome.rig, args.out / "rig.toml")

    print(f"{outcome.verdict.upper()}: {'; '.join(outcome.reasons)}")
    for text in (*(text for fits, text in checks if fits), *outcome.advice):
        print(f"  {text}")
    print(
        f"{len(outcome.rig)} cameras, {outcome.rms_px:.3f} px over {100 * outcome.inlier_fraction:.1f} % of corners, "
        + (f"{outcome.volume.median_mm:.2f} mm expected in the volume, " if len(outcome.rig) > 1 else "")
        + f"{seconds:.1f} s"
    )
    offsets = [camera for camera in outcome.cameras if abs(camera.time_offset_s) > 3 * camera.time_offset_sigma_s > 0]
    if offsets:
        print("time offsets: " + ", ".join(f"{camera.name} by {_duration(camera.time_offset_s)}" for camera in offsets))
    print(f"{args.out / 'rig.toml'}, {args.out / 'report.html'}, {args.out / 'report.json'}")
    return 1 if outcome.verdict == "record again" else 0


def _floor(texts: list[str], corners: Corners) -> tuple[str | None, FrameNumber | None]:
    """The camera, if one is named, and the frame; of several, the one next to which the board was found.

    ConfigError if a text is neither, or the board was near none of them.
    """
    found: list[tuple[int, str, FrameNumber]] = []
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            frame = FrameNumber(ranged(int)(number))
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"--floor {text}: {error}") from None
        if not name:
            return None, frame
        if name not in corners.names:
            raise ConfigError(f"--floor {text}: no such camera; the corners are of {', '.join(corners.names)}")
        numbers, counts = np.unique(corners.frame[corners.camera == corners.names.index(name)], return_counts=True)
        found += [(abs(int(n) - frame), name, FrameNumber(int(n))) for n in numbers[counts >= FLOOR_CORNERS]]
    if not texts:
        return None, None
    away, name, frame = min(found, default=(FLOOR_NEAR + 1, "", FrameNumber(0)))
    if away > FLOOR_NEAR:
        where = f"next in frame {frame} of {name}" if name else "in none of their pictures"
        raise ConfigError(f"--floor {', '.join(texts)}: no board was found there, but {where}: choose another frame")
    return name, frame


def _duration(seconds: float) -> str:
    """In milliseconds, where cameras are out of step; in seconds, where their clocks have other zeros."""
    return f"{1000 * seconds:+.1f} ms" if abs(seconds) < 10 else f"{seconds:+.4f} s"
