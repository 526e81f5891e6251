"""Names of joints that other people chose: compared without their spelling, and paired left with right."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["canonical", "legal", "paired"]

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SIDES = {"l": "left", "lft": "left", "r": "right", "rgt": "right", "rt": "right", "lt": "left"}
_INSIDE = re.compile(r"^(left|right)(.+)$|^(.+)(left|right)$")
_OTHER = {"left": "right", "right": "left"}


def canonical(name: str) -> str:
    """The words of a name in small letters, its side first and written out: EarL, ear_left and L.Ear are left_ear."""
    words: list[str] = []
    for word in (found.lower() for found in _WORDS.findall(name)):
        split = _INSIDE.match(word)
        words += [part for part in split.groups() if part] if split else [_SIDES.get(word, word)]
    sides = [word for word in words if word in _OTHER]
    return "_".join(sides[:1] + [word for word in words if word not in sides[:1]]) or name.lower()


def paired(joints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs (left, right) of joints whose names differ in their side alone."""
    place = {canonical(name): n for n, name in enumerate(joints)}
    pairs = []
    for name, n in place.items():
        if name.startswith("left") and "right" + name.removeprefix("left") in place:
            pairs.append((n, place["right" + name.removeprefix("left")]))
    return tuple(pairs)


def legal(joints: Sequence[str]) -> tuple[str, ...]:
    """The names as a skeleton may have them: one line, no commas or slashes, none twice."""
    names: list[str] = []
    for joint in joints:
        name = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069,/\\]", "_", joint.strip())[:60] or "joint"
        name = name if name.strip(".") else name.replace(".", "_")
        number = 1
        while (unique := name if number == 1 else f"{name} {number}") in names:
            number += 1
        names.append(unique)
    return tuple(names)
