"""A studio file that a page changes keeps its comments, and stays a studio."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.errors import ConfigError
from multiview.sources import WebcamMode
from multiview.studio.config import CameraSource
from multiview.studio.studio_file import decode_studio
from services.capture.new import Found
from services.dashboard.access import Role, Session
from services.dashboard.control import Control
from services.dashboard.studio_file import (
    add_cameras,
    change_studio,
    remove_camera,
    rename_camera,
    rotate_camera,
    set_rig,
)

TEXT = """# our stage
version = 1
name = "stage"  # takes are named after it

[source]  # simulated
type = "synthetic"
"""


def test_rig_is_set_and_comments_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "studio.toml"
    file.write_text(TEXT)
    set_rig(file, tmp_path / "calibrations" / "a b" / "rig.toml")
    assert decode_studio(file).rig == "calibrations/a b/rig.toml"
    set_rig(file, tmp_path.parent / "rig.toml")
    assert decode_studio(file).rig == str(tmp_path.parent / "rig.toml")  # outside of the folder: the whole path
    kept = [line for line in file.read_text().splitlines() if not line.startswith("rig")]
    assert kept == TEXT.splitlines()


def test_change_that_makes_it_no_studio_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "studio.toml"
    file.write_text(TEXT)
    with pytest.raises(ConfigError, match=r"studio\.toml: no \[source\]"):
        change_studio(file, lambda document: document.remove("source"))
    assert file.read_text() == TEXT
    file.write_text("name = ")
    with pytest.raises(ConfigError, match="cannot be changed"):
        set_rig(file, tmp_path / "rig.toml")


CAMERAS = """# stage
version = 1
name = "stage"

[cameras."cam 01".source]  # 640x480
type = "camera"
address = "0"  # the left one
detector = "light"

# the right one
[cameras.cam02.source]
type = "camera"
address = "1"
detector = "light"
[cameras.cam02.source.options]

[recorder]
directory = "takes"  # here
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "studio.toml"
    file.write_text(CAMERAS)
    return file


def test_camera_is_renamed_in_its_place(file: Path) -> None:
    rename_camera(file, "cam02", "right [x]")
    assert file.read_text() == CAMERAS.replace("[cameras.cam02.", '[cameras."right [x]".')
    assert list(decode_studio(file).cameras) == ["cam 01", "right [x]"]
    with pytest.raises(ConfigError, match="already"):
        rename_camera(file, "cam 01", "right [x]")
    with pytest.raises(ConfigError, match="/"):
        rename_camera(file, "cam 01", "a/b")
    with pytest.raises(ConfigError, match=r"no \[cameras\.cam09\.source\]"):
        rename_camera(file, "cam09", "cam10")


def test_camera_is_turned_and_left_out(file: Path) -> None:
    rotate_camera(file, "cam 01", 90)
    assert decode_studio(file).cameras["cam 01"].source == CameraSource(address="0", detector="light", rotate=90)
    assert "# the left one" in file.read_text()
    remove_camera(file, "cam02")
    assert list(decode_studio(file).cameras) == ["cam 01"]
    assert decode_studio(file).recorder.directory == "takes"
    before = file.read_text()
    with pytest.raises(ConfigError, match=r"studio\.toml: no \[source\]"):  # a studio without a camera is none
        remove_camera(file, "cam 01")
    assert file.read_text() == before


def test_cameras_are_added(file: Path) -> None:
    add_cameras(file, [Found("cam03", "rtsp://10.0.0.5/1", "1280x720 at 30 Hz")])
    assert decode_studio(file).cameras["cam03"].source.address == "rtsp://10.0.0.5/1"  # type: ignore[union-attr]
    assert file.read_text().startswith(CAMERAS)
    with pytest.raises(ConfigError, match="already"):
        add_cameras(file, [Found("cam03", "2", "")])


OWNER = Session("1", Role.CONTROL)
HEAD = 'version = 1\nname = "s"\nrig = "rig.toml"\n[cameras.left.source]  # by the door\ntype = "camera"\naddress = '


def test_exposure_is_set_and_left_to_the_camera_again(tmp_path: Path) -> None:
    control, file = Control(tmp_path), tmp_path / "studio.toml"
    file.write_text(f'{HEAD}"basler:1"\n')
    control.set_exposure(OWNER, "left", 4000.0, 6.0)
    settings = source_of(file).settings
    assert (settings.exposure_us, settings.exposure_auto) == (4000.0, "off")
    assert (settings.gain_db, settings.gain_auto) == (6.0, "off")
    control.set_exposure(OWNER, "left", 0.0, -1.0)
    settings = source_of(file).settings
    assert (settings.exposure_us, settings.exposure_auto) == (0.0, "continuous")
    assert (settings.gain_db, settings.gain_auto) == (-1.0, "continuous")
    assert "# by the door" in file.read_text()
    with pytest.raises(ConfigError, match="the camera comes from the rig"):
        control.set_exposure(OWNER, "right", 1.0, 1.0)


def test_webcam_gets_a_mode_and_an_exposure(tmp_path: Path) -> None:
    control, file = Control(tmp_path), tmp_path / "studio.toml"
    file.write_text(f'{HEAD}"0"\n')
    control.set_mode(OWNER, "left", WebcamMode("MJPG", (1280, 720), 60.0))
    control.set_exposure(OWNER, "left", 5000.0)
    source = source_of(file)
    assert (source.settings.size, source.settings.pixel_format, source.fps) == ([1280, 720], "MJPG", 60.0)
    assert (source.settings.exposure_us, source.settings.exposure_auto) == (5000.0, "off")
    control.set_mode(OWNER, "left", WebcamMode("YUYV", (640, 480), 0.0))
    assert (source_of(file).settings.size, source_of(file).fps) == ([640, 480], 0.0)
    before = file.read_text()
    with pytest.raises(ConfigError, match="of a webcam can be set"):
        control.set_exposure(OWNER, "left", 1.0, 1.0)
    assert file.read_text() == before


def source_of(file: Path) -> CameraSource:
    source = decode_studio(file).cameras["left"].source
    assert isinstance(source, CameraSource)
    return source
