"""The cameras' live pictures as an element of a page; static/pictures_view.js draws them."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from services.dashboard.layout import STATIC

__all__ = ["PicturesView"]


class PicturesView(Element, component=STATIC / "pictures_view.js"):
    """Draws the pictures of /pictures, in a wall or one large, and people over them.

    Args:
        room: As of `services.dashboard.room`.
    """

    def __init__(self, room: dict[str, Any]) -> None:
        super().__init__()
        self._props["room"] = room
