"""The live 3D view as an element of a page; static/live_view.js draws it."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from nicegui.elements import scene  # noqa: F401  (brings three.js: "nicegui-scene" of static/scene3d.js)

from services.dashboard.layout import STATIC

__all__ = ["LiveView"]


class LiveView(Element, component=STATIC / "live_view.js"):
    """Draws the poses of /stream.

    Args:
        room: As of `services.dashboard.room`.
    """

    def __init__(self, room: dict[str, Any]) -> None:
        super().__init__()
        self._props["room"] = room
        self._states: dict[str, str] = {}

    def show_cameras(self, states: dict[str, str]) -> None:
        """Each camera by name: `alive`, `late` or `missing`."""
        if states != self._states:
            self._states = states
            self.props["states"] = states  # for when the page is loaded; by itself, as the room goes with all of them
            if self.client.has_socket_connection:
                self.run_method("showStates", states)
