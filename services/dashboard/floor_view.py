"""A recording of the board as an element of a page, to show where it lies; static/floor_view.js draws it."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from services.dashboard.layout import STATIC

__all__ = ["FloorView"]


class FloorView(Element, component=STATIC / "floor_view.js"):
    """Shows the videos of a take at one moment; a click on a picture is an event, `pick`.

    Args:
        folder: Of the take, as in addresses.
        cameras: `name`, `begins` and `ends` of each video, s.
    """

    def __init__(self, folder: str, cameras: list[dict[str, Any]]) -> None:
        super().__init__()
        self._props["folder"] = folder
        self._props["cameras"] = cameras
