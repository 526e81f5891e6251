"""What the Health page says: findings for who controls, logs by name alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multiview.errors import ConfigError
from services.capture.doctor import Finding
from services.dashboard import health
from services.dashboard.access import Role, Session
from services.dashboard.control import Control
from services.dashboard.health import findings, log_names, log_tail, trend_svg

CONTROLS, VIEWS = Session("1", Role.CONTROL), Session("2", Role.VIEW)


def test_worst_finding_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path | None] = []

    def examine(path: Path | None) -> list[Finding]:
        asked.append(path)
        return [Finding(verdict, verdict, "") for verdict in ("good", "bad", "warn")]  # type: ignore[arg-type]

    monkeypatch.setattr(health, "examine", examine)
    control = Control(tmp_path)
    assert [one.verdict for one in findings(control, CONTROLS)] == ["bad", "warn", "good"]
    control.file.write_text("")
    findings(control, CONTROLS)
    monkeypatch.setattr(Control, "started", True)
    findings(control, CONTROLS)
    assert asked == [None, control.file, None]  # while it runs, its cameras are in use
    with pytest.raises(ConfigError, match="this link may only view"):
        findings(control, VIEWS)


def test_log_is_found_by_its_name_alone(tmp_path: Path) -> None:
    control = Control(tmp_path)
    assert log_names(control) == []
    control.logs.mkdir(parents=True)
    (control.logs / "fusion.log").write_text("first\n" + "x" * 20_000 + "\nlast\n")
    (control.logs / "hub.log").write_text("")
    (tmp_path / "secrets.log").write_text("hush")
    assert log_names(control) == ["fusion", "hub"]
    assert log_tail(control, "fusion").endswith("x\nlast")
    assert "first" not in log_tail(control, "fusion")
    assert log_tail(control, "hub") == "it is empty: nothing to say"
    for name in ("../../secrets", "../secrets", "/etc/passwd", "studio.toml", ""):
        assert log_tail(control, name) == "there is no such log"


def test_line_of_figures_goes_from_zero_to_the_largest() -> None:
    places = re.findall(r"([\d.]+),([\d.]+)", trend_svg([0.0, 5.0, 10.0], "poses"))
    assert [(float(x), float(y)) for x, y in places] == [(0.0, 46.0), (150.0, 24.0), (300.0, 2.0)]
    assert "polyline" in trend_svg([], "nothing")
    spike = re.findall(r",([\d.]+)", trend_svg([5.0] * 30 + [5000.0] + [5.0] * 30, "poses"))
    assert {float(y) for y in spike} == {24.0, 2.0}  # one value out of many does not flatten the others
