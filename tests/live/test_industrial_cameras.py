"""Emulated industrial cameras are captured, run and examined as others are."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.__main__ import main
from services.capture.doctor import examine
from tests.industrial import KINDS, emulated


@pytest.fixture(params=KINDS)
def studio_file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio of two emulated cameras of one kind."""
    text = f'[recorder]\ndirectory = "{tmp_path}"\n'
    for number, address in enumerate(emulated(request.param, 2, monkeypatch)):
        text += f"""[cameras.cam0{number}.source]
type = "camera"
address = "{address}"
fps = 50
[cameras.cam0{number}.source.settings]
pixel_format = "Mono8"
roi = [0, 0, 64, 48]
"""
    path = tmp_path / "studio.toml"
    path.write_text(text)
    return path


def test_emulated_cameras_are_captured(studio_file: Path, tmp_path: Path) -> None:
    assert main(["capture", str(studio_file), "--take", "first", "--seconds", "1"]) == 0
    for camera in ("cam00", "cam01"):
        rows = (tmp_path / "first" / "videos" / f"{camera}.timestamps.csv").read_text().splitlines()[1:]
        assert len(rows) > 5
        times = [float(row.split(",")[1]) for row in rows]
        assert times[0] >= 0
        assert times == sorted(times)


def test_emulated_cameras_are_examined(studio_file: Path) -> None:
    found = {finding.what: finding for finding in examine(studio_file)}
    assert found["cam00"].verdict != "bad"
    assert "64x48" in found["cam00"].seen
    assert "firmware" in found["cam00 itself"].seen


def test_connected_cameras_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = emulated("basler", 2, monkeypatch)
    assert set(addresses) <= {finding.seen for finding in examine(None)}
