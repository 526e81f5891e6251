"""Whoever captures sees how long the disk will do, and is warned once before it is full."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from multiview.recordings.take import begin_take
from services.capture.disk_watch import DiskWatch

MB = 1 << 20


def test_disk_watch_warns_once_when_little_time_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One MB of video a second: a minute needs 60 MB, which the disk loses."""
    take = begin_take(tmp_path, "walk", datetime(2026, 1, 1, tzinfo=UTC), "", "")
    take.videos.mkdir()
    free = 20 * 60 * MB  # twenty minutes
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    watch, rows, warnings = DiskWatch(take), list[str](), list[str]()
    for second in range(8 * 60):
        (take.videos / "cam01.mp4").write_bytes(bytes(second))  # what others write counts as well
        warnings.append(watch.look(float(second)))
        rows.append(str(watch.row()))
        free -= MB
    assert rows[60] == "disk: room for about 19 min"
    first = next(second for second, warning in enumerate(warnings) if warning)
    assert first == pytest.approx(5 * 60, abs=2)  # of twenty minutes fifteen are left
    assert [second for second, warning in enumerate(warnings) if warning] == [first]
    assert str(take.folder) in warnings[first]
    assert "make room" in warnings[first]
    assert "make room" in rows[-1]
