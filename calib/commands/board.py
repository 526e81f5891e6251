"""Make a board to print: a PDF at true size with a ruler to check the printer, a PNG, and its board.toml.

Print at 100 % ("actual size"), glue the print on a flat plate, and measure a square: if its length differs, write
the true square_length into board.toml. With --two-sided the plate is seen from behind as well, so that cameras that
face each other are linked: glue the second page on its back, top behind top, and measure the plate's thickness.

A ChArUco board is found when a part of it is in view, and tells which way it is held: take it unless you have another.
--kind chessboard or --kind circles prints one without markers, which must be seen as a whole. --kind wand prints none:
it says how to build a stick with three bright balls, for rooms in which a board is too small, and writes board.toml.

For a board that you have already, --own writes its board.toml alone, from what you measured and from pictures of it:

    multiview calibrate board --own photo.jpg --square 54
    multiview calibrate board --own --squares 4x5 --square 54 --marker 40.5 --dictionary DICT_4X4_1000
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from multiview.common.ranges import ranged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from calib.board.sheet import PAPERS

    parser.add_argument(
        "--out", type=Path, default=Path("board"), metavar="DIR", help="folder for the files (default: board)"
    )
    parser.add_argument(
        "--paper", choices=tuple(PAPERS), default="a4", help="page size (default: a4); for a plate use --plate"
    )
    parser.add_argument("--plate", metavar="WxH", help="a custom plate in mm, as in 800x600")
    parser.add_argument(
        "--kind",
        choices=("charuco", "chessboard", "circles", "wand"),
        default="charuco",
        help="what it shows (default charuco)",
    )
    parser.add_argument("--squares", metavar="CxR", help="columns x rows (default 7x5, of a plain chessboard 10x7)")
    parser.add_argument("--circles", metavar="CxR", help="circles of one row x rows (default 4x11)")
    parser.add_argument(
        "--spacing", type=ranged(float), metavar="MM", help="distance of two rows of circles in mm (default: what fits)"
    )
    parser.add_argument(
        "--balls", metavar="MM,MM,MM", help="of a wand, where the middles of its balls are in mm (default 0,200,500)"
    )
    parser.add_argument("--diameter", metavar="MM", help="of its balls in mm, or of each, as in 60,40 (default 50)")
    parser.add_argument("--straight", action="store_true", help="circles in straight columns, not staggered")
    parser.add_argument(
        "--square", type=ranged(float), metavar="MM", help="square length in mm (default: as large as fits)"
    )
    parser.add_argument(
        "--marker", type=ranged(float), metavar="MM", help="marker length in mm (default: 0.75 of a square)"
    )
    parser.add_argument("--dictionary", default="DICT_4X4_100", help="marker dictionary (default DICT_4X4_100)")
    parser.add_argument(
        "--first-marker", type=ranged(int), default=0, metavar="ID",
        help="id of the first marker, for a board that is shown together with another one (default 0)",
    )  # fmt: skip
    parser.add_argument("--legacy", action="store_true", help="use the pattern of OpenCV before 4.6")
    parser.add_argument("--inverted", action="store_true", help="print white on black")
    parser.add_argument(
        "--two-sided", nargs="?", const="following", choices=("following", "mirrored"), metavar="KIND",
        help="print a back as well: `following` (default), the markers that follow, or `mirrored`, its mirror image",
    )  # fmt: skip
    parser.add_argument(
        "--thickness",
        type=ranged(float),
        default=0.0,
        metavar="MM",
        help="from the front's print to the back's, mm (default 0)",
    )
    parser.add_argument(
        "--own", nargs="*", type=Path, metavar="PICTURE",
        help="write board.toml of your own board, from --square and pictures of it (or --squares)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> None:
    from calib.board.board_file import write_board
    from calib.board.own_board import describe, read_pictures
    from calib.board.sheet import pair, plan, write_sheet
    from multiview.errors import ConfigError

    if args.thickness and not args.two_sided:
        raise ConfigError("--thickness goes with --two-sided")
    if args.kind == "wand":
        _wand(args)
        return
    if args.balls or args.diameter:
        raise ConfigError(f"--{'balls' if args.balls else 'diameter'} goes with --kind wand")
    if args.kind != "charuco":
        _plain(args)
        return
    if args.own is not None:
        squares = pair(args.squares, "--squares") if args.squares else None
        board, remarks = describe(read_pictures(args.own), squares, args.square, args.marker, args.dictionary)
        board = replace(
            board,
            legacy=args.legacy or board.legacy,
            inverted=args.inverted or board.inverted,
            back=args.two_sided or board.back,
            thickness=args.thickness / 1000,
            first_marker=args.first_marker,
        )
        for remark in remarks:
            print(f"Note: {remark}")
        print(f"Your board: {board.words()}, markers of {1000 * board.marker_length:g} mm")
        print(write_board(board, args.out / "board.toml"))
        return
    board, page = plan(
        args.paper, args.plate, args.squares or "7x5", args.square, args.marker, args.dictionary, args.legacy,
        args.inverted, args.two_sided, args.thickness, args.first_marker,
    )  # fmt: skip
    files = write_sheet(board, page, args.out)
    print(f"A board of {board.words()}; the page is {page[0]:g} x {page[1]:g} mm")
    print("Print the PDF at 100 %, and check its ruler: 100 mm must be 100 mm.")
    if board.back is not None:
        print("Glue the pages back to back, top behind top, and write the distance of the prints as thickness.")
    print(", ".join(str(file) for file in files))


def _plain(args: argparse.Namespace) -> None:
    """A board without markers."""
    from calib.board.board_file import write_board
    from calib.board.sheet import plan_plain, write_sheet
    from multiview.errors import ConfigError

    of_charuco = ("marker", "legacy", "inverted", "two_sided", "first_marker")
    if given := [name for name in of_charuco if getattr(args, name)]:
        raise ConfigError(f"--{given[0].replace('_', '-')} goes with --kind charuco")
    is_chess = args.kind == "chessboard"
    counts = (args.squares or "10x7") if is_chess else (args.circles or ("9x6" if args.straight else "4x11"))
    length = args.square if is_chess else args.spacing
    if args.own is not None:
        if length is None:
            raise ConfigError(f"--own: measure it, and give {'--square' if is_chess else '--spacing'} MM")
        board, _ = plan_plain(args.kind, "a4", "9999x9999", counts, length, not args.straight)
        print(f"Your board: {board.words()}")
        print(write_board(board, args.out / "board.toml"))
        return
    board, page = plan_plain(args.kind, args.paper, args.plate, counts, length, not args.straight)
    files = write_sheet(board, page, args.out)
    print(f"{board.words()[0].upper()}{board.words()[1:]}; the page is {page[0]:g} x {page[1]:g} mm")
    print("Print the PDF at 100 %, and check its ruler: 100 mm must be 100 mm.")
    print(", ".join(str(file) for file in files))


def _wand(args: argparse.Namespace) -> None:
    """How to build it, and its file."""
    from calib.board.board_file import write_board
    from calib.board.target import target_from_table
    from calib.board.wand import Wand, how_to_build

    balls = _numbers(args.balls or "0,200,500", "--balls")
    diameters = _numbers(args.diameter or "50", "--diameter")
    diameters = diameters * len(balls) if len(diameters) == 1 else diameters
    keys = {"kind": "wand", "balls": [mm / 1000 for mm in balls], "diameters": [mm / 1000 for mm in diameters]}
    wand = target_from_table(keys, "--kind wand")
    assert isinstance(wand, Wand)
    print(f"{wand.words()[0].upper()}{wand.words()[1:]}. Nothing is printed: build it.")
    print("\n".join(how_to_build(wand)))
    print(write_board(wand, args.out / "board.toml"))


def _numbers(text: str, option: str) -> list[float]:
    from multiview.errors import ConfigError

    try:
        return [ranged(float)(part) for part in text.split(",")]
    except (ValueError, argparse.ArgumentTypeError):
        raise ConfigError(f"{option} {text!r}: expected numbers of mm with commas, as in 0,200,500") from None
