"""Cameras whose names, files or addresses were exchanged: which of them stands where which other one should.

`source[c]` is the camera, as it is called now, that stands where camera c of the rig does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera
from multiview.geometry.rigid import rotation_angle

__all__ = ["MOST_COMPARED", "mixed_up", "orders", "words"]

MOST_COMPARED = 5  # cameras of two calibrations of which every order is compared: it costs little
TOLERANCE_RAD = np.radians(5.0)  # of turns and directions between two cameras; a knock is less, another place is more
HALF = 0.5


def orders(suspects: Sequence[int], most: int) -> Iterator[tuple[int, ...]]:
    """Every order, other than their own, that the names of some cameras may have come to be in.

    Args:
        suspects: The cameras.
        most: Of which every order is meant; of more, every exchange of two.

    Yields:
        Whose place each of them takes.
    """
    if len(suspects) <= most:
        yield from list(permutations(suspects))[1:]
        return
    for a, b in combinations(suspects, 2):
        swapped = {a: b, b: a}
        yield tuple(swapped.get(c, c) for c in suspects)


def words(names: Sequence[str], source: Sequence[int]) -> str:
    """What is mixed up, and what to do; empty where nothing is.

    Args:
        names: Of the rig's cameras.
        source: Who stands where each of them should.

    Returns:
        One sentence.
    """
    moved = [c for c, other in enumerate(source) if c != other]
    if not moved:
        return ""
    advice = "check their files, names or addresses"
    if len(moved) == 2:
        one, other = sorted(names[c] for c in moved)
        return f"{one} and {other} are exchanged, each sees what the other should: {advice}"
    where = ", ".join(f"{names[source[c]]} sees what {names[c]} should" for c in moved)
    return f"cameras are mixed up, {where}: {advice}"


def mixed_up(now: Sequence[Camera], then: Sequence[Camera]) -> tuple[int, ...]:
    """Compare a fresh calibration with an old one, whatever their worlds and units.

    Args:
        now: The cameras as they stand, under the names of their recordings.
        then: The same names, as they stood.

    Returns:
        For each place of `then` which camera stands there now: its own, unless another order makes those agree that
        do not.
    """
    own = tuple(range(len(now)))
    suspects = [c for c in own if not _holds(now, then, own, c)]
    best, most = own, _agreeing(now, then, own)
    for order in orders(suspects, MOST_COMPARED):
        place = dict(zip(suspects, order, strict=True))
        source = tuple(place.get(c, c) for c in own)
        changed = [c for c in own if source[c] != c]
        if (count := _agreeing(now, then, source)) > most and all(_holds(now, then, source, c) for c in changed):
            best, most = source, count
    return best


def _holds(now: Sequence[Camera], then: Sequence[Camera], source: tuple[int, ...], c: int) -> bool:
    """Whether a camera stands as it should beside half of the others or more."""
    others = [other for other in range(len(then)) if other != c]
    return sum(_agree(now, then, source, c, other) for other in others) >= HALF * len(others)


def _agreeing(now: Sequence[Camera], then: Sequence[Camera], source: tuple[int, ...]) -> int:
    return sum(_agree(now, then, source, a, b) for a, b in combinations(range(len(then)), 2))


def _agree(now: Sequence[Camera], then: Sequence[Camera], source: tuple[int, ...], a: int, b: int) -> bool:
    """Whether two cameras are turned to each other, and see each other in the directions, as they should."""
    pairs = (now[source[a]], now[source[b]]), (then[a], then[b])
    turn, old_turn = (two.R @ one.R.T for one, two in pairs)
    if rotation_angle(turn @ old_turn.T) > TOLERANCE_RAD:
        return False
    direction, old_direction = (_direction(one, two) for one, two in pairs)
    return bool(direction @ old_direction > np.cos(TOLERANCE_RAD))


def _direction(camera: Camera, other: Camera) -> Float64[np.ndarray, " 3"]:
    """Unit vector to another camera, in a camera's axes; 0 where both are in one place."""
    between = camera.R @ (other.centre - camera.centre)
    return between / max(float(np.linalg.norm(between)), 1e-9)
