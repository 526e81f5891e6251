"""What pages may do, and who."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from pathlib import Path

import msgspec
import pytest

from multiview.__main__ import main
from multiview.errors import ConfigError
from multiview.studio.config import CameraSource, SyntheticSource
from multiview.studio.studio_file import write_studio
from services.capture.new import Found
from services.dashboard.access import Role, Session
from services.dashboard.bridges import Bridges
from services.dashboard.calibration import Calibration
from services.dashboard.control import Control, Recording
from services.dashboard.detached import Detached, Running
from services.dashboard.filming import Filming
from services.dashboard.health import findings
from services.supervise import run
from services.supervise.unplaced import lacks_rig
from tests.processes import free_hub, synthetic_studio, until

CONTROL, VIEW = Session("1", Role.CONTROL), Session("2", Role.VIEW)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    write_studio(synthetic_studio(tmp_path / "takes", free_hub()), tmp_path / "studio.toml")
    return Control(tmp_path)


def test_view_role_changes_nothing(control: Control, tmp_path: Path) -> None:
    """Whatever of the pages' actions takes a session refuses one that may only view, before it looks at anything."""
    before = sorted(tmp_path.rglob("*"))
    filming = Filming()
    tried = 0
    for part in (control, Bridges(control), Calibration(control, filming)):
        for name, method in inspect.getmembers(part, inspect.ismethod):
            parameters = inspect.signature(method).parameters
            if name.startswith("_") or "session" not in parameters:
                continue
            tried += 1
            untyped = inspect.unwrap(method.__func__)  # what it is asked to do makes no sense
            with pytest.raises(ConfigError, match="may only view"):
                untyped(part, **{one: VIEW if one == "session" else None for one in parameters})
    assert tried >= 25  # the pages have so many buttons
    with pytest.raises(ConfigError, match="may only view"):
        findings(control, VIEW)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../out", "a/b", "/etc/x", "..", "a\\b", "x\n", "x" * 65, "\u202ex"])
