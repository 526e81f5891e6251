"""Sees to it that every job comes to exactly one result or one failure: what is done, the disk says."""

from __future__ import annotations

import platform
import shlex
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from multiview.batch.jobs import Job
from multiview.batch.results import (
    FAILED,
    LOG,
    Done,
    Failed,
    Outcome,
    install,
    job_folder,
    last_lines,
    read_outcome,
)
from multiview.common.json_file import write_json
from multiview.errors import SourceError
from services.batch.claims import Claims
from services.batch.engine import Ended, Engine
from services.batch.worker import DONE, NO_SPACE, Task, out_of_space

__all__ = ["Driver", "Progress"]

MOST_TRIES = 3  # of a job whose process or machine was lost; what fails by itself fails again
WAIT_S = 0.5
SEEN_S = 60.0  # in which a folder over a network shows what another machine has written
LOOK_AROUND_S = 2.0
PAUSE_S, PATIENCE_S = 5.0, 3600.0  # of a full disk


@dataclass(slots=True)
class Progress:
    """How far a batch is.

    Attributes:
        total: Jobs.
        before: Of them, those that were done when it began.
        outcomes: By the jobs' names, those known.
        running: Jobs that the engine has.
        elsewhere: Jobs that other batches have claimed.
        lost: Tries that were lost with their process or machine.
        note: What it waits for, if it does.
    """

    total: int
    before: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    running: int = 0
    elsewhere: int = 0
    lost: int = 0
    note: str = ""

    @property
    def failed(self) -> int:
        return sum(isinstance(outcome, Failed) for outcome in self.outcomes.values())


