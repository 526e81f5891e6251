"""A take in 3D as an element of a page; static/take_view.js draws it."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from nicegui.elements import scene  # noqa: F401  (brings three.js: "nicegui-scene" of static/scene3d.js)

from services.dashboard.layout import STATIC

__all__ = ["TakeView"]


class TakeView(Element, component=STATIC / "take_view.js"):
    """Plays the poses that an address gives.

    Args:
        room: As of `services.dashboard.room`.
        url: Of the poses.
    """

    def __init__(self, room: dict[str, Any], url: str) -> None:
        super().__init__()
        self._props["room"] = room
        self._props["url"] = url
