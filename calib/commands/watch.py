"""Detect the board in a sequence of images on standard input, and print its corners.

Serves the preview of `multiview capture --board`. An image is a line of JSON, `{"camera": ..., "width": ..., "height":
...}`, followed by its width x height grey bytes; the answer is a line of JSON, `{"camera": ..., "corners": [[x, y],
...]}`, with x and y as fractions of the image's width and height, and `"note"`, a sentence, once the board turns out to
be another one than stated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from calib.board.board import Board
from calib.board.found import Found, TargetFinder
from calib.board.target import Target, finder_of, identify_target, least_corners, load_target

MIN_CORNERS = 6  # corners, which no other kind of board shows by accident; markers and wands have fewer
PATIENCE = 40  # pictures without the stated board, before it is identified from scratch, which takes seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", type=Path, required=True, help="board.toml")


def run(args: argparse.Namespace) -> None:
    pictures = sys.stdin.buffer
    assert isinstance(pictures, BufferedIOBase)
    for answer in answers(load_target(args.board), pictures):
        print(answer, flush=True)


def answers(board: Target, pictures: BufferedIOBase) -> Iterator[str]:
    """One for each picture, until the pictures end."""
    watch = _Watch(board)
    while line := pictures.readline():
        about = json.loads(line)
        width, height = about["width"], about["height"]
        data = pictures.read(width * height)
        if len(data) < width * height:
            return
        found = watch.find(about["camera"], np.frombuffer(data, np.uint8).reshape(height, width))
        answer = {"camera": about["camera"], "corners": (found.xy / [width, height]).round(4).tolist()}
        yield json.dumps(answer | ({"note": watch.note} if watch.note else {}))


@dataclass(slots=True)
class _Watch:
    """Finds the board as stated, or as the file leaves it open; while nothing is found, it identifies the board."""

    board: Target
    note: str = ""
    _kinds: list[Target] = field(init=False)
    _finders: list[TargetFinder] = field(init=False)
    _newest: dict[str, UInt8[np.ndarray, "H W"]] = field(default_factory=dict)
    _unseen: int = 0

    def __post_init__(self) -> None:
        self._kinds = _kinds(self.board)
        self._finders = [finder_of(kind) for kind in self._kinds]

    def find(self, camera: str, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """The board's corners in one picture, by each kind of board that it may be, until one is plainly right."""
        found = [finder.find(grey) for finder in self._finders]
        best = max(range(len(found)), key=lambda i: len(found[i].corner))
        if len(found[best].corner) >= min(MIN_CORNERS, least_corners(self.board)):
            self._unseen = 0
            if len(self._finders) > 1:
                self._finders = [self._finders[best]]
                self._note_inverted(self._kinds[best])
            return found[best]
        self._newest[camera] = grey
        self._unseen += 1
        if self._unseen % PATIENCE == 0:
            self._identify()
        return found[best]

    def _note_inverted(self, shown: Target) -> None:
        stated = self.board
        if not isinstance(stated, Board) or not isinstance(shown, Board) or stated.inverted is None:
            return
        if bool(shown.inverted) != stated.inverted:
            said = str(stated.inverted).lower()
            self.note = f"the board file says inverted = {said}, the images show the opposite"

    def _identify(self) -> None:
        identified = identify_target({name: [picture] for name, picture in self._newest.items()}, self.board)
        if identified.seen:
            self.note = "; ".join(identified.remarks)
            ways = (False, True) if identified.mirrored else (False,)
            self._finders = [finder_of(identified.board, mirrored) for mirrored in ways]


def _kinds(board: Target) -> list[Target]:
    """As stated, with what the file leaves open each way; and inverted, which is stated wrongly most often."""
    if not isinstance(board, Board):
        return [board]
    legacy = [False, True] if board.legacy is None else [board.legacy]
    inverted = [bool(board.inverted), not board.inverted]
    return [replace(board, legacy=a, inverted=b) for b, a in product(inverted, legacy)]
