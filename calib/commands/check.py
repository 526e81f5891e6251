"""Check whether a rig still fits: record the board for some seconds; displaced cameras are named.

The exit code is 0 if the rig is right, 1 if not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calib.corners.recording import add_source_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rig", type=Path, required=True, help="rig.toml")
    parser.add_argument(
        "--board",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="board.toml (default: the board that --corners were detected of)",
    )
    parser.add_argument("--corners", type=Path, help="corners.parquet of the new recording, instead of its images")
    add_source_arguments(parser, required=False)


def run(args: argparse.Namespace) -> int:
    from calib.board.target import load_targets
    from calib.corners.corners import read_corners
    from calib.corners.found_board import board_of
    from calib.corners.recording import detect_with_progress, sources_from
    from calib.report.camera_verdict import of_fault
    from calib.solve.check import check_rig
    from multiview.cameras.rig_file import load_rig
    from multiview.errors import ConfigError

    rig, stated = load_rig(args.rig), load_targets(args.board) if args.board else None
    if args.corners is not None:
        corners = read_corners(args.corners)
    elif args.videos or args.images:
        if stated is None:
            raise ConfigError("give --board board.toml: the board to look for in the new recording")
        corners = detect_with_progress(sources_from(args), stated, args.every).corners
    else:
        raise ConfigError("give the new recording: --videos, --images or --corners")
    board, notes = board_of(corners, stated)
    outcome = check_rig(rig, corners, board)
    for note in (*notes, *outcome.notes):
        print(f"Note: {note}")
    for fault in outcome.faults:
        print(f"{'NOT RIGHT' if fault.decisive else 'Note'}: {of_fault(fault, outcome.seen).problem}")
    if outcome.right:
        print(f"RIGHT: {', '.join(outcome.unmoved)} agree with the rig ({outcome.rms_px:.2f} px)")
        return 0
    for problem in outcome.problems:
        print(f"NOT RIGHT: {problem}")
    if len(outcome.unmoved) > 1:
        print(f"{', '.join(outcome.unmoved)} still agree with each other")
    return 1
