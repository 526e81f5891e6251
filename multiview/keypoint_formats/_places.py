"""Which camera and which frame a file or picture is, by the names that its program gave it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from multiview.common.names import same_name

__all__ = ["camera_in", "frame_in"]

_NUMBER = re.compile(r"\d+")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
MAX_DIGITS = 18


def camera_in(paths: Iterable[str], cameras: Sequence[str]) -> int:
    """The camera that the first of some paths names: the file's name, else a folder's; -1 if none does.

    A name that is the camera's own counts before one that holds it: "cam01DLC_resnet50" and "day2-cam01_0001" are of
    cam01. Of cameras whose names hold each other, the longest counts.
    """
    for path in paths:
        for part in reversed([part for part in path.replace("\\", "/").split("/") if part]):
            for text in (part, _SUFFIX.sub("", part)):
                for n, name in enumerate(cameras):
                    if same_name(text, name):
                        return n
            held = [n for n, name in enumerate(cameras) if _holds(part, name)]
            if held:
                return max(held, key=lambda n: len(cameras[n]))
    return -1


def frame_in(path: str, camera: str) -> int | None:
    """The last number in a picture's name that is not part of the camera's."""
    name = _SUFFIX.sub("", path.replace("\\", "/").rsplit("/", 1)[-1])
    numbers = _NUMBER.findall(re.sub(_pattern(camera), " ", name)) or _NUMBER.findall(name)
    usable = [text for text in numbers if len(text) <= MAX_DIGITS]
    return int(usable[-1]) if usable else None


def _holds(text: str, name: str) -> bool:
    return re.search(_pattern(name), text) is not None


def _pattern(name: str) -> str:
    """The name, not inside a longer word or number."""
    before = r"(?<![0-9])" if name[0].isdigit() else r"(?<![A-Za-z])" if name[0].isalpha() else ""
    after = r"(?![0-9])" if name[-1].isdigit() else r"(?![a-z])" if name[-1].isalpha() else ""
    return before + re.escape(name) + after