class Driver:
    """Runs the jobs of a plan on an engine.

    Args:
        jobs: Each after those that it needs.
        out: Folder of the batch.
        retry: Whether failures of an earlier batch are tried again.
    """

    def __init__(self, jobs: Iterable[Job], out: Path, retry: bool = False) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._out, self._retry_failed = out, retry
        self._needs = {n: [f"{job.recording}/{stage}" for stage in job.needs] for n, job in self._jobs.items()}
        self.progress = Progress(len(self._jobs))
        outcomes = self.progress.outcomes
        for name, job in self._jobs.items():
            if outcome := self._outcome(job):
                outcomes[name] = outcome
        self.progress.before = len(outcomes)
        self._needed_by: dict[str, list[str]] = {}
        for name, needs in self._needs.items():
            for need in needs:
                self._needed_by.setdefault(need, []).append(name)
        self._missing = {n: sum(need not in outcomes for need in needs) for n, needs in self._needs.items()}
        self._ready: dict[bool, deque[str]] = {True: deque(), False: deque()}  # those that need a graphics card first
        for name, job in self._jobs.items():
            if name not in outcomes and not self._missing[name]:
                self._ready[job.gpus > 0].append(name)
        self._running: set[str] = set()
        self._elsewhere: set[str] = set()
        self._tries: dict[str, int] = {}
        self._late: list[tuple[Ended, float]] = []  # whose result cannot be seen or written yet, and since when

    @property
    def jobs(self) -> list[Job]:
        """All of them."""
        return list(self._jobs.values())

    @property
    def to_do(self) -> list[Job]:
        """The jobs without an outcome."""
        return [job for name, job in self._jobs.items() if name not in self.progress.outcomes]

    def failures(self) -> dict[str, str]:
        """The reason of each failure, by the job's name, in the plan's order; first those that are no consequence."""
        outcomes = ((name, self.progress.outcomes.get(name)) for name in self._jobs)
        found = [(name, one) for name, one in outcomes if isinstance(one, Failed)]
        return {name: one.reason for name, one in sorted(found, key=lambda pair: bool(pair[1].needs))}

    def run(self, engine: Engine, show: Callable[[Progress], None]) -> None:
        """Until every job has an outcome; `show` is called again and again.

        Raises:
            SourceError: The disk stayed full.
        """
        claims, pause, looked = Claims(self._out), _Pause(), 0.0
        try:
            while len(self.progress.outcomes) < len(self._jobs):
                try:
                    if not pause.lasts():
                        self._submit(engine, claims)
                    self._end(self._wait(engine), claims, pause)
                    if time.monotonic() - looked > LOOK_AROUND_S:
                        looked = time.monotonic()
                        self._look_around(claims)
                except OSError as error:  # of our own files
                    if not out_of_space(error, self._out):
                        raise
                    pause.begin()
                if pause.seconds > PATIENCE_S:
                    raise SourceError(f"{self._out}: the disk stayed full; free some space and give the command again")
                self.progress.note = f"the disk of {self._out} is full: waiting" if pause.seconds else ""
                self.progress.running, self.progress.elsewhere = len(self._running), len(self._elsewhere)
                show(self.progress)
        finally:
            claims.close()

    def _submit(self, engine: Engine, claims: Claims) -> None:
        """Give the engine what it has room for; what needs a job that failed has failed, too."""
        for queue in self._ready.values():
            while queue:
                name = queue[0]
                job = self._jobs[name]
                failed = [need for need in self._needs[name] if isinstance(self.progress.outcomes[need], Failed)]
                if not failed and not engine.room(job.gpus):
                    break
                if not claims.take(job):
                    self._elsewhere.add(queue.popleft())
                    continue
                outcome = self._outcome(job)  # another batch was faster
                if not outcome and failed:
                    stages = [self._jobs[need].stage for need in failed]
                    outcome = self._fail(job, f"it needs {', '.join(stages)}, which failed", 0, [], claims, stages)
                if outcome:
                    queue.popleft()
                    claims.release(job)
                    self._settle(name, outcome)
                    continue
                tries = self._tries.get(name, 0) + 1
                task = Task(job=job, out=str(self._out), scratch=self._scratch(job, claims, tries).name, tries=tries)
                engine.submit(name, msgspec.json.encode(task).decode(), job.gpus)
                queue.popleft()
                self._tries[name] = tries
                self._running.add(name)

    def _scratch(self, job: Job, claims: Claims, tries: int) -> Path:
        folder = job_folder(self._out, job)
        return folder.with_name(f".{folder.name}.tmp-{claims.batch}+{tries}")

    def _wait(self, engine: Engine) -> list[tuple[Ended, float]]:
        """What has ended just now, or some time ago without a result that could be seen; each with when that was."""
        now = time.monotonic()
        if len(self._running) > len(self._late):
            ended = engine.wait(WAIT_S)
        else:
            time.sleep(WAIT_S)
            ended = []
        late, self._late = self._late, []
        return late + [(one, now) for one in ended]

    def _end(self, calls: list[tuple[Ended, float]], claims: Claims, pause: _Pause) -> None:
        for ended, since in calls:
            try:
                self._end_one(ended, since, claims, pause)
            except OSError as error:
                self._late.append((ended, since))
                if not out_of_space(error, self._out):
                    raise
                pause.begin()

    def _end_one(self, ended: Ended, since: float, claims: Claims, pause: _Pause) -> None:
        """A call has ended: the disk says whether there is a result."""
        job, tries = self._jobs[ended.name], self._tries[ended.name]
        outcome = read_outcome(job_folder(self._out, job))
        scratch = self._scratch(job, claims, tries)
        if isinstance(outcome, Done) and outcome.key == job.key:
            pause.end()
        elif ended.reply == DONE and time.monotonic() - since < SEEN_S:
            self._late.append((ended, since))
            return
        elif ended.reply == NO_SPACE:
            pause.begin()
            self._tries[ended.name], outcome = tries - 1, None
        elif ended.reply is None and tries < MOST_TRIES:
            self.progress.lost += 1
            outcome = None
        else:
            reason = ended.reply or f"{ended.words}, {MOST_TRIES} times"
            if ended.reply == DONE:
                reason = "its result is not to be seen here: results must lie in a folder that all machines share"
            outcome = self._fail(job, reason, tries, last_lines(scratch / LOG), claims)
        shutil.rmtree(scratch, ignore_errors=True)
        self._running.discard(ended.name)
        claims.release(job)
        if outcome is None:
            self._queue(ended.name)
        else:
            self._settle(ended.name, outcome)

    def _fail(
        self, job: Job, reason: str, tries: int, lines: list[str], claims: Claims, needs: list[str] | None = None
    ) -> Failed:
        folder = job_folder(self._out, job)
        failed = Failed(
            job=job.name,
            key=job.key,
            reason=reason,
            tries=tries,
            command=f"multiview batch --job {shlex.quote(str(folder / FAILED))}",
            last_lines=lines,
            host=platform.node(),
            spec=job,
            needs=needs or [],
        )
        scratch = folder.with_name(f".{folder.name}.tmp-{claims.batch}+failed")
        shutil.rmtree(scratch, ignore_errors=True)
        write_json(scratch / FAILED, failed)
        install(scratch, folder, job.key)
        return failed

    def _settle(self, name: str, outcome: Outcome) -> None:
        """A job has come to its end; those that need it may begin."""
        self.progress.outcomes[name] = outcome
        for other in self._needed_by.get(name, ()):
            self._missing[other] -= 1
            if not self._missing[other] and other not in self.progress.outcomes:
                self._queue(other)

    def _queue(self, name: str) -> None:
        self._ready[self._jobs[name].gpus > 0].appendleft(name)

    def _outcome(self, job: Job) -> Outcome | None:
        """What the disk says of a job; what failed only because another one did is open once that one is."""
        outcome = read_outcome(job_folder(self._out, job))
        if outcome is None or outcome.key != job.key:
            return None
        if not isinstance(outcome, Failed):
            return outcome
        needs = [self.progress.outcomes.get(need) for need in self._needs[job.name]]
        stands = not outcome.needs or any(isinstance(need, Failed) for need in needs)
        return outcome if stands and not self._retry_failed else None

    def _look_around(self, claims: Claims) -> None:
        """At what other batches have done or left."""
        for name in list(self._elsewhere):
            job = self._jobs[name]
            if outcome := self._outcome(job):
                self._elsewhere.discard(name)
                self._settle(name, outcome)
            elif not claims.held_by_other(job):
                self._elsewhere.discard(name)
                self._queue(name)


class _Pause:
    """While the disk is full."""

    def __init__(self) -> None:
        self._since = self._until = 0.0

    def begin(self) -> None:
        now = time.monotonic()
        self._since = self._since or now
        self._until = now + PAUSE_S

    def end(self) -> None:
        self._since = 0.0

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    @property
    def seconds(self) -> float:
        """Since it began; 0 if it does not last."""
        return time.monotonic() - self._since if self._since else 0.0
