"""One line when a camera goes away, and one when it is back, for whoever captures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

__all__ = ["CameraNews"]


@runtime_checkable
class Watched(Protocol):
    """What a captured camera tells of itself."""

    name: str

    @property
    def trouble(self) -> str: ...

    @property
    def reconnects(self) -> int: ...


class CameraNews:
    """Compares the cameras' state with that at the last look."""

    def __init__(self, cameras: Iterable[Watched]) -> None:
        self._cameras = list(cameras)
        self._away_s: dict[str, float] = {}  # since when
        self._reconnects = {camera.name: camera.reconnects for camera in self._cameras}

    def look(self, now_s: float) -> Iterator[str]:
        """To be called often; what has happened since the last call."""
        for camera in self._cameras:
            name, trouble = camera.name, camera.trouble
            if trouble and name not in self._away_s:
                self._away_s[name] = now_s
                self._reconnects[name] = camera.reconnects
                yield f"{name}: {trouble}"
            elif not trouble and name in self._away_s:
                self._reconnects[name] = camera.reconnects
                yield f"{name}: it is back after {now_s - self._away_s.pop(name):.1f} s"
            elif not trouble and camera.reconnects > self._reconnects[name]:
                self._reconnects[name] = camera.reconnects
                yield f"{name}: it broke off and is back"
