"""A studio without a rig on the pages: people who walk calibrate it, as `multiview run` does, then it goes on."""

from __future__ import annotations

from nicegui import ui

from services.dashboard.access import Role, Session
from services.dashboard.control import Control
from services.dashboard.layout import act

__all__ = ["WalkPanel"]


class WalkPanel:
    """The section, on the first page and on that of calibration.

    Args:
        control: Of the studio.
        session: Who looks.
    """

    def __init__(self, control: Control, session: Session) -> None:
        self._control, self._session, self._controls = control, session, session.role is Role.CONTROL
        ui.label(
            "Nothing to print. One to four people walk through the whole room, near and far, and turn around, until "
            "two cameras have seen them for half a minute together; then the studio runs. Lengths are within 6 % "
            "unless you say how tall the tallest one is."
        ).classes("mv-quiet")
        if self._controls:
            with ui.element("div").classes("mv-form"):
                self._height = ui.number("Stature of the tallest, cm", min=80, max=230, placeholder="not known")
            with ui.element("div").classes("mv-row"):
                self._start = ui.button("Start, and calibrate from people", icon="directions_walk").props("no-caps")
                self._start.on_click(self._begin)
                self._stop = ui.button("Stop", icon="stop").props("no-caps outline").on_click(self._end)
        self._state = ui.label("").classes("mv-figures").props('role="status"')
        self.refresh()

    def refresh(self) -> None:
        """Show how it goes."""
        active = self._control.started
        failure = "" if active else self._control.failure()
        self._state.set_text(f"● {self._control.says or 'the cameras are opening ...'}" if active else failure)
        self._state.classes(replace=f"mv-figures {'mv-alarm' if failure else ''}")
        if self._controls:
            self._height.set_enabled(not active)
            self._start.set_visibility(not active)
            self._stop.set_visibility(active)

    async def _begin(self) -> None:
        await act(self._start, self._control.calibrate_by_walking, self._session, self._height.value)
        self.refresh()

    async def _end(self) -> None:
        await act(self._stop, self._control.stop_studio, self._session)
        self.refresh()
