"""The QTM server, by Qualisys' own client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import qtm_rt
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import points
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.errors import ConfigError
from multiview.synthetic import StudioOptions, make_studio
from services.bridges._serve import open_bridge

SKELETON = load_skeleton("body25")
_TRUTH = make_studio(StudioOptions(cameras=2, people=2, seconds=0.5, fps=30.0, seed=2, skeleton="body25")).truth


def _tracks(frame: int, people: tuple[int, ...] = (4, 7), name: str = "") -> Tracks:
    tracks = []
    for person in people:
        xyz = _TRUTH.xyz[(_TRUTH.frame == frame) & (_TRUTH.actor == (person == 7))][0]
        count = len(xyz)
        cov = np.tile(np.eye(3) * 0.006**2, (count, 1, 1))
        pose = Pose3D(xyz, cov, np.full(count, 0.9), np.full(count, 3), np.zeros(count, dtype=bool))
        tracks.append(Track(person, pose, name=name if person == 4 else ""))
    return Tracks(frame, round(frame * 1e9 / 30), tuple(tracks))


def _with_client(bridge: Any, talk: Callable[[Any], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        connection = await qtm_rt.connect("127.0.0.1", port=bridge.port, version="1.25", timeout=20)
        assert connection is not None
        try:
            return await talk(connection)
        finally:
            connection.disconnect()

    return asyncio.run(connected())


@pytest.fixture
def bridge() -> Any:
    opened = open_bridge("qtm", {"port": 0, "people": 3}, SKELETON, 30.0)
    yield opened
    opened.close()


async def _shown(bridge: Any, connection: Any, tracks: Tracks) -> Any:
    """The frame, once the server has it."""
    bridge.send(tracks)
    while True:
        packet = await connection.get_current_frame(components=["3d", "3dres", "skeleton", "skeleton:global"])
        if packet.framenumber == tracks.tick:
            return packet
        await asyncio.sleep(0.01)


def test_qtm_client_reads_points_and_their_names(bridge: Any) -> None:
    async def talk(connection: Any) -> tuple[Any, str]:
        packet = await _shown(bridge, connection, _tracks(3))
        return packet, await connection.get_parameters(parameters=["general", "3d"])

    packet, text = _with_client(bridge, talk)
    assert packet.timestamp == 100_000
    _, markers = packet.get_3d_markers()
    root = ET.fromstring(text)
    labels = [label.findtext("Name") for label in root.iter("Label")]
    assert len(markers) == len(labels) == int(root.findtext("The_3D/Labels")) == 3 * len(SKELETON.joints)
    assert (root.findtext("The_3D/AxisUpwards"), root.findtext("General/Frequency")) == ("+Z", "30")
    found = dict(zip(labels, markers, strict=True))
    for slot, track in enumerate(_tracks(3).tracks, start=1):
        for joint in ("nose", "left_wrist", "right_big_toe"):
            expected = 1e3 * track.pose.xyz[SKELETON.index(joint)]
            np.testing.assert_allclose(tuple(found[f"person{slot}_{joint}"]), expected, atol=0.01)
    assert np.isnan(found["person3_nose"].x)  # a slot without anybody
    _, residuals = packet.get_3d_markers_residual()
    assert residuals[0].residual == pytest.approx(6.0, abs=1e-3)


def test_qtm_skeletons_have_the_joints_places_in_either_frame(bridge: Any) -> None:
    async def talk(connection: Any) -> tuple[Any, Any, str]:
        for frame in range(2, 9):
            await _shown(bridge, connection, _tracks(frame))
        local = await connection.get_current_frame(components=["skeleton"])
        world = await connection.get_current_frame(components=["skeleton:global"])
        return local, world, await connection.get_parameters(parameters=["skeleton"])

    local, world, text = _with_client(bridge, talk)
    _, skeletons = world.get_skeletons()
    assert [len(segments) > 15 for segments in skeletons] == [True, True, False]
    listed = ET.fromstring(text).findall("Skeletons/Skeleton")
    assert [skeleton.get("Name") for skeleton in listed] == ["person1", "person2", "person3"]
    for slot, track in enumerate(_tracks(8).tracks):
        segments = {segment[0]: segment for segment in skeletons[slot]}
        names = {segment.get("Name"): int(str(segment.get("ID"))) for segment in listed[slot].iter("Segment")}
        expected = points(SKELETON.joints, track.pose.xyz[None])
        for bone in ("Hips", "LeftHand", "RightFoot", "LeftToes"):
            off = np.linalg.norm(np.array(segments[names[bone]][1]) - 1e3 * expected[bone][0])
            assert off < 15, bone
        _check_chain(listed[slot], local.get_skeletons()[1][slot], segments)


def _check_chain(skeleton: ET.Element, local: Any, segments: dict[int, Any]) -> None:
    """Positions and rotations against the parent, chained, are those in the world."""
    inside = {segment[0]: segment for segment in local}

    def visit(element: ET.Element, place: np.ndarray, rotation: Rotation) -> None:
        for segment in element.findall("Segment"):
            number = int(str(segment.get("ID")))
            here = place + rotation.apply(inside[number][1])
            own = rotation * Rotation.from_quat(inside[number][2])
            np.testing.assert_allclose(here, segments[number][1], atol=0.1)
            assert (own.inv() * Rotation.from_quat(segments[number][2])).magnitude() < 1e-3
            visit(segment, here, own)

    top = skeleton.find("Segments")
    assert top is not None
    visit(top, np.zeros(3), Rotation.identity())


def test_qtm_client_streams_frames_and_hears_of_changes(bridge: Any) -> None:
    async def talk(connection: Any) -> list[int]:
        frames: list[int] = []
        await _shown(bridge, connection, _tracks(1))
        assert await connection.get_state() is not None

        def received(packet: Any) -> None:
            frames.append(packet.framenumber)

        streaming = asyncio.create_task(connection.stream_frames(components=["3d"], on_packet=received))
        frame = 1
        while len(frames) < 5:
            frame = min(frame + 1, 14)
            bridge.send(_tracks(frame))
            await asyncio.sleep(0.02)
        assert await streaming == b"Ok"
        changed = asyncio.create_task(connection.await_event(qtm_rt.QRTEvent.EventCameraSettingsChanged, timeout=20))
        await asyncio.sleep(0)
        bridge.send(_tracks(14, (4,), name="anna"))
        await changed
        text = (await connection.get_parameters(parameters=["skeleton"])).decode()
        assert [s.get("Name") for s in ET.fromstring(text).iter("Skeleton")] == ["anna", "person2", "person3"]
        return frames

    frames = _with_client(bridge, talk)
    assert frames == sorted(frames)
    assert set(frames) <= set(range(1, 15))


def test_qtm_client_controls_nothing(bridge: Any) -> None:
    async def talk(connection: Any) -> None:
        for refused in (connection.take_control("x"), connection.start(), connection.save("/etc/passwd")):
            with pytest.raises(qtm_rt.QRTCommandException, match="not controlled"):
                await refused
        with pytest.raises(qtm_rt.QRTCommandException, match="NOT supported"):
            await connection._protocol.set_version("2.0")

    _with_client(bridge, talk)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<II", 0, 1),
        struct.pack("<II", 1 << 31, 1),
        struct.pack("<II", 12, 99) + b"abcd",
        struct.pack("<II", 60, 1) + b"StreamFrames AllFrames UDP:10.0.0.9:53 3D skeleton:glob\0",
    ],
)
def test_qtm_server_survives_what_is_no_client(bridge: Any, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=20) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while part := raw.recv(4096):
            answer += part
    assert b"QTM RT Interface connected" in answer
    bridge.send(_tracks(1))
    assert _with_client(bridge, lambda connection: connection.qtm_version()).startswith(b"QTM Version")


@pytest.mark.slow
def test_qtm_client_that_stops_reading_gets_no_more_than_a_megabyte() -> None:
    bridge: Any = open_bridge("qtm", {"port": 0, "people": 64}, SKELETON, 30.0)  # 20 kB a frame
    with contextlib.closing(bridge), socket.create_connection(("127.0.0.1", bridge.port), timeout=20) as raw:
        command = b"StreamFrames AllFrames 3D Skeleton\0"
        raw.sendall(struct.pack("<II", 8 + len(command), 1) + command)
        began = time.monotonic()
        tracks = _tracks(2)
        while not any(client.components for client in bridge._clients) and time.monotonic() - began < 20:
            time.sleep(0.01)
        for tick in range(400):
            bridge.send(msgspec.structs.replace(tracks, tick=tick))
        (client,) = bridge._clients
        assert client.writer.transport.get_write_buffer_size() < 1.1 * (1 << 20)


def test_qtm_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            open_bridge("qtm", {"port": port}, SKELETON, 30.0)
