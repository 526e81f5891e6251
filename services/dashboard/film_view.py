"""Cameras that are looked at, and calibrated ones in 3D, as elements of pages; static/ has their scripts."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from nicegui.elements import scene  # noqa: F401  (brings three.js: "nicegui-scene" of static/scene3d.js)

from services.dashboard.layout import STATIC

__all__ = ["FilmView", "RigView"]


class FilmView(Element, component=STATIC / "film_view.js"):
    """Shows what /film gives.

    Args:
        waiting: What is said until there is something.
    """

    def __init__(self, waiting: str) -> None:
        super().__init__()
        self._props["waiting"] = waiting


class RigView(Element, component=STATIC / "rig_view.js"):
    """Shows a rig.

    Args:
        room: As of `services.dashboard.room`.
    """

    def __init__(self, room: dict[str, Any]) -> None:
        super().__init__()
        self._props["room"] = room
