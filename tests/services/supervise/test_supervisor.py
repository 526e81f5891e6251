"""What becomes of processes that die, hang or cannot start, on a simulated clock with simulated processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.runtime.process import TOLD_TO_END
from services.supervise import child, supervisor
from services.supervise.child import CANNOT_START, Child
from services.supervise.supervisor import HUNG_S, LOADING_S, LaunchError, Supervisor
from services.transport.requests import StatusReply

KINDS = ("hub", "fusion", "recorder", "worker cam01", "worker cam02", "viewer", "metrics")
ROLES = {
    "fusion": ["service/fusion"],
    "recorder": ["service/recorder"],
    "worker cam01": ["camera/cam01"],
    "worker cam02": ["camera/cam02"],
}


class Simulated(Child):
    """A process that lives until it is told otherwise."""

    studio: SimulatedStudio

    def start(self) -> None:
        self.started, self.dead = self.studio.now, False
        self.exit: int | None = self.studio.exits.get(self.name)
        self.starts = getattr(self, "starts", 0) + 1

    @property
    def running(self) -> bool:
        return self.exit is None

    @property
    def status(self) -> int | None:
        return self.exit

    def last_line(self) -> str:
        return "its last words"

    def kill(self) -> None:
        self.exit = -signal.SIGKILL.value


class SimulatedStudio:
    """Processes on a simulated clock; whoever is not `blocked` is heard by the hub all the time."""

    def __init__(self, patch: pytest.MonkeyPatch, strict: bool, recording: bool) -> None:
        self.now = 1000.0
        patch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=lambda s: None))
        patch.setattr(supervisor, "Child", Simulated)
        patch.setattr(Simulated, "studio", self, raising=False)
        self.exits: dict[str, int] = {}  # with which those die as soon as they are started
        self.blocked: set[str] = set()
        self._since: dict[str, float] = {}
        self.supervisor = Supervisor(self._status, Path(), strict, recording)
        for name in KINDS:
            self.supervisor.spawn(name, [name], ROLES.get(name, ()), name in ("hub", "fusion"))
        self.run(2.0)

    def child(self, name: str) -> Simulated:
        child = self.supervisor.children[name]
        assert isinstance(child, Simulated)
        return child

    def starts(self) -> dict[str, int]:
        return {name: self.child(name).starts for name in KINDS}

    def _status(self, timeout_s: float) -> StatusReply | None:
        if not self.child("hub").running or "hub" in self.blocked:
            return None
        for name, (role,) in ROLES.items():
            if self.child(name).running and name not in self.blocked:
                self._since[role] = self.now
        roles = {role: self.now - at for role, at in self._since.items()}
        return StatusReply(boot_id=1, hub_ns=0, start_ns=1, roles=roles, received=0, rejected=0, reasons={})

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.supervisor.watch()
            self.now += 0.05


Make = Callable[..., SimulatedStudio]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a simulated studio: `strict` or not, `recording` or not."""

    def made(strict: bool = False, recording: bool = True) -> SimulatedStudio:
        return SimulatedStudio(monkeypatch, strict, recording)

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_supervisor_survives_a_crash_loop_of_any_process(make: Make, kind: str) -> None:
    """Twelve deaths in a row end nothing, and once the fault is mended the process is back within the longest pause."""
    studio = make()
    others = {name: starts for name, starts in studio.starts().items() if name != kind}
    studio.exits[kind] = -signal.SIGSEGV.value
    studio.child(kind).kill()
    while studio.child(kind).starts < 13:
        studio.run(1.0)
    assert "SIGSEGV" in studio.child(kind).trouble
    del studio.exits[kind]
    studio.run(5.1)
    assert studio.child(kind).running
    studio.run(2 * HUNG_S)
    assert studio.child(kind).trouble == ""
    assert {name: starts for name, starts in studio.starts().items() if name != kind} == others


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "viewer"])
def test_supervisor_retries_what_cannot_start_and_says_why(
    make: Make, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A viewer that cannot open a window is the exception: it is done."""
    studio = make()
    studio.exits[kind] = CANNOT_START
    studio.child(kind).kill()
    studio.run(120.0)
    assert studio.child(kind).trouble == "cannot start: its last words"
    assert f"{kind} cannot start: its last words" in caplog.text
    assert len(caplog.records) <= 5  # said, not repeated for ever
    assert 12 <= studio.child(kind).starts <= 30
    del studio.exits[kind]
    studio.run(10.1)
    assert studio.child(kind).running


@pytest.mark.parametrize("kind", ["hub", "fusion"])
def test_supervisor_ends_without_hub_or_fusion_if_nobody_records(make: Make, kind: str) -> None:
    studio = make(recording=False)
    studio.exits[kind] = CANNOT_START
    studio.child(kind).kill()
    with pytest.raises(LaunchError, match="its last words"):
        studio.run(120.0)


def test_supervisor_that_is_strict_ends_at_once_if_something_cannot_start(make: Make) -> None:
    studio = make(strict=True)
    studio.exits["metrics"] = CANNOT_START
    studio.child("metrics").kill()
    with pytest.raises(LaunchError, match="metrics: its last words"):
        studio.run(5.0)


@pytest.mark.parametrize("kind", ["hub", *ROLES])
def test_supervisor_kills_what_hangs_and_nothing_else(make: Make, kind: str) -> None:
    studio = make()
    before = studio.starts()
    studio.blocked.add(kind)
    studio.run(HUNG_S + 2.0)
    studio.blocked.clear()
    studio.run(2.0)
    assert studio.starts() == before | {kind: before[kind] + 1}


def test_supervisor_lets_a_hub_that_was_started_again_load(make: Make) -> None:
    """On a machine that is too busy it takes longer to start than one that works may be silent."""
    studio = make()
    studio.blocked.add("hub")
    studio.run(HUNG_S + 2.0)
    assert studio.starts()["hub"] == 2
    studio.run(5 * HUNG_S)
    assert studio.starts()["hub"] == 2
    studio.blocked.clear()
    studio.run(2.0)
    studio.blocked.add("hub")
    studio.run(HUNG_S + 2.0)
    assert studio.starts()["hub"] == 3
    studio.run(LOADING_S + HUNG_S)
    assert studio.starts()["hub"] == 4  # but not for ever


def test_supervisor_kills_what_hangs_though_the_hub_is_new(make: Make) -> None:
    """Whoever hung before the hub died is unknown to the next hub, and not forgotten."""
    studio = make()
    studio.blocked.add("fusion")
    studio.child("hub").kill()
    studio._since.clear()
    studio.run(HUNG_S + 2.0)
    assert studio.starts()["fusion"] == 2


@pytest.mark.parametrize("seconds", [3.0, 30.0, 3600.0])
def test_supervisor_kills_nobody_after_a_pause_of_the_machine(
    make: Make, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    studio = make()
    before = studio.starts()
    studio.blocked = set(ROLES)
    studio.now += seconds
    studio.run(2.0)  # the others need a moment to come round
    studio.blocked.clear()
    studio.run(10.0)
    assert studio.starts() == before
    assert "this machine stood still for" in caplog.text


def test_supervisor_kills_nobody_while_everybody_is_silent(make: Make) -> None:
    """Only the others were paused, not this process: that is no fault of theirs."""
    studio = make()
    before = studio.starts()
    studio.blocked = set(ROLES)
    studio.run(30.0)
    studio.blocked.clear()
    studio.run(10.0)
    assert studio.starts() == before
    studio.blocked = set(ROLES)
    studio.run(LOADING_S + 10.0)  # but not for ever
    assert all(studio.starts()[name] > before[name] for name in ROLES)


@pytest.mark.parametrize(("kind", "status"), [("worker cam01", TOLD_TO_END), ("hub", 0), ("recorder", 0)])
def test_supervisor_starts_again_what_somebody_else_ended(
    make: Make, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A camera that was told to end while it played is missed; one whose video is over is not."""
    studio = make()
    before = studio.starts()
    studio.child(kind).exit = status
    studio.child("worker cam02").exit = 0
    studio.run(2.0)
    assert studio.starts() == before | {kind: 2}
    assert f"{kind} was told to end by somebody else; started again at once" in caplog.text
    assert studio.child("worker cam02").done


@pytest.mark.parametrize("status", [0, 2, 3, TOLD_TO_END])
def test_child_tells_what_is_missing_in_what_it_did(tmp_path: Path, status: int) -> None:
    """Its last lines, if its exit status says so."""
    child = Child("worker cam01", ["version"], tmp_path)
    lines = "something before\nmultiview: partly: cam01: 3 frames are not in its video\nmultiview: partly: more\n"
    child.log.write_text(lines)
    child.process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    child.process.wait()
    assert child.missing() == (["cam01: 3 frames are not in its video", "more"] if status in (3, TOLD_TO_END) else [])


def test_log_of_a_process_is_bounded_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LARGEST_LOG", 1000)
    one = Child("worker cam01", [], tmp_path)
    one.bound_log()  # none yet
    with one.log.open("ab", buffering=0) as log:
        for number in range(150):
            log.write(b"line %04d\n" % number)
            one.bound_log()
            assert one.log.stat().st_size <= 1000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2010
    assert one.last_line() == "line 0149"
    older = Path(f"{one.log}.1").read_text().splitlines()
    newer = one.log.read_text().splitlines()
    assert [*older, *newer] == [f"line {number:04}" for number in range(150)]
