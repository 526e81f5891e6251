"""Bridges on the Live page: one row for each, with its button."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from multiview.errors import MultiviewError, one_line
from services.dashboard.access import Role, Session
from services.dashboard.bridges import Bridges
from services.dashboard.layout import act

__all__ = ["BridgeRows"]

WORDS = {
    "foxglove": "Foxglove, Lichtblick: people, cameras, pictures",
    "rerun": "Rerun: people, cameras, pictures",
    "vmc": "VMC: avatars in VSeeFace, Warudo, Unity",
    "vrchat": "VRChat: full-body tracking of one person",
    "qtm": "QTM: plug-ins of Unreal, Unity, MotionBuilder, MATLAB",
    "lsl": "LSL: LabRecorder, other instruments",
    "websocket": "WebSocket: web pages and games",
}


class BridgeRows:
    """The cell.

    Args:
        bridges: Of the studio.
        session: Who looks.
    """

    def __init__(self, bridges: Bridges, session: Session) -> None:
        self._bridges, self._session, self._controls = bridges, session, session.role is Role.CONTROL
        self._rows: dict[str, tuple[Any, ...]] = {}
        with ui.element("div").classes("mv-cell"):
            ui.html("<h2>Send poses to other programs</h2>", sanitize=False)
            for name in bridges.names:
                self._rows[name] = self._row(name)
        self.refresh()

    def _row(self, name: str) -> tuple[Any, ...]:
        with ui.element("div").classes("mv-row mv-bridge"):
            dot = ui.element("span").classes("mv-dot")
            with ui.element("div").classes("mv-grow"):
                ui.label(WORDS.get(name, name))
                state = ui.label("").classes("mv-quiet")
            start = ui.button("Start", icon="play_arrow").props(f'flat dense no-caps aria-label="Start bridge {name}"')
            start.on_click(lambda: self._ask(name))
            stop = ui.button("Stop", icon="stop").props(f'flat dense no-caps aria-label="Stop bridge {name}"')
            stop.on_click(lambda: self._stop(stop, name))
        return dot, state, start, stop

    def refresh(self) -> None:
        """Show which run."""
        for name, (dot, state, start, stop) in self._rows.items():
            options, failure = self._bridges.running(name), ""
            runs = options is not None
            if not runs:
                failure = self._bridges.failure(name)
            dot.classes(replace=f"mv-dot {'mv-alive' if runs else 'mv-missing' if failure else ''}")
            state.set_text(options if options is not None else failure)
            state.classes(replace="mv-alarm" if failure else "mv-quiet")
            start.set_visibility(self._controls and not runs)
            stop.set_visibility(self._controls and runs)

    def _ask(self, name: str) -> None:
        """Its options, then start it."""
        try:
            options = self._bridges.options(name)
        except MultiviewError as error:
            ui.notify(one_line(error), type="negative")
            return
        fields: dict[str, Any] = {}
        with ui.dialog(value=True) as dialog, ui.card().classes("mv-dialog"):
            ui.label(WORDS.get(name, name)).classes("text-h6")
            for option in options:
                label = option.name.replace("_", " ")
                if isinstance(option.default, str):
                    fields[option.name] = ui.input(label, value=option.default).props("dense outlined maxlength=256")
                else:
                    fields[option.name] = ui.number(label, value=option.default).props("dense outlined")
            with ui.row():
                button = ui.button("Start the bridge", icon="play_arrow").props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def start() -> None:
            chosen = {key: field.value for key, field in fields.items() if field.value is not None}
            await act(button, self._bridges.start, self._session, name, chosen)
            if self._bridges.running(name) is not None:
                dialog.close()
            self.refresh()

        button.on_click(start)
        dialog.on("hide", dialog.delete)

    async def _stop(self, button: ui.button, name: str) -> None:
        await act(button, self._bridges.stop, self._session, name)
        self.refresh()
