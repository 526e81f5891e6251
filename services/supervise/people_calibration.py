"""A studio without a rig calibrates itself from people: workers and recorder run until a rig comes out of the take.

What is recorded meanwhile stays, as a take; the rig and its report lie in `calibrations/TAKE` beside the studio file,
where the calibrations of the pages are.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
import tomllib
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from msgspec.structs import replace
from rich.console import Group
from rich.live import Live
from rich.text import Text

from multiview.cameras.rig_file import load_rig, save_rig
from multiview.common.atomic_file import replacing
from multiview.common.console import plain_console
from multiview.errors import SourceError
from multiview.recordings.take import free_name
from multiview.studio.config import CameraOptions, Source, Studio
from multiview.studio.studio_file import decode_studio, load_studio
from multiview.wire import topics
from services.supervise.launch import Launch
from services.supervise.people_seen import PeopleSeen
from services.supervise.people_trial import PeopleTrial
from services.supervise.unplaced import unplaced_rig
from services.transport.bus import Subscriber

__all__ = ["WANTED_S", "PeopleOptions", "calibrate_from_people"]

WANTED_S = 30.0  # of people whom two cameras see at once
FIRST_S, EVERY_S = 10.0, 10.0  # of them, until the first try, and from one to the next
SAY_S, REDRAW_S, POLL_S = 5.0, 0.25, 0.05


class PeopleOptions(NamedTuple):
    """What the user says: a rig file with lenses, the stature of the tallest, and a field of view of other lenses; for
    how many seconds two cameras are to see people."""

    lenses: Path | None = None
    height_cm: float | None = None
    fov: str = ""
    seconds: float = WANTED_S

    def words(self) -> list[str]:
        """The options of `calibrate people`."""
        words = [f"--lenses={self.lenses}"] if self.lenses is not None else []
        words += [f"--height={self.height_cm:g}"] if self.height_cm is not None else []
        return words + ([f"--fov={self.fov}"] if self.fov else [])


def calibrate_from_people(path: Path, options: PeopleOptions, logs: Path | None = None, strict: bool = False) -> Path:
    """Run a studio that lacks a rig until people have calibrated it, and let its file name that rig.

    Args:
        path: The studio file.
        options: What the user says.
        logs: Folder for the processes' logs.
        strict: Whether any process that cannot start ends it.

    Returns:
        The rig.

    Raises:
        MultiviewError: It cannot start.
        SourceError: Its sources ended, or Ctrl-C came, before there was a rig; the message says where the take is.
    """
    with tempfile.TemporaryDirectory(prefix="multiview-") as folder:
        scratch = Path(folder)
        unplaced = scratch / "unplaced.toml"
        save_rig(unplaced_rig(load_studio(path, check=False), options.lenses), unplaced)
        studio = _without_fusion(load_studio(path, rig=unplaced))
        name = free_name(Path(studio.recorder.directory), f"{studio.name}-people", datetime.now())
        with _Calibrating(studio, name, options, logs, strict, scratch) as calibrating:
            trial = calibrating.run()
        return _kept(path, trial, name)


def _without_fusion(studio: Studio) -> Studio:
    """Recorded, at the sources' own pace, which fusion does not set now, and seen by nobody."""

    def paced(source: Source) -> Source:
        return source if source.speed else replace(source, speed=1.0)

    return replace(
        studio,
        source=None if studio.source is None else paced(studio.source),
        cameras={name: CameraOptions(source=paced(own.source)) for name, own in studio.cameras.items()},
        recorder=replace(studio.recorder, enabled=True),
        metrics=replace(studio.metrics, enabled=False),
    )


