"""Make a board to print: a PDF at true size with a ruler to check the printer, a PNG, and its board.toml.

Print at 100 % ("actual size"), glue the print on a flat plate, and measure a square: if its length differs, write
the true square_length into board.toml.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from calib.board.sheet import PAPERS

    parser.add_argument(
        "--out", type=Path, default=Path("board"), metavar="DIR", help="folder for the files (default: board)"
    )
    parser.add_argument(
        "--paper", choices=tuple(PAPERS), default="a4", help="page size (default: a4); for a plate use --plate"
    )
    parser.add_argument("--plate", metavar="WxH", help="a custom plate in mm, as in 800x600")
    parser.add_argument("--squares", metavar="CxR", default="7x5", help="columns x rows (default 7x5)")
    parser.add_argument("--square", type=float, metavar="MM", help="square length in mm (default: as large as fits)")
    parser.add_argument("--marker", type=float, metavar="MM", help="marker length in mm (default: 0.75 of a square)")
    parser.add_argument("--dictionary", default="DICT_4X4_100", help="marker dictionary (default DICT_4X4_100)")
    parser.add_argument("--legacy", action="store_true", help="use the pattern of OpenCV before 4.6")
    parser.add_argument("--inverted", action="store_true", help="print white on black")


def run(args: argparse.Namespace) -> None:
    from calib.board.sheet import plan, write_sheet

    board, page = plan(
        args.paper, args.plate, args.squares, args.square, args.marker, args.dictionary, args.legacy, args.inverted
    )
    files = write_sheet(board, page, args.out)
    print(f"A board of {board.words()} on {page[0]:g} x {page[1]:g} mm")
    print("Print the PDF at 100 %, and check its ruler: 100 mm must be 100 mm.")
    print(", ".join(str(file) for file in files))
