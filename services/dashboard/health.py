"""What the Health page says: what `multiview doctor` finds, and the ends of the logs."""

from __future__ import annotations

import os
from pathlib import Path

from services.capture.doctor import Finding, examine
from services.dashboard.access import Session
from services.dashboard.control import FOLDER, Control, check_control

__all__ = ["findings", "log_names", "log_tail", "trend_svg"]

TAIL = 16_384  # bytes
WIDTH, HEIGHT = 300, 48
FEW = 20  # one value of so many may be cut off


def findings(control: Control, session: Session) -> list[Finding]:
    """Check the machine, and the studio while it does not run: cameras can be opened once only.

    Args:
        control: Of the studio.
        session: Who asks.

    Returns:
        Every finding, the worst first.
    """
    check_control(session, "check the machine")
    idle = control.file.is_file() and not control.started
    found = list(examine(control.file if idle else None))
    return sorted(found, key=lambda one: ("bad", "warn", "good").index(one.verdict))


def log_names(control: Control) -> list[str]:
    """Of the logs of what pages and the studio have started."""
    return sorted(_logs(control))


def log_tail(control: Control, name: str) -> str:
    """The last lines of a log, the newest last; what a browser asks for never becomes a path."""
    path = _logs(control).get(name)
    if path is None:
        return "there is no such log"
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            return log.read().decode(errors="replace").strip() or "it is empty: nothing to say"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _logs(control: Control) -> dict[str, Path]:
    found = [*control.logs.glob("*.log"), *(control.folder / FOLDER).glob("*.log")]
    return {path.stem: path for path in found if path.is_file()}


def trend_svg(values: list[float], what: str) -> str:
    """A line over time, from 0 to what few values are above: those are cut off; right is now.

    Args:
        values: The newest last.
        what: They are, for who cannot see it.

    Returns:
        SVG.
    """
    usual = sorted(values)[: max(len(values) - len(values) // FEW, 1)]
    top = max([*values, 1e-9])
    if usual and usual[-1] > 0:
        top = min(top, 2.0 * usual[-1])
    step = WIDTH / max(len(values) - 1, 1)
    places = " ".join(
        f"{i * step:.1f},{HEIGHT - 2 - (HEIGHT - 4) * min(value / top, 1.0):.1f}" for i, value in enumerate(values)
    )
    return (
        f'<svg class="mv-trend" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{what}"><polyline points="{places}" fill="none" stroke="currentColor" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
