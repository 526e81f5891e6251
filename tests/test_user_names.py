"""Names in any script in the files of other tools, in keys, on bridges, and where a command line names cameras."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from calib.corners.corners import Corners, read_corners, write_corners
from calib.formats import load_format, written_formats
from multiview.cameras.camera import Rig
from multiview.commands.arguments import camera_names
from multiview.common.names import file_name
from multiview.errors import ConfigError, MessageError
from multiview.recordings.keypoint_folder import open_keypoint_folders, write_keypoints
from multiview.studio.config import CameraSource
from multiview.synthetic import StudioOptions, make_rig, make_studio
from multiview.wire.messages import CameraHealth, IdentityLabel, decode, encode
from multiview.wire.topics import parse_topic, topic_of
from services.bridges._serve import open_bridge
from services.transport.keyring import load_allowed, load_key, make_keys
from services.transport.requests import Ready, decode_request
from services.transport.roles import Role
from tests.figures import crowd

NAMES = ("cam 1", "Kamera-ä", "相机1", 'a"b', "a,b", "می‌خواهم", "50% {x}", "con")
WRONG = ("", "lab/A", "..", "a\nb", "a\x1b[0m", "x" * 65)


def named_rig() -> Rig:
    rig = make_rig(StudioOptions(cameras=len(NAMES), people=1))
    cameras = (replace(c, name=n, dist=c.dist[:5]) for c, n in zip(rig.cameras, NAMES, strict=True))
    return Rig(tuple(cameras))


# caliscope has numbers only, and EasyMocap OpenCV's keys.
@pytest.mark.parametrize("name", [name for name in written_formats() if name not in ("caliscope", "easymocap")])
def test_calibration_files_of_other_tools_keep_names(name: str, tmp_path: Path) -> None:
    rig, module = named_rig(), load_format(name)
    path = tmp_path / ("rig" + module.SUFFIX)
    module.write(rig, path)
    assert module.read(path)[0].names == NAMES


def test_name_that_easymocap_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'Kamera-ä': a name in EasyMocap"):
        load_format("easymocap").write(named_rig(), tmp_path / "intri.yml")
    assert list(tmp_path.iterdir()) == []


def test_corner_table_keeps_names(tmp_path: Path) -> None:
    rows = np.arange(len(NAMES))
    sizes = tuple((640, 480) for _ in NAMES)
    write_corners(Corners(NAMES, sizes, rows, rows, rows / 30, rows, np.ones((len(rows), 2))), tmp_path / "c.parquet")
    assert set(read_corners(tmp_path / "c.parquet").names) == set(NAMES)


def test_keypoint_folders_are_found_as_users_and_as_we_call_them(tmp_path: Path) -> None:
    rig, studio = named_rig(), make_studio(StudioOptions(cameras=2, people=1, seconds=0.1))
    seen = studio.keypoints(0, 0)
    assert seen is not None
    for number, name in enumerate(NAMES):
        folder = tmp_path / (name if number % 2 else file_name(name) + "_json")
        folder.mkdir()
        write_keypoints(seen, folder / "0.json")
    assert open_keypoint_folders(tmp_path, rig, studio.skeleton).cameras_without_folder() == ()


@pytest.mark.parametrize("name", NAMES)
def test_messages_topics_and_requests_carry_names(name: str) -> None:
    message = decode(encode(CameraHealth(camera=name, boot_id=1)))
    assert isinstance(message, CameraHealth)
    assert message.camera == name
    topic = parse_topic(topic_of("keypoints", name).encode())
    assert topic is not None
    assert (topic.kind, topic.name) == ("keypoints", name)
    request = decode_request(msgspec.msgpack.encode(Ready(role=f"camera/{name}")))
    assert isinstance(request, Ready)


@pytest.mark.parametrize("name", WRONG)
def test_messages_and_topics_carry_nothing_else(name: str) -> None:
    with pytest.raises(MessageError):
        decode(encode(CameraHealth(camera=name, boot_id=1)))
    assert parse_topic(b"keypoints/" + name.encode()) is None
    if name:
        with pytest.raises(MessageError):
            decode(encode(IdentityLabel(person=1, name=name)))


def test_keys_are_made_for_names(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["hub", "client", *NAMES], dict.fromkeys(NAMES, Role.CAMERA))
    allowed = load_allowed(tmp_path / "keys")
    assert set(NAMES) <= set(allowed)
    assert len({load_key(tmp_path / "keys", name).public for name in NAMES}) == len(NAMES)
    assert {path.parent for path in (tmp_path / "keys").rglob("*.key")} == {tmp_path / "keys"}


@pytest.mark.parametrize("bridge", ["vmc", "websocket"])
def test_bridges_send_names(bridge: str) -> None:
    skeleton, tracks = crowd(3)
    people = tuple(msgspec.structs.replace(t, name=n) for t, n in zip(tracks.tracks, NAMES, strict=False))
    opened = open_bridge(bridge, {"port": 0} if bridge == "websocket" else {}, skeleton, 25.0)
    try:
        opened.send(msgspec.structs.replace(tracks, tracks=people))
    finally:
        opened.close()


def test_address_holds_the_name_of_a_camera_as_its_place_spells_it(tmp_path: Path) -> None:
    (tmp_path / 'a"b.mp4').touch()
    source = CameraSource(address=str(tmp_path / "{camera}.mp4"))
    assert source.address_of('a"b') == str(tmp_path / 'a"b.mp4')
    assert source.address_of('c"d') == str(tmp_path / "c%22d.mp4")
    assert CameraSource(address="rtsp://h/{camera}").address_of("cam 1/ä") == "rtsp://h/cam%201%2F%C3%A4"


def test_cameras_of_videos_are_named_by_files_or_by_the_user() -> None:
    videos = [f"v/{file_name(name)}.mp4" for name in NAMES]
    assert camera_names(argparse.Namespace(cameras=None, videos=videos)) == list(NAMES)
    given = 'cam 1,Kamera-a\u0308,相机1,a"b,"a,b"'
    assert camera_names(argparse.Namespace(cameras=given, videos=videos)) == list(NAMES[:5])