class _Calibrating:
    """The studio while it has no rig: what was seen, the tries, and what is said of them."""

    def __init__(
        self, studio: Studio, name: str, options: PeopleOptions, logs: Path | None, strict: bool, scratch: Path
    ) -> None:
        self._options, self._scratch = options, scratch
        self._launch = Launch(studio, name, viewer=False, logs=logs, strict=strict, fusion=False)
        self._seen = PeopleSeen(self._launch.rig.names)
        self._trials: list[PeopleTrial] = []
        self._agreeing: list[tuple[str, str]] = []
        self._tried_s = 0.0
        self._why = ""
        self._console = plain_console(highlight=False)
        self._said, self._next_said = "", 0.0

    def __enter__(self) -> _Calibrating:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for trial in self._trials:
            trial.end()
        self._launch.stop()

    def run(self) -> PeopleTrial:
        """Until a try gives a usable rig, of as many seconds as are wanted."""
        self._launch.start()
        with (
            Live(console=self._console, auto_refresh=False, transient=True) as live,
            _Feed(self._launch, self._seen) as feed,
        ):
            try:
                while not self._ended():
                    self._launch.watch()
                    feed.update()
                    if (found := self._step(False)) is not None:
                        return found
                    self._show(live)
                    time.sleep(POLL_S)
                feed.update()
                while (found := self._step(True)) is None and self._trials[-1].running:
                    time.sleep(POLL_S)
            except KeyboardInterrupt:
                found = None
                self._why = "it was ended before"
        if found is not None:
            return found
        self._launch.stop()
        raise SourceError(self._no_rig())

    def _ended(self) -> bool:
        return self._launch.wait(timeout_s=0.0)

    def _step(self, last: bool) -> PeopleTrial | None:
        """Look after the try that runs, begin the next one; a try that is usable and was of enough."""
        seconds, trial = self._seen.by_two, self._trials[-1] if self._trials else None
        if trial is not None:
            self._agreeing = trial.agreeing or self._agreeing
            if trial.running:
                return None
            enough = self._tried_s >= self._options.seconds or (last and self._tried_s >= seconds)
            if trial.usable and enough:
                return trial
            self._why = "" if trial.usable else trial.why
        wanted = self._options.seconds
        due = FIRST_S if trial is None else self._tried_s + EVERY_S
        due = min(due, wanted) if self._tried_s < wanted else due
        if seconds >= due or (last and (trial is None or self._tried_s < seconds)):
            self._tried_s = seconds
            assert self._launch.take is not None
            out = self._scratch / f"try-{len(self._trials) + 1}"
            self._trials.append(PeopleTrial(self._launch.take.folder, self._options.words(), out))
        return None

    def _no_rig(self) -> str:
        take = self._launch.take
        kept = f"; `multiview calibrate people {take.folder}` tries again with what was recorded" if take else ""
        return f"no rig from people: {self._why or 'two cameras saw nobody at once'}{kept}"

    def _needs(self) -> str:
        left = self._options.seconds - self._seen.by_two
        if left > 0:
            return f"needs {left:.0f} more seconds of people whom two cameras see"
        if self._trials and self._trials[-1].running:
            return "computing the rig; go on walking"
        return f"not enough yet ({self._why}): go on walking"

    def _pairs(self) -> tuple[list[str], list[str]]:
        """Those that connect, and those that do not yet, with the seconds of both."""
        agreeing = {frozenset(pair) for pair in self._agreeing}
        connected, others = list[str](), list[str]()
        for a, b in self._seen.pairs():
            text = f"{a}-{b} ({self._seen.together(a, b):.0f} s)"
            (connected if frozenset((a, b)) in agreeing else others).append(text)
        return connected, others

    def _show(self, live: Live) -> None:
        """A table on a terminal, else a line now and then."""
        now = time.monotonic()
        if now < self._next_said:
            return
        connected, others = self._pairs()
        if self._console.is_terminal:
            self._next_said = now + REDRAW_S
            seen = ", ".join(f"{name} {self._seen.seconds(name):.0f} s" for name in self._seen.cameras)
            lines = [self._needs(), f"people seen: {seen}", f"pairs that connect: {', '.join(connected) or 'none yet'}"]
            lines += [f"not yet: {', '.join(others)}; walk between them, and turn around there"] if others else []
            lines += [f"{name} {trouble}" for name, trouble in self._launch.troubles().items()]
            live.update(Group(*map(Text, lines)), refresh=True)
            return
        self._next_said = now + SAY_S
        text = f"{self._needs()}; pairs that connect: {', '.join(connected) or 'none yet'}"
        if text != self._said:
            self._said = text
            print(text, flush=True)


class _Feed:
    """The stream of the hub, counted."""

    def __init__(self, launch: Launch, seen: PeopleSeen) -> None:
        self._subscriber, self._seen = Subscriber(launch.studio.hub, [topics.KEYPOINTS]), seen

    def __enter__(self) -> _Feed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._subscriber.close()

    def update(self) -> None:
        """Count what has come."""
        for received in self._subscriber.drain():
            self._seen.take(received)


def _kept(path: Path, trial: PeopleTrial, take: str) -> Path:
    """The rig beside the studio file, which names it then."""
    report = trial.report
    out = path.parent / "calibrations" / take
    shutil.copytree(trial.out, out, ignore=shutil.ignore_patterns("calibrate.log", "pairs.json"))
    rig = out / "rig.toml"
    print(f"{report['verdict'].upper()}: {'; '.join(report['reasons'])}")
    for text in report["advice"]:
        print(f"  {text}")
    named = Path(load_studio(path, check=False).rig) if decode_studio(path).rig else None
    if named is not None:
        save_rig(load_rig(rig), named)
        print(f"{named}, {out / 'report.html'}")
        return named
    _name_rig(path, rig.relative_to(path.parent).as_posix())
    print(f"{rig}, {out / 'report.html'}; {path} names it from now on")
    return rig


def _name_rig(path: Path, rig: str) -> None:
    """Let a studio file name its rig, its comments and its order as they are; without a right to write it, say so."""
    text, line = path.read_text(encoding="utf-8"), f"rig = {json.dumps(rig, ensure_ascii=False)}"
    if "rig" in tomllib.loads(text):  # empty
        changed = re.sub(r"(?m)^\s*rig\s*=\s*(\"\"|'')", lambda _: line, text, count=1)
    else:
        lines = text.splitlines(keepends=True)
        first = next((n for n, own in enumerate(lines) if own.strip() and not own.lstrip().startswith("#")), 0)
        changed = "".join([*lines[:first], line + "\n", *lines[first:]])
    if tomllib.loads(changed).get("rig") != rig:
        raise SourceError(f"{path} cannot be changed: write {line} into it")
    with replacing(path, correct=True) as file:
        file.write_text(changed, encoding="utf-8")
