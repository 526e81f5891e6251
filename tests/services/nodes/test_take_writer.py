"""A full disk, a folder that vanishes: what came before and after is in the take, with one alarm and no empty files."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from multiview.errors import ConfigError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import Take, begin_take, discard_take, finish_take
from multiview.recordings.take_lock import TakeLock
from multiview.wire.messages import Stamp
from services.nodes import take_writer
from services.nodes.disk_room import DiskRoom
from services.nodes.recorder import continue_take
from services.nodes.take_writer import TakeWriter

BODY = bytes(10_000)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes: as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def record(number: int) -> Record:
    return Record("keypoints/cam01", Stamp(number, number, number * 100_000_000), number.to_bytes(4, "little") + BODY)


def new(folder: Path) -> Take:
    return begin_take(folder, "walk", datetime.now(UTC), "rig", "studio")


def only_to_read(path: Path, mode: str = "r", **options: Any) -> IO[Any]:
    """As on a disk that is mounted so."""
    if set(mode) & set("wax+"):
        raise PermissionError(errno.EROFS, "Read-only file system", str(path))
    return open(path, mode, **options)


def numbers(take: Take) -> list[int]:
    return [found.stamp.sequence for found in take.records()]


def test_full_disk_loses_nothing_that_memory_can_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    take = new(tmp_path)
    writer = TakeWriter(take)
    for number in range(100):
        writer.write(record(number), number / 10)
    parts: set[str] = set()
    with full_disk(), caplog.at_level(logging.WARNING):
        for number in range(100, 200):
            writer.write(record(number), number / 10)
            parts |= {path.name for path in take.folder.glob("*.mcap")}
        assert "cannot write" in writer.error
    assert parts == {"take.mcap"}
    with caplog.at_level(logging.WARNING):
        for number in range(200, 300):
            writer.write(record(number), number / 10)
    assert writer.error == ""
    writer.close()
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    assert (writer.messages, writer.missed) == (300, 0)
    finished = finish_take(take)
    assert numbers(finished) == list(range(300))
    stream = finished.stream()
    assert len(list(stream)) == 300
    assert stream.lines() == []
    assert [path.name for path in finished.recordings()] == ["take.mcap", "take.1.mcap"]


def test_what_memory_cannot_hold_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_writer, "MAX_WAITING", 20 * len(record(0).body))
    take = new(tmp_path)
    writer = TakeWriter(take)
    for number in range(50):
        writer.write(record(number), number / 10)
    with full_disk():
        for number in range(50, 150):
            writer.write(record(number), number / 10)
    for number in range(150, 200):
        writer.write(record(number), number / 10)
    writer.close()
    kept = numbers(finish_take(take))
    assert kept == sorted(set(kept))
    assert set(kept) >= {*range(50), *range(160, 200)}
    assert len(kept) == writer.messages == 200 - writer.missed
    assert 0 < writer.missed <= 100


def test_disk_that_stays_full_is_said_in_the_end(tmp_path: Path) -> None:
    take = new(tmp_path)
    with full_disk():
        writer = TakeWriter(take)
        for number in range(30):
            writer.write(record(number), number / 10)
        writer.close()
        assert (writer.messages, writer.missed) == (0, 30)
    assert take.recordings() == []
    assert discard_take(take)
    assert list(tmp_path.iterdir()) == []


def test_take_that_is_moved_goes_on_under_its_name(tmp_path: Path) -> None:
    take = new(tmp_path)
    writer = TakeWriter(take)
    for number in range(50):
        writer.write(record(number), number / 10)
    take.folder.rename(tmp_path / "elsewhere")
    for number in range(50, 100):
        writer.write(record(number), number / 10)
    writer.close()
    moved, finished = numbers(Take(tmp_path / "elsewhere")), numbers(finish_take(take))
    assert moved + finished == list(range(100))
    assert (tmp_path / "walk" / "rig.toml").read_text() == "rig"


def test_take_that_is_recorded_is_nobody_elses(tmp_path: Path) -> None:
    take = new(tmp_path)
    assert take.recorded_by() == ""
    writer = TakeWriter(take)
    assert take.recorded_by().startswith("process ")
    with pytest.raises(ConfigError, match=r"walk\.partial is being recorded by process \d+ on "):
        TakeLock(take.folder)
    assert not discard_take(take)
    writer.close()
    assert take.recorded_by() == ""


@pytest.mark.parametrize("name", ["a:b", "Aufnahme-a\u0308", "con", "50%?"])
def test_recorder_that_starts_again_finds_its_take_under_any_name(tmp_path: Path, name: str) -> None:
    assert continue_take(tmp_path, name) is None
    begun = begin_take(tmp_path, name, datetime.now(UTC), "rig", "studio")
    called = begun.folder.name.removesuffix(".partial")  # as `run` tells its recorder
    for known_as in (name, called):
        found = continue_take(tmp_path, known_as)
        assert found is not None
        assert found.folder == begun.folder


def test_take_on_a_disk_that_cannot_be_written_is_not_being_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock file is what a recorder left that was killed."""
    take = new(tmp_path)
    (take.folder / "recording.lock").write_text("process 9 on elsewhere")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", only_to_read)
        assert take.recorded_by() == ""
    with TakeLock(take.folder), monkeypatch.context() as patched:
        patched.setattr(Path, "open", only_to_read)
        assert f"process {os.getpid()} " in take.recorded_by()


def test_room_is_told_from_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 60e9
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": int(free)}))
    room = DiskRoom(tmp_path)
    for second in range(60):
        room.note(float(second), second * 10_000_000)
        free -= 100e6  # ten times as much by others
    minutes = room.minutes()
    assert minutes == pytest.approx(60e9 / 100e6 / 60 - 1, rel=0.03)
    assert room.short()
    assert room.words() == "full in about 9 min: make room"
