"""Overlay of the window: the line at the top, the keys and colours at the bottom, a take's time line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from multiview.common.palette import RGB
from services.viewer.scene import STATE_COLOURS
from services.viewer.text import Billboard, Picture, bar, side_by_side, text_image

__all__ = ["ALARM", "INK", "Hud", "billboards", "time_at"]

INK: RGB = (0.86, 0.89, 0.93)
ALARM: RGB = (1.0, 0.42, 0.38)
_QUIET: RGB = (0.56, 0.61, 0.68)
_FILLED: RGB = (0.60, 0.62, 0.65)
_LETTER_PX, _SMALL_PX, _MARGIN_PX, _BAR_PX = 16, 13, 16, 24
_DEPTH_M = 0.12  # nearer than anything that is shown
_HANDLE: RGB = (0.45, 0.72, 0.98)

_VIEWS = (
    ("drag", "turn"), ("right-drag", "move"), ("wheel", "nearer"), ("A", "all"), ("T", "top"), ("F", "front"),
    ("P", "follow a person"), ("1-9", "through a camera"),
)  # fmt: skip
_LIVE = (("Space", "freeze"), ("R", "record a take"), ("N", "name the followed person"))
_TAKE = (
    ("Space", "pause"),
    ("←/→", "a second"),
    (",/.", "a frame"),
    ("↓/↑", "slower, faster"),
    ("I/O", "in, out"),
    ("W", "whole"),
    ("click", "the time line"),
)
_SHOW = (("U", "uncertainty"), ("L", "lines of sight"), ("S", "snapshot"), ("H", "hide this"), ("Q", "quit"))


@dataclass(frozen=True, slots=True)
class TimeLine:
    """s: where a recording is, how long it is, and the part of it that repeats."""

    now: float
    duration: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Hud:
    """`top` are pieces of text with their colours; a recording has a time line."""

    top: tuple[tuple[str, RGB], ...]
    help: bool = True
    cameras: bool = True  # whether the cameras' states are known
    floor: bool = True  # whether there is one
    line: TimeLine | None = None
    volume: bool = False  # whether one is drawn


def billboards(hud: Hud, size: tuple[int, int], scale: int) -> list[Billboard]:
    """Where everything stands in a window of `size` pixels; `scale` times as large as usual."""
    margin = _MARGIN_PX * scale
    pieces = [text_image(text, colour, _LETTER_PX * scale, True) for text, colour in hud.top]
    found = [Billboard(side_by_side(pieces), margin, margin, _DEPTH_M)] if pieces else []
    y = size[1] - margin
    for row in reversed(_help(hud, scale) if hud.help else ()):
        y -= len(row)
        found.append(Billboard(row, margin, y, _DEPTH_M))
    if (line := hud.line) is not None:
        x0, x1, y0 = _line(size, scale, y)
        share, first, last = (_share(line, seconds) for seconds in (line.now, line.first, line.last))
        ends = (f"{line.now:.2f} s", f"{line.duration:.2f} s")
        left, right = (text_image(text, INK, _SMALL_PX * scale) for text in ends)
        found.append(Billboard(bar(share, x1 - x0, _BAR_PX * scale, _HANDLE, (first, last)), x0, y0, _DEPTH_M))
        below = (_BAR_PX * scale - len(left)) // 2
        found.append(Billboard(left, x0 - left.shape[1] - margin // 2, y0 + below, _DEPTH_M))
        found.append(Billboard(right, x1 + margin // 2, y0 + below, _DEPTH_M))
    return found


def time_at(hud: Hud, size: tuple[int, int], scale: int, x: float, y: float) -> float | None:
    """The time (s) that a click at a pixel means; None where it is not on the time line."""
    if hud.line is None:
        return None
    bottom = size[1] - _MARGIN_PX * scale
    if hud.help:
        bottom -= sum(len(row) for row in _help(hud, scale))
    x0, x1, y0 = _line(size, scale, bottom)
    if not (x0 - 8 <= x <= x1 + 8 and y0 <= y <= y0 + _BAR_PX * scale):
        return None
    return float(np.clip((x - x0) / (x1 - x0 - 1), 0.0, 1.0)) * hud.line.duration


def _share(line: TimeLine, seconds: float) -> float:
    """Of the time line's length."""
    return seconds / line.duration if line.duration > 0 else 0.0


def _line(size: tuple[int, int], scale: int, bottom: int) -> tuple[int, int, int]:
    """Left, right and top of the time line, which stands above `bottom`."""
    inset = (_MARGIN_PX + 90) * scale
    return inset, max(size[0] - inset, inset + 2), bottom - (_BAR_PX + 8) * scale


def _help(hud: Hud, scale: int) -> tuple[Picture, ...]:
    return _keys(hud.line is None, hud.cameras, hud.floor, hud.volume, scale)


@lru_cache(maxsize=8)
def _keys(live: bool, cameras: bool, floor: bool, volume: bool, scale: int) -> tuple[Picture, ...]:
    """The keys, and what the colours mean."""

    def row(pairs: tuple[tuple[str, str], ...]) -> Picture:
        pieces: list[Picture] = []
        for key, meaning in pairs:
            pieces.append(text_image(key, INK, _SMALL_PX * scale, True))
            pieces.append(text_image(f"{meaning}   ", _QUIET, _SMALL_PX * scale))
        return side_by_side(pieces)

    small = _SMALL_PX * scale
    legend = [text_image("person:", INK, small, True), text_image("left side light, right side dark,", _QUIET, small)]
    legend += [text_image("grey and thin: filled, not measured   ", _FILLED, small)]
    legend += [text_image("floor:", INK, small, True), text_image("1 m squares   ", _QUIET, small)] if floor else []
    legend += [text_image("box:", INK, small, True), text_image("capture volume   ", _QUIET, small)] if volume else []
    if cameras:
        legend += [text_image("camera:", INK, small, True)]
        legend += [text_image(state, STATE_COLOURS[state], small) for state in ("alive", "late", "missing")]
    return row(_VIEWS), row((*(_LIVE if live else _TAKE), *_SHOW)), side_by_side(legend)