def test_names_lead_to_no_other_folder(control: Control, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a name is"):
        control.record(CONTROL, name, "", False)
    with pytest.raises(ConfigError, match="a name is"):
        control.name_person(CONTROL, 1, name)
    with pytest.raises(ConfigError, match="a name is"):
        Control(tmp_path / "takes").make_studio(CONTROL, [Found(name, "0", "")])
    text = '[cameras.left.source]\ntype = "camera"\naddress = "0"\n'
    (tmp_path / "studio.toml").write_text(text)
    with pytest.raises(ConfigError, match="a name is"):
        control.rename_camera(CONTROL, "left", name)
    with pytest.raises(ConfigError, match="a name is"):
        control.add_cameras(CONTROL, [Found(name, "1", "")])
    assert (tmp_path / "studio.toml").read_text() == text
    assert not (tmp_path / "takes").exists()


def test_take_that_exists_is_not_recorded_again(control: Control, tmp_path: Path) -> None:
    (tmp_path / "takes" / "first").mkdir(parents=True)
    with pytest.raises(ConfigError, match="choose another name"):
        control.record(CONTROL, "first", "", False)


def test_make_studio_without_cameras_is_a_simulated_one(tmp_path: Path) -> None:
    control = Control(tmp_path)
    assert control.studio() is None
    control.make_studio(CONTROL, [])
    studio = control.studio()
    assert studio is not None
    assert isinstance(studio.source, SyntheticSource)
    with pytest.raises(ConfigError, match="exists"):
        control.make_studio(CONTROL, [])


def test_make_studio_has_the_cameras_that_were_chosen(tmp_path: Path) -> None:
    control = Control(tmp_path)
    left, right = Found('left "one"', "0", ""), Found("right", "rtsp://10.0.0.5/1", "")
    with pytest.raises(ConfigError, match="two cameras are called right"):
        control.make_studio(CONTROL, [left._replace(name="right"), right])
    with pytest.raises(ConfigError, match="a name is"):
        control.make_studio(CONTROL, [left._replace(name="../x"), right])
    assert not control.file.exists()
    control.make_studio(CONTROL, [left, right])
    studio = control.studio()
    assert studio is not None
    sources = {name: camera.source for name, camera in studio.cameras.items()}
    assert {name: source.address for name, source in sources.items() if isinstance(source, CameraSource)} == {
        'left "one"': "0",
        "right": "rtsp://10.0.0.5/1",
    }


@pytest.mark.parametrize("address", ["/etc/passwd", "../video.mp4", "file:///etc/passwd", "0", "FILE://x", "concat:a"])
def test_find_cameras_opens_no_file_that_a_browser_names(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="begins with rtsp"):
        Control(tmp_path).find_cameras(CONTROL, [address])


def test_free_ports_are_refused_because_pages_would_not_find_them(tmp_path: Path) -> None:
    write_studio(synthetic_studio(tmp_path), tmp_path / "studio.toml")
    with pytest.raises(ConfigError, match="fixed ports"):
        Control(tmp_path).studio()


@pytest.mark.slow
def test_detached_process_is_found_by_whoever_comes_later(tmp_path: Path) -> None:
    hub = free_hub()
    write_studio(synthetic_studio(tmp_path, hub), tmp_path / "studio.toml")
    first, later = Detached(tmp_path / "run", "hub"), Detached(tmp_path / "run", "hub")
    assert later.running() is None
    first.start(["hub", str(tmp_path / "studio.toml")], "noted")
    try:
        found = later.running()
        assert found is not None
        assert found.note == "noted"
        with pytest.raises(ConfigError, match="running already"):
            later.start(["hub", str(tmp_path / "studio.toml")])
    finally:
        assert later.stop(30.0) or first.stop(30.0)
    assert first.running() is None


@pytest.mark.slow
def test_detached_process_that_fails_says_why(tmp_path: Path) -> None:
    process = Detached(tmp_path, "hub")
    process.start(["hub", str(tmp_path / "none.toml")])
    until(lambda: process.running() is None, 60.0)
    assert "none.toml" in process.failure()


def test_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert main(["studio", str(tmp_path), "--port", "0"]) == 2
    assert "pip install multiview-mocap[studio]" in capsys.readouterr().err


def test_other_machines_come_by_tls_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", str(tmp_path), "--host", "0.0.0.0"]) == 2
    assert "--certificate" in capsys.readouterr().err
    assert main(["studio", str(tmp_path), "--key", "x"]) == 2
    assert "belong together" in capsys.readouterr().err
    assert main(["studio", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_recording_lasts_from_when_the_recorder_writes(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(Detached, "start", lambda _, command, note="": notes.append(note))
    monkeypatch.setattr(Detached, "running", lambda _: Running(1, notes[-1]))
    control.record(CONTROL, "walk: 1", "", False)
    assert control.recording == Recording("walk: 1", None)  # the recorder loads
    folder = control.folder / "takes" / "walk%3A 1.partial"
    folder.mkdir(parents=True)
    (folder / "take.toml").touch()
    os.utime(folder / "take.toml", (1000.0, 1000.0))
    assert control.recording == Recording("walk: 1", 1000.0)


def test_studio_without_a_rig_is_run_so_that_people_calibrate_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(Detached, "start", lambda self, command, note="": started.append(command))
    studio = msgspec.structs.replace(synthetic_studio(tmp_path / "takes", free_hub()), rig=str(tmp_path / "none.toml"))
    write_studio(studio, tmp_path / "studio.toml")
    control = Control(tmp_path)
    control.calibrate_by_walking(CONTROL, 183.5)
    control.calibrate_by_walking(CONTROL, None)
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    told = [parser.parse_args(command[1:]) for command in started]
    assert [command[0] for command in started] == ["run", "run"]
    assert [(one.studio, one.height, one.no_viewer, one.no_recording) for one in told] == [
        (control.file, 183.5, True, True),
        (control.file, None, True, True),
    ]
    assert lacks_rig(control.file)
