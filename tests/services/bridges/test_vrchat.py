"""VRChat's trackers, decoded by python-osc."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from multiview.body.kinematics import points
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.synthetic import StudioOptions, make_studio
from services.bridges._serve import open_bridge

SKELETON = load_skeleton("body25")
_TRUTH = make_studio(StudioOptions(cameras=2, people=2, seconds=1.0, fps=30.0, seed=2, skeleton="body25")).truth


def _tracks(frame: int, people: tuple[int, ...], names: dict[int, str]) -> Tracks:
    tracks = []
    for person in people:
        xyz = _TRUTH.xyz[(_TRUTH.frame == frame) & (_TRUTH.actor == person)][0]
        count = len(xyz)
        pose = Pose3D(xyz, np.zeros((count, 3, 3)), np.ones(count), np.full(count, 3), np.zeros(count, dtype=bool))
        tracks.append(Track(person, pose, name=names.get(person, "")))
    return Tracks(frame, round(frame * 1e9 / 30), tuple(tracks))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(30.0)
        yield opened


def _received(listener: socket.socket) -> dict[str, np.ndarray]:
    bundle = OscBundle(listener.recv(65536))
    return {message.address: np.array(message.params) for message in bundle}


def _unity_matrix(angles_deg: np.ndarray) -> np.ndarray:
    """Unity's Quaternion.Euler(x, y, z): about z, then x, then y."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles_deg)), np.sin(np.radians(angles_deg))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def test_vrchat_trackers_are_where_the_joints_are_and_point_along_the_bones(listener: socket.socket) -> None:
    bridge = open_bridge("vrchat", {"port": listener.getsockname()[1], "learn_s": 0.2}, SKELETON, 30.0)
    for frame in range(12):
        bridge.send(_tracks(frame, (0,), {}))
        found = _received(listener)
    bridge.close()
    assert len(found) == 2 * 9
    expected = points(SKELETON.joints, _tracks(11, (0,), {}).tracks[0].pose.xyz[None])
    for tracker, bone in (
        ("1", "Hips"),
        ("3", "LeftFoot"),
        ("6", "RightLowerLeg"),
        ("7", "LeftLowerArm"),
        ("head", "Head"),
    ):
        x, y, z = found[f"/tracking/trackers/{tracker}/position"]
        assert np.linalg.norm(np.array([-x, -z, y]) - expected[bone][0]) < 0.02, bone
    for knee, foot in (("5", "3"), ("6", "4")):
        shin = found[f"/tracking/trackers/{foot}/position"] - found[f"/tracking/trackers/{knee}/position"]
        down = _unity_matrix(found[f"/tracking/trackers/{knee}/rotation"]) @ [0.0, -1.0, 0.0]
        assert down @ shin / np.linalg.norm(shin) > 0.999
    elbow = _unity_matrix(found["/tracking/trackers/7/rotation"])
    forearm = expected["LeftHand"][0] - expected["LeftLowerArm"][0]
    along = elbow @ [-1.0, 0.0, 0.0]  # left of a left-handed body that looks along z
    assert np.array([-along[0], -along[2], along[1]]) @ forearm / np.linalg.norm(forearm) > 0.99


def test_vrchat_follows_who_is_named_else_who_was_there_first(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    for person, names, expected in (("amy", {1: "amy"}, 1), ("", {}, 0)):
        bridge = open_bridge("vrchat", {"port": port, "person": person}, SKELETON, 30.0)
        bridge.send(_tracks(0, (0, 1), names))
        x, y, z = _received(listener)["/tracking/trackers/1/position"]
        hips = points(SKELETON.joints, _tracks(0, (expected,), {}).tracks[0].pose.xyz[None])["Hips"][0]
        np.testing.assert_allclose([-x, -z, y], hips, atol=0.02)
        bridge.close()
