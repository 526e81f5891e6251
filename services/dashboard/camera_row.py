"""One camera on the Live page: how it is, and the button that leaves it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from services.dashboard.layout import called

__all__ = ["CameraRow"]


class CameraRow:
    """A row of the panel.

    Args:
        name: Of the camera.
        leave_out: Leaves it out, or takes it in again; None for who may only view.
    """

    def __init__(self, name: str, leave_out: Callable[[ui.button, str], Awaitable[None]] | None) -> None:
        self._name, self._button = name, None
        with ui.element("div").classes("mv-row mv-camera-row"):
            self._dot = ui.element("span").classes("mv-dot")
            ui.label(name)
            self._words = ui.label("").classes("mv-quiet mv-grow mv-figures")
            if leave_out is not None:
                self._button = ui.button("").props("flat dense no-caps")
                self._button.on_click(lambda: leave_out(self._button, name))

    def show(self, state: str, words: str, left_out: bool, alive: bool) -> None:
        """How it is now."""
        self._dot.classes(replace=f"mv-dot {f'mv-{state}' if state else ''}")
        self._words.set_text(words)
        if self._button is not None:
            does = "Take in" if left_out else "Leave out"
            self._button.set_text(does)
            if self._button.props.get("aria-label") != f"{does} {self._name}":
                called(self._button, f"{does} {self._name}").update()
            self._button.set_visibility(alive)
