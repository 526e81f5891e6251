"""Calibration without a board on the Calibrate page: film people or choose a take, then calibrate or check from it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from multiview.errors import ConfigError
from multiview.recordings.take import Take
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.calibration import PEOPLE
from services.dashboard.film_view import FilmView
from services.dashboard.layout import act
from services.dashboard.take_list import find_take, list_takes

__all__ = ["PeoplePanel"]


class PeoplePanel:
    """The section.

    Args:
        backstage: What the pages share.
        session: Who looks.
        changed: Called after something was begun.
    """

    def __init__(self, backstage: Backstage, session: Session, changed: Callable[[], None]) -> None:
        self._backstage, self._session, self._changed = backstage, session, changed
        self._filming, self._calibration = backstage.filming, backstage.calibration
        self._controls, self._active = session.role is Role.CONTROL, False
        ui.label(
            "One to four people walk through the whole room for half a minute, near and far, and turn around. Lengths "
            "are within 6 % unless you say how tall the tallest one is."
        ).classes("mv-quiet")
        if not self._controls:
            return
        with ui.element("div").classes("mv-row"):
            self._film = ui.button("Film people", icon="videocam", on_click=self._begin).props("no-caps outline")
            self._end = ui.button("Stop filming", icon="stop", on_click=self._stop).props("no-caps outline")
        self._state = ui.label("").classes("mv-figures").props('role="status"')
        self._film_cell = ui.element("div").classes("mv-cell")
        with ui.element("div").classes("mv-form"):
            self._take = ui.select(self._takes(), label="A take of people")
            self._take.tooltip("Of those on the page Takes: film people here, or record them on the page Live")
            self._height = ui.number("Stature of the tallest, cm", min=80, max=230, placeholder="not known")
        with ui.element("div").classes("mv-row"):
            self._solve = ui.button("Calibrate from people", icon="directions_walk", on_click=self._calibrate)
            self._check = ui.button("Check the rig with people", icon="rule", on_click=self._check_rig)
            self._solve.props("no-caps outline")
            self._check.props("no-caps outline")

    def refresh(self) -> None:
        """Show how things are."""
        if not self._controls:
            return
        filming, busy = self._filming, bool(self._calibration.solving)
        active = filming.running and filming.what == PEOPLE
        self._film.set_visibility(not active)
        self._end.set_visibility(active)
        self._film.set_enabled(not filming.running and not busy)
        self._solve.set_enabled(not busy)
        self._check.set_visibility(self._backstage.calibrated)
        self._check.set_enabled(not busy)
        fault = filming.fault if filming.what == PEOPLE and not active else ""
        self._state.set_text(f"● {filming.report.seconds:.0f} s" if active else fault)
        self._state.classes(replace=f"mv-figures {'' if active else 'mv-alarm'}")
        if active != self._active:
            self._active = active
            self._film_cell.clear()
            if active:
                with self._film_cell:
                    FilmView("The cameras are opening ...")

    def _takes(self) -> dict[str, str]:
        """Those that are finished."""
        return {row.folder: row.name for row in list_takes(self._backstage.takes) if not row.remark}

    async def _begin(self) -> None:
        await act(self._film, self._calibration.film_people, self._session)
        self._changed()

    async def _stop(self) -> None:
        await act(self._end, self._filming.stop)
        self._take.set_options(self._takes(), value=next(iter(self._takes()), None))
        self._changed()

    async def _calibrate(self) -> None:
        await act(
            self._solve, lambda: self._calibration.solve_people(self._session, self._chosen(), self._height.value)
        )
        self._changed()

    async def _check_rig(self) -> None:
        await act(self._check, lambda: self._calibration.check_people(self._session, self._chosen()))
        self._changed()

    def _chosen(self) -> Take:
        take = find_take(self._backstage.takes, self._take.value or "")
        if take is None:
            raise ConfigError("choose a take first")
        return take
