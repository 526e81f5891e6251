"""Detect the board in a sequence of images on standard input, and print its corners.

Serves the preview of `multiview capture --board`. An image is a line of JSON, `{"camera": ..., "width": ..., "height":
...}`, followed by its width x height grey bytes; the answer is a line of JSON, `{"camera": ..., "corners": [[x, y],
...]}`, with x and y as fractions of the image's width and height.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BufferedIOBase
from itertools import product
from pathlib import Path

import numpy as np

from calib.board.board import Board, load_board
from calib.board.finder import Finder, Found

MIN_CORNERS = 6  # corners, which no other kind of board shows by accident


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", type=Path, required=True, help="board.toml")


def run(args: argparse.Namespace) -> None:
    pictures = sys.stdin.buffer
    assert isinstance(pictures, BufferedIOBase)
    for answer in answers(load_board(args.board), pictures):
        print(answer, flush=True)


def answers(board: Board, pictures: BufferedIOBase) -> Iterator[str]:
    """One for each picture, until the pictures end."""
    finders = [Finder(kind) for kind in _kinds(board)]
    while line := pictures.readline():
        about = json.loads(line)
        width, height = about["width"], about["height"]
        data = pictures.read(width * height)
        if len(data) < width * height:
            return
        found = _find(finders, np.frombuffer(data, np.uint8).reshape(height, width))
        corners = (found.xy / [width, height]).round(4).tolist()
        yield json.dumps({"camera": about["camera"], "corners": corners})


def _find(finders: list[Finder], grey: np.ndarray) -> Found:
    """By each kind of board that it may be, until one is plainly right; then by that alone."""
    best = max((finder.find(grey) for finder in finders), key=lambda found: len(found.corner))
    if len(finders) > 1 and len(best.corner) >= MIN_CORNERS:
        finders[:] = [max(finders, key=lambda finder: len(finder.find(grey).corner))]
    return best


def _kinds(board: Board) -> list[Board]:
    """What the file leaves open, each way."""
    legacy = [False, True] if board.legacy is None else [board.legacy]
    inverted = [False, True] if board.inverted is None else [board.inverted]
    return [replace(board, legacy=a, inverted=b) for a, b in product(legacy, inverted)]
