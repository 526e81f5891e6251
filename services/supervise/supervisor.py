"""Keeps processes running: starts again what died, kills what hangs, and knows why a process is not at work.

One that cannot start is tried again with growing pauses, whatever the others do. Only an essential one (hub, fusion)
that cannot start ends the supervision, and only while nothing is recorded; if `strict`, every process does.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from multiview.errors import MultiviewError
from services.runtime.process import TOLD_TO_END
from services.supervise.child import CANNOT_START, PARTLY, Child
from services.supervise.silence import Silence
from services.transport.requests import StatusReply

__all__ = ["LOADING_S", "MAX_DEATHS", "OPTIONAL", "LaunchError", "Supervisor"]

CONNECT_S = 300.0  # the longest that fusion may take to compile its kernels, the first time on a machine
CHECK_INTERVAL_S = 1.0
REPLY_TIMEOUT_S = 0.3  # the longest that a dead hub may delay the check of the others
HUNG_S = 5.0  # a process that was silent for so long is killed and started again
LOADING_S = 60.0  # the longest that a process may take until it is connected again
OPTIONAL = ("viewer", "metrics")  # nobody waits for them
WINDOW_S = 30.0  # for so long a user may hold a window's edge, and it does not go on
MAX_DEATHS = 5  # in a row, of an essential process that cannot start; if `strict`, of any process
SAY_AGAIN_S = 60.0  # what is said already


class LaunchError(MultiviewError):
    """A process of the studio could not be started, or keeps failing."""


class Supervisor:
    """The processes of one studio.

    Args:
        status: Asks the hub, waiting at most so many seconds.
        logs: Folder for what the processes print.
        strict: Whether any process that cannot start, or keeps dying, ends it all.
        recording: Whether somebody records, who must not be stopped by others' faults.
    """

    def __init__(
        self, status: Callable[[float], StatusReply | None], logs: Path, strict: bool, recording: bool
    ) -> None:
        self.children: dict[str, Child] = {}
        self._status, self._logs, self._strict, self._recording = status, logs, strict, recording
        self._next_check, self._missed_replies = 0.0, 0
        self._replied_s = 0.0  # when the hub last did
        self._silence = Silence(time.monotonic())

    def spawn(self, name: str, command: list[str], roles: Iterable[str] = (), essential: bool = False) -> None:
        """Start one more process: `multiview COMMAND`, known to the hub by any of its roles."""
        self.children[name] = Child(name, command, self._logs, tuple(roles), essential)
        self.children[name].start()

    def wait_until(self, connected: Callable[[StatusReply], bool]) -> None:
        """Until the hub's reply is as wanted; LaunchError if a process without which nothing is kept cannot start."""
        end = time.monotonic() + CONNECT_S
        while time.monotonic() < end:
            self._silence.wake(time.monotonic())
            for child in self.children.values():
                self._look_after(child, time.monotonic())
                needed = child.essential or child.name == "recorder"
                if needed and child.dead and (child.status == CANNOT_START or child.pauses.deaths > MAX_DEATHS):
                    raise LaunchError(f"{child.name}: {child.last_line()}")
            status = self._status(REPLY_TIMEOUT_S)
            if status is not None and self.children["hub"].running:
                self._replied_s = time.monotonic()
                self._silence.hear(self._replied_s, status.roles)
                if connected(status):
                    return
            time.sleep(0.02)
        waited = [name for name, child in self.children.items() if not self._works(child, time.monotonic())]
        raise LaunchError(f"not connected after {CONNECT_S:g} s: {', '.join(waited)}")

    def watch(self) -> None:
        """Start again what died, and kill what hangs; LaunchError if that must end it all."""
        now = time.monotonic()
        if (paused_s := self._silence.wake(now)) > 0:
            self._missed_replies = 0
            logging.warning("this machine stood still for %.0f s: what was to happen meanwhile is missing", paused_s)
        for child in self.children.values():
            self._look_after(child, now)
            child.bound_log()
        if now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            self._kill_silent()

    def _look_after(self, child: Child, now: float) -> None:
        """Note a death, and start again what is due."""
        if child.done:
            return
        if child.running:
            if child.trouble and self._works(child, now):
                child.trouble = ""
        elif not child.dead:
            child.dead = True
            if _ended_well(child):
                child.done, child.trouble = True, ""
            else:
                self._note_death(child, now)
        elif now >= child.pauses.due:
            child.restarts += 1
            child.start()
            if child.name == "hub":
                self._missed_replies = 0

    def _works(self, child: Child, now: float) -> bool:
        """Whether a process that was started again has been heard, or lives where nobody hears it."""
        if child.roles and child.name not in OPTIONAL:
            return self._silence.signalled_since(child.roles, child.started)
        return now - child.started > HUNG_S

    def _note_death(self, child: Child, now: float) -> None:
        cannot_start, before = child.status == CANNOT_START, child.trouble
        due = child.pauses.died(child.started, now, cannot_start)
        child.trouble, child.hung = _trouble(child), False
        if cannot_start and self._strict:
            raise LaunchError(f"{child.name}: {child.last_line()}")
        alone = child.essential and not self._recording
        if child.pauses.deaths > MAX_DEATHS and (self._strict or (alone and cannot_start)):
            raise LaunchError(f"{child.name} keeps failing: {child.trouble}")
        if child.trouble != before or now - child.said >= SAY_AGAIN_S:
            child.said = now
            when = f"in {due - now:.1f} s" if due > now else "at once"
            logging.warning("%s %s; started again %s", child.name, child.trouble, when)

    def _kill_silent(self) -> None:
        """Kill processes that have stopped repeating their ready signal, unless all have: that is the machine's."""
        status = self._status(REPLY_TIMEOUT_S)
        now = time.monotonic()
        self._silence.hear(now, None if status is None else status.roles)
        self._missed_replies = self._missed_replies + 1 if status is None else 0
        self._replied_s = self._replied_s if status is None else now
        hub = self.children["hub"]
        limit_s = HUNG_S if self._replied_s > hub.started else LOADING_S
        if self._missed_replies >= limit_s / CHECK_INTERVAL_S and hub.running:
            self._kill(hub)
            self._missed_replies = 0
        watched = [child for child in self.children.values() if child.running and child.roles]
        hung = [child for child in watched if self._hangs(child, now, HUNG_S)]
        if len(hung) == len(watched) > 1:
            hung = [child for child in hung if self._hangs(child, now, LOADING_S)]
        for child in hung:
            self._kill(child)

    def _hangs(self, child: Child, now: float, limit_s: float) -> bool:
        if not self._silence.signalled_since(child.roles, child.started):  # it loads
            if child.name in OPTIONAL:
                return False  # may take its time, and may have no key to signal with
            limit_s = CONNECT_S if child.name == "fusion" else LOADING_S
        elif child.name == "viewer":
            limit_s = max(limit_s, WINDOW_S)
        return self._silence.silent_s(child.roles, child.started, now) > limit_s

    def _kill(self, child: Child) -> None:
        logging.warning("%s makes no progress: killed", child.name)
        child.hung = True
        child.kill()


def _ended_well(child: Child) -> bool:
    """A source that has ended; a viewer's window that was closed, or could not be opened."""
    status = child.status
    if status is None:
        return False
    return (child.name == "viewer" and status >= 0) or (child.name.startswith("worker") and status in (0, PARTLY))


def _trouble(child: Child) -> str:
    """Why a process has ended."""
    status = child.status or 0
    if child.hung:
        return "made no progress and was killed"
    if status == CANNOT_START:
        return f"cannot start: {child.last_line()}"
    if status < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"was killed ({known.get(-status, f'signal {-status}')})"
    if status in (0, TOLD_TO_END):
        return "was told to end by somebody else"
    return f"ended with status {status}: {child.last_line()}"
