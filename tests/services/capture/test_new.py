"""`multiview new`: the cameras that are there, in a studio file that runs."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from multiview.errors import ConfigError, SourceError
from multiview.studio.config import CameraSource, SyntheticSource
from multiview.studio.derived import camera_names
from multiview.studio.studio_file import load_studio
from services.capture import new
from tests.footage import SIZE, write_video


def run(folder: Path, cameras: list[str] | None = None) -> None:
    new.run(argparse.Namespace(folder=folder, cameras=cameras, name=""))


def test_new_without_a_camera_writes_a_simulated_studio_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "_connected", list)
    run(tmp_path / "lab")
    studio = load_studio(tmp_path / "lab" / "studio.toml")  # with every check that `run` makes
    assert studio.name == "lab"
    assert isinstance(studio.source, SyntheticSource)


def test_new_finds_the_videos_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / 'a "quoted" studio'
    (folder / "videos").mkdir(parents=True)
    for name in ("left", "Kamera ä"):
        write_video(folder / "videos" / f"{name}.avi")
    run(folder)
    studio = load_studio(folder / "studio.toml", check=False)
    assert studio.name == folder.name
    assert camera_names(studio) == ["Kamera ä", "left"]
    for name in camera_names(studio):
        source = studio.source_of(name)
        assert isinstance(source, CameraSource)
        assert Path(source.address_of(name)) == folder / "videos" / f"{name}.avi"
    printed = capsys.readouterr().out
    assert f"left: {SIZE[0]}x{SIZE[1]} at 25 Hz" in printed
    assert "calibrate board" in printed  # it is not calibrated yet


def test_new_names_webcams_in_order_and_leaves_out_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(address: str) -> str:
        if address == "1":
            raise SourceError("dead")
        return "640x480"

    monkeypatch.setattr(new, "_connected", lambda: ["0", "1", "2"])
    monkeypatch.setattr(new, "_look", look)
    assert [(camera.name, camera.address) for camera in new.find_cameras(tmp_path)] == [("cam01", "0"), ("cam02", "2")]
    with pytest.raises(SourceError, match="dead"):  # but one that is named must be there
        list(new.find_cameras(tmp_path, ["1"]))


def test_new_keeps_a_studio_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "studio.toml").write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        run(tmp_path)
    assert (tmp_path / "studio.toml").read_text() == "mine"


def test_lasting_address_is_the_plug_where_the_system_names_it(tmp_path: Path) -> None:
    """Numbers of webcams change places when the computer starts anew, and so would the cameras of a studio."""
    (tmp_path / "video0").touch()
    (tmp_path / "video1").touch()
    plugs = tmp_path / "by-path"
    assert new.lasting_address("1", plugs) == "1"
    plugs.mkdir()
    for name, device in (("pci-usb-0:1:1.0-video-index0", "video1"), ("pci-usb-0:2:1.0-video-index0", "video0")):
        (plugs / name).symlink_to(tmp_path / device)
    assert new.lasting_address("1", plugs) == str(plugs / "pci-usb-0:1:1.0-video-index0")
    assert new.lasting_address("0", plugs) == str(plugs / "pci-usb-0:2:1.0-video-index0")
    assert new.lasting_address("2", plugs) == "2"
    assert new.lasting_address("basler:40012345", plugs) == "basler:40012345"


def test_new_takes_a_device_for_a_webcam_and_not_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "_look", lambda address: "640x480")
    for device in ("/dev/null", "/dev/v4l/by-path/pci-usb-0:1:1.0-video-index0"):
        (found,) = new.find_cameras(tmp_path, [device])
        assert (found.name, found.address) == ("cam01", device)
