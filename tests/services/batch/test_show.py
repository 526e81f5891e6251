"""How far a batch is, in the lines of a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.batch.jobs import Job, Report
from services.batch import show
from services.batch.driver import Progress


@pytest.mark.parametrize(("note", "line"), [("", "0 of 1 job"), ("the disk is full", "0 of 1 job, the disk is full")])
def test_show_writes_a_line_now_and_then(
    note: str, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(recording="a", stage="poses", key="k", work=Report())
    monkeypatch.setattr(show, "LINE_S", -1.0)
    with show.Show([job], "2 processes", lambda: Path("index.html")) as shown:
        shown.update(Progress(1, note=note))
    assert capsys.readouterr().err.splitlines() == ["1 job on 2 processes", line]
