"""How far a batch is, in the lines of a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.batch import show
from services.batch.driver import Progress


@pytest.mark.parametrize(("note", "line"), [("", "0 of 0 jobs"), ("the disk is full", "0 of 0 jobs, the disk is full")])
def test_show_writes_a_line_now_and_then(
    note: str, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "LINE_S", -1.0)
    with show.Show([], "2 processes", lambda: Path("index.html")) as shown:
        shown.update(Progress(0, note=note))
    assert capsys.readouterr().err.splitlines() == ["0 jobs on 2 processes", line]
