"""How far a batch is: a bar on a terminal, a line now and then in a log, and the summary page on the way."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from multiview.batch.jobs import Job
from multiview.batch.results import Done
from multiview.common.console import plain_console
from multiview.common.counted import counted
from services.batch.driver import Progress

__all__ = ["Show", "remaining_s"]

LINE_S, PAGE_S = 30.0, 20.0


class Show:
    """Tells how far a batch is while it is entered.

    Args:
        to_do: The jobs that are not done.
        where: They run, in words.
        write: Writes the summary page.
    """

    def __init__(self, to_do: Iterable[Job], where: str, write: Callable[[], Path]) -> None:
        self._kinds = {job.name: type(job.work).__name__ for job in to_do}
        self._write = write
        self._began = self._said = self._wrote = time.monotonic()
        console = plain_console(stderr=True)
        self._terminal = console.is_terminal
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        self._bar = Bar(*columns, console=console, transient=True, disable=not self._terminal)
        self._task = self._bar.add_task("", total=len(self._kinds))
        console.print(f"{counted(len(self._kinds), 'job')} on {where}", highlight=False)
        self._console = console

    def __enter__(self) -> Show:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def update(self, progress: Progress) -> None:
        """Show it."""
        now = time.monotonic()
        words = self._words(progress, now - self._began)
        done = len(progress.outcomes) - progress.before
        self._bar.update(self._task, completed=done, description=words)
        if not self._terminal and now - self._said > LINE_S:
            self._said = now
            line = ", ".join(filter(None, [f"{done} of {counted(len(self._kinds), 'job')}", words]))
            self._console.print(line, highlight=False, soft_wrap=True)
        if now - self._wrote > PAGE_S:
            with contextlib.suppress(OSError):  # a full disk: the page comes in the end
                self._write()
            self._wrote = time.monotonic()

    def _words(self, progress: Progress, elapsed_s: float) -> str:
        done = len(progress.outcomes) - progress.before
        parts = [f"{60 * done / elapsed_s:.1f} a minute"] if done and elapsed_s > 1 else []
        if (left_s := remaining_s(self._kinds, progress, elapsed_s)) is not None:
            parts.append(f"{_duration(left_s)} left")
        parts += [f"{progress.failed} failed"] * bool(progress.failed)
        parts += [f"{progress.lost} lost and begun again"] * bool(progress.lost)
        parts += [f"{progress.elsewhere} in other batches"] * bool(progress.elsewhere)
        return ", ".join([*parts, *([progress.note] if progress.note else [])])


def remaining_s(kinds: dict[str, str], progress: Progress, elapsed_s: float) -> float | None:
    """How long the rest will take, if each kind of job goes on taking as long as it did; None while nothing is known.

    Args:
        kinds: Of the jobs that were to do, by their names.
        progress: How far it is.
        elapsed_s: Since it began, s.

    Returns:
        s.
    """
    spent: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for name, kind in kinds.items():
        outcome = progress.outcomes.get(name)
        if isinstance(outcome, Done):
            spent[kind] += outcome.seconds  # type: ignore[assignment]
            count[kind] += 1
    total = sum(spent.values())
    if not total:
        return None
    mean = total / sum(count.values())
    left = Counter(kind for name, kind in kinds.items() if name not in progress.outcomes)
    work = sum(number * (spent[kind] / count[kind] if count[kind] else mean) for kind, number in left.items())
    return work * elapsed_s / total


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
