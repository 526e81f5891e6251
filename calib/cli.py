"""`multiview calibrate`: calibrate cameras with a printed board, or from people who walk.

multiview calibrate board --out board                 make a board to print
multiview calibrate detect --board board/board.toml --videos cam01.mp4 cam02.mp4 --out corners.parquet
multiview calibrate solve --corners corners.parquet --board board/board.toml --out rig
multiview calibrate check --rig rig/rig.toml --board board/board.toml --videos new01.mp4 new02.mp4
multiview calibrate people --videos cam01.mp4 cam02.mp4 cam03.mp4 --lenses lenses.toml --height 178 --out rig
multiview calibrate convert Calib.toml rig.toml
"""

from __future__ import annotations

import argparse
import importlib

from multiview.errors import ConfigError

__all__ = ["COMMANDS", "add_arguments", "run"]

COMMANDS = {
    "board": "Make a board to print.",
    "detect": "Find the board in videos or images of several cameras.",
    "solve": "Compute the rig from detected corners.",
    "check": "Check whether a rig still fits a new recording, and name displaced cameras.",
    "people": "Compute the rig from people who walk, without a board.",
    "watch": "Detect the board in images on standard input (for the preview of `capture`).",
    "convert": "Read and write other tools' calibration files.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(dest="calibrate_command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"calib.commands.{name}")
        subparser = subparsers.add_parser(name, help=text, description=module.__doc__)
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(subparser)
        subparser.set_defaults(run_calibrate=module.run)


def run(args: argparse.Namespace) -> int | None:
    try:
        result: int | None = args.run_calibrate(args)
    except OSError as error:  # a folder that cannot be written, a disk that is full
        raise ConfigError(f"{error.filename or 'file'}: {error.strerror or error}") from error
    return result
