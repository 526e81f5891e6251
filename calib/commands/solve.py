"""Compute the rig from detected corners: intrinsics, poses and time offsets, with an illustrated report.

Writes OUT/rig.toml, OUT/report.html and OUT/report.json. The exit code is 1 if the rig must not be used.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from multiview.common.ranges import ranged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corners", type=Path, required=True, help="corners.parquet, as `detect` writes it")
    parser.add_argument("--board", type=Path, help="board.toml (default: the board that `detect` found)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the rig and the report")
    parser.add_argument(
        "--model", choices=("pinhole5", "pinhole8", "fisheye"), help="lens model (default: chosen by cross-validation)"
    )
    parser.add_argument(
        "--no-offsets", action="store_true", help="assume that all cameras are synchronised: estimate no time offsets"
    )
    parser.add_argument(
        "--floor",
        type=ranged(int),
        metavar="FRAME",
        help="a frame in which the board lies on the floor, face up; it defines the world's origin",
    )
    parser.add_argument(
        "--gravity", metavar="CAM=X,Y,Z", help="direction of gravity in a camera's axes (x right, y down, z forward)"
    )
    parser.add_argument(
        "--length", action="append", default=[], metavar="A,B=M", help="check a length measured with a tape between "
        "two cameras or two board corners, as in cam01,cam02=2.35 (may be repeated)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from calib.board.board import load_board
    from calib.corners.corners import read_corners
    from calib.corners.found_board import board_of
    from calib.corners.selection import MAX_INSTANTS
    from calib.report.outcome import judge, rig_of
    from calib.report.report import write_reports
    from calib.solve.lengths import check_length, parse_length
    from calib.solve.solve import solve
    from calib.solve.world import world_from_camera
    from multiview.cameras.rig_file import save_rig

    start = time.perf_counter()
    lengths = [parse_length(text) for text in args.length]
    given = read_corners(args.corners)
    board, notes = board_of(given, load_board(args.board) if args.board else None)
    for note in notes:
        print(f"Note: {note}")
    calibration = solve(
        given, board, args.model, offsets=not args.no_offsets, max_instants=MAX_INSTANTS, keep_frame=args.floor
    )
    corners = calibration.corners
    if len(corners) < len(given):
        print(f"Note: {len(corners)} of {len(given)} corners are used, at instants chosen for coverage")
    rig = rig_of(calibration, corners.names, corners.sizes)
    world = world_from_camera(calibration, rig, board, args.floor, args.gravity)
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


def _duration(seconds: float) -> str:
    """In milliseconds, where cameras are out of step; in seconds, where their clocks have other zeros."""
    return f"{1000 * seconds:+.1f} ms" if abs(seconds) < 10 else f"{seconds:+.4f} s"
