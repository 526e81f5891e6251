"""The Health page: processes, figures of the last minutes, what doctor finds, and logs."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from services.capture.doctor import Finding
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.health import findings, log_names, log_tail, trend_svg
from services.dashboard.hub_feed import TREND_S, Sample
from services.dashboard.layout import act, page_frame

__all__ = ["health_page"]

REFRESH_S = 1.0
DOTS = {"good": "mv-alive", "warn": "mv-late", "bad": "mv-missing"}
TRENDS: tuple[tuple[str, str, Callable[[Sample], float]], ...] = (
    ("Poses per second", "{:.0f}", lambda sample: sample.rate_hz),
    ("Latency, ms", "{:.0f}", lambda sample: sample.latency_ms),
    ("Fusion's slowest of 100 ticks, ms", "{:.1f}", lambda sample: sample.fusion_p99_ms),
    ("People", "{:.0f}", lambda sample: sample.people),
    ("Cameras that fusion uses", "{:.0f}", lambda sample: sample.cameras),
)


def health_page(backstage: Backstage, session: Session) -> None:
    """Build the page for one browser.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    backstage.refresh()
    with page_frame("Health", backstage, session), ui.element("main").classes("mv-page mv-wide"):
        ui.label("Health").classes("text-h5")
        page = _Health(backstage, session)
    ui.timer(REFRESH_S, page.refresh)


class _Health:
    """The page's cells."""

    def __init__(self, backstage: Backstage, session: Session) -> None:
        self._backstage, self._session = backstage, session
        self._services: tuple[tuple[str, ...], ...] | None = None
        self._names: list[str] = []
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>Processes</h2>", sanitize=False)
            self._process_cell = ui.element("div").classes("mv-cell").props('role="status"')
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>The last minutes</h2>", sanitize=False)
            with ui.element("div").classes("mv-trends"):
                self._trends = [self._trend(title) for title, _, _ in TRENDS]
        if session.role is Role.CONTROL:
            self._doctor_cell()
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>Logs</h2>", sanitize=False)
            self._log = (
                ui.select([], label="Log of", on_change=self._show_log).props("dense outlined").classes("mv-log-name")
            )
            self._lines = ui.label("").classes("mv-log").props('tabindex="0" aria-label="The end of the log"')
        self.refresh()

    def _trend(self, title: str) -> tuple[ui.label, ui.html]:
        with ui.element("div").classes("mv-cell"):
            with ui.element("div").classes("mv-row"):
                ui.label(title).classes("mv-quiet mv-grow")
                figure = ui.label("").classes("mv-figures")
            return figure, ui.html("", sanitize=False)

    def _doctor_cell(self) -> None:
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>This machine and this studio</h2>", sanitize=False)
            with ui.element("div").classes("mv-row"):
                button = ui.button("Check now", icon="troubleshoot").props("no-caps")
                ui.label(
                    "Of a studio that runs, the machine alone is checked: stop it, and its cameras are, too."
                ).classes("mv-quiet")
            cell = ui.element("div").classes("mv-cell").props('role="status"')

        async def check() -> None:
            found = await act(button, findings, self._backstage.control, self._session)
            if found is not None:
                cell.clear()
                with cell:
                    for one in found:
                        _finding_row(one)

        button.on_click(check)

    def refresh(self) -> None:
        """Show how things are."""
        feed, control = self._backstage.feed, self._backstage.control
        services = {} if feed is None else feed.services
        rows = [
            (name, health.state, health.texts.get("why", "") or health.texts.get("error", ""))
            for name in sorted(services)
            if feed is not None and (health := feed.service(name)) is not None
        ]
        cameras = [] if feed is None else sorted(feed.cameras)
        for name in cameras:
            camera = feed.camera(name) if feed is not None else None
            if camera is not None:
                rows.append((f"camera {name}", camera.state, camera.note))
        now = tuple(rows)
        if now != self._services:
            self._services = now
            self._show_processes(now, control.started)
        self._show_trends([] if feed is None else list(feed.trend))
        names = log_names(control)
        if names != self._names:
            self._names = names
            chosen = self._log.value if self._log.value in names else (names[0] if names else None)
            self._log.set_options(names, value=chosen)
        self._show_log()

    def _show_processes(self, rows: tuple[tuple[str, ...], ...], started: bool) -> None:
        self._process_cell.clear()
        with self._process_cell:
            if not rows:
                ui.label("Starting ..." if started else "The studio is stopped: start it on the page Live.")
            for name, state, why in rows:
                with ui.element("div").classes("mv-row"):
                    ui.element("span").classes(
                        f"mv-dot {'mv-alive' if state in ('running', 'finished') else 'mv-late'}"
                    )
                    ui.label(name).style("font-weight: 600")
                    ui.label(state).classes("mv-quiet")
                    ui.label(why).classes("mv-quiet mv-grow")

    def _show_trends(self, samples: list[Sample]) -> None:
        for (title, form, value), (figure, drawing) in zip(TRENDS, self._trends, strict=True):
            values = [value(sample) for sample in samples]
            figure.set_text(form.format(values[-1]) if values else "")
            drawing.set_content(trend_svg(values, f"{title}, the last {len(values) * TREND_S:.0f} s"))

    def _show_log(self) -> None:
        self._lines.set_text(log_tail(self._backstage.control, self._log.value) if self._log.value else "None yet.")


def _finding_row(finding: Finding) -> None:
    with ui.element("div").classes("mv-row"):
        ui.element("span").classes(f"mv-dot {DOTS[finding.verdict]}").props(f'aria-label="{finding.verdict}"')
        ui.label(finding.what).style("font-weight: 600")
        ui.label(finding.seen).classes("mv-quiet")
        if finding.advice:
            ui.label(finding.advice).classes("mv-advice")
