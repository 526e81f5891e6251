"""A take in 3D, and over its videos, as elements of a page; static/take_view.js and take_pictures.js draw them."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from nicegui.elements import scene  # noqa: F401  (brings three.js: "nicegui-scene" of static/scene3d.js)

from services.dashboard.layout import STATIC

__all__ = ["TakePictures", "TakeView"]


class TakeView(Element, component=STATIC / "take_view.js"):
    """Plays the poses that an address gives.

    Args:
        room: As of `services.dashboard.room`.
        url: Of the poses.
        errors_url: Of the reprojection errors.
        edits: Whether who looks may edit: spans are marked then, and `span`, `undo` and `redo` are events.
    """

    def __init__(self, room: dict[str, Any], url: str, errors_url: str, edits: bool) -> None:
        super().__init__()
        self._props["room"] = room
        self._props["url"] = url
        self._props["errorsUrl"] = errors_url
        self._props["edits"] = edits

    def reload(self) -> None:
        """Show the take as it is now."""
        self.run_method("reload")

    def show_span(self, from_s: float | None, to_s: float | None) -> None:
        """Mark a span under the time line.

        Args:
            from_s: s from the take's start.
            to_s: s.
        """
        self.run_method("setSpan", from_s, to_s)


class TakePictures(Element, component=STATIC / "take_pictures.js"):
    """Shows what the cameras saw at the player's moment.

    Args:
        room: As of `services.dashboard.room`.
        folder: Of the take, as in addresses.
    """

    def __init__(self, room: dict[str, Any], folder: str) -> None:
        super().__init__()
        self._props["room"] = room
        self._props["folder"] = folder
