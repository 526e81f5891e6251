"""Names in any script in the files of other tools, in keys, on bridges, and where a command line names cameras."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from calib.corners.corners import Corners, read_corners, write_corners
from calib.formats import load_format, written_formats
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.common.names import file_name
from multiview.errors import ConfigError, MessageError
from multiview.export import exporter_names
from multiview.recordings.keypoint_folder import open_keypoint_folders, write_keypoints
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_rig, make_studio
from multiview.wire.messages import CameraHealth, IdentityLabel, decode, encode
from multiview.wire.topics import parse_topic, topic_of
from services.bridges._serve import bridge_names, open_bridge
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


BRIDGES: dict[str, dict[str, Any]] = {
    "websocket": {"port": 0},
    "foxglove": {"port": 0},
    "rerun": {"url": "rerun+http://127.0.0.1:1/proxy"},
    "lsl": {"name": "multiview-names"},
}


@pytest.mark.parametrize("bridge", bridge_names())
def test_bridges_send_names(bridge: str) -> None:
    skeleton, tracks = crowd(4)
    people = tuple(msgspec.structs.replace(t, name=n) for t, n in zip(tracks.tracks, NAMES, strict=False))
    opened = open_bridge(bridge, BRIDGES.get(bridge, {}), skeleton, 25.0)
    try:
        opened.send(msgspec.structs.replace(tracks, tracks=people))
    finally:
        opened.close()


@pytest.fixture(scope="module")
def named_take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Poses of people with such names, in a folder with such a name, and the rig of such cameras."""
    folder: Path = tmp_path_factory.mktemp("takes") / "Take 1 ä相"
    truth = make_studio(StudioOptions(cameras=2, people=2, seconds=1.0, skeleton="body25")).truth
    n, joints = truth.xyz.shape[:2]
    poses = Poses(
        frame=truth.frame, time_ns=truth.frame * 33_333_333, utc_ns=np.zeros(n, np.int64), person=truth.actor,
        xyz=truth.xyz, cov=np.tile(1e-4 * np.eye(3), (n, joints, 1, 1)), score=np.ones((n, joints)),
        views=np.full((n, joints), 3), filled=np.zeros((n, joints), bool), joints=tuple(truth.joints),
        skeleton="body25", names=dict(zip(map(int, np.unique(truth.actor)), NAMES[2:4], strict=True)),
    )  # fmt: skip
    write_poses(poses, folder / "poses.parquet")
    save_rig(named_rig(), folder / "rig.toml")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", exporter_names())
def test_exports_of_named_people_are_written(name: str, named_take: Path, tmp_path: Path) -> None:
    """Whole, with the names as text or escaped in the files' names, and nowhere but in the folder."""
    if name == "opensim":
        pytest.importorskip("opensim")
    if name == "fbx" and shutil.which("blender") is None:
        pytest.skip("Blender writes it")
    assert main(["export", str(named_take), "--to", name, "--out", str(tmp_path / "out ä")]) == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert all(path.parent == tmp_path / "out ä" for path in written)
    assert all(path.stat().st_size > 0 for path in written)
    assert not [path.name for path in written if '"' in path.name]  # Windows has no such names


def test_actor_names_in_gltf_are_text(named_take: Path, tmp_path: Path) -> None:
    assert main(["export", str(named_take), "--to", "gltf", "--out", str(tmp_path)]) == 0
    content = (tmp_path / "poses.glb").read_bytes()
    document = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    nodes = {node["name"] for node in document["nodes"] if "name" in node}
    assert {"相机1", 'a"b'} <= nodes
