"""What the bridges to Rerun and Foxglove send, received by other programs: Rerun's own server, a WebSocket client."""

from __future__ import annotations

import base64
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from rerun.chunk import RrdReader
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from multiview.cameras.camera import Camera
from multiview.data import Tracks
from multiview.errors import ConfigError
from services.bridges import StudioBridge
from services.bridges._pictures import residual_px
from services.bridges._serve import open_bridge
from tests.figures import crowd, ring

RIG = ring(2)
JPEG = cv2.imencode(".jpg", np.full((36, 64, 3), 90, np.uint8))[1].tobytes()
PATIENCE_S = 120.0


def show(bridge: StudioBridge, tracks: Tracks) -> None:
    """One tick, and a picture of the first camera."""
    bridge.send(tracks)
    bridge.show_picture("cam01", tracks.time_ns, JPEG, 1.5)


def foxglove_messages(port: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topics and messages, by the specification of Foxglove's WebSocket protocol; subscribes to every channel."""
    channels: dict[int, dict[str, Any]] = {}
    protocol = Subprotocol("foxglove.sdk.v1")
    with connect(f"ws://127.0.0.1:{port}", subprotocols=[protocol], open_timeout=PATIENCE_S) as client:
        while True:
            received = client.recv(timeout=PATIENCE_S)
            if isinstance(received, bytes):
                if received[0] == 1:  # a message: number of the subscription, time, payload
                    number, _ = struct.unpack_from("<IQ", received, 1)
                    yield channels[number]["topic"], _decoded(channels[number], received[13:])
            elif (message := json.loads(received))["op"] == "advertise":
                channels |= {channel["id"]: channel for channel in message["channels"]}
                wanted = [{"id": one["id"], "channelId": one["id"]} for one in message["channels"]]
                client.send(json.dumps({"op": "subscribe", "subscriptions": wanted}))


@contextmanager
def going_on(*ticks: Callable[[], None]) -> Iterator[None]:
    """Something again and again, in a thread of its own, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.005):
            for tick in ticks:
                tick()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _decoded(channel: dict[str, Any], payload: bytes) -> dict[str, Any]:
    if channel["encoding"] == "json":
        return dict(json.loads(payload))
    pool = descriptor_pool.DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(channel["schema"])).file:
        pool.Add(one)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(channel["schemaName"]))
    return json_format.MessageToDict(kind.FromString(payload), always_print_fields_with_no_presence=True)


def test_foxglove_reads_people_cameras_pictures_and_residuals_live() -> None:
    skeleton, tracks = crowd(3)
    bridge = open_bridge("foxglove", {"port": 0}, skeleton, 25.0)
    assert isinstance(bridge, StudioBridge)
    bridge.show_cameras(RIG.cameras)
    wanted = {"/people", "/cameras", "/cameras/cam01", "/cameras/cam01/picture", "/cameras/cam01/residual_px"}
    found: dict[str, dict[str, Any]] = {}
    show(bridge, tracks)  # Foxglove's server may refuse a subscription to a channel that begins just then
    try:
        with going_on(lambda: show(bridge, tracks)), closing(foxglove_messages(bridge.port)) as messages:  # type: ignore[attr-defined]
            while not wanted <= set(found):
                topic, message = next(messages)
                found[topic] = message
    finally:
        bridge.close()
    people = found["/people"]["entities"]
    assert [one["id"] for one in people] == [str(track.person) for track in tracks.tracks]
    xyz = tracks.tracks[1].pose.xyz
    known = np.isfinite(xyz).all(axis=-1)
    places = [[ball["pose"]["position"][axis] for axis in "xyz"] for ball in people[1]["spheres"]]
    np.testing.assert_allclose(places, xyz[known], atol=1e-6)
    frames = {one["childFrameId"]: one for one in found["/cameras"]["transforms"]}
    place = [frames["cam02"]["translation"][axis] for axis in "xyz"]
    np.testing.assert_allclose(place, RIG.cameras[1].centre, atol=1e-9)
    np.testing.assert_allclose(np.reshape(found["/cameras/cam01"]["K"], (3, 3)), RIG.cameras[0].K)
    assert base64.b64decode(found["/cameras/cam01/picture"]["data"]) == JPEG
    assert found["/cameras/cam01/residual_px"] == {"px": 1.5}


def test_foxglove_says_who_has_left() -> None:
    skeleton, tracks = crowd(2)
    bridge = open_bridge("foxglove", {"port": 0, "pictures_hz": 0}, skeleton, 25.0)
    nobody = Tracks(tracks.tick + 1, tracks.time_ns + 1, ())
    deleted: list[str] = []
    try:
        alternate = going_on(lambda: bridge.send(tracks), lambda: bridge.send(nobody))
        with alternate, closing(foxglove_messages(bridge.port)) as messages:  # type: ignore[attr-defined]
            while not deleted:
                deleted = [one["id"] for one in next(messages)[1]["deletions"]]
    finally:
        bridge.close()
    assert deleted == [str(track.person) for track in tracks.tracks]


def test_foxglove_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="cannot listen on port"):
        open_bridge("foxglove", {"port": taken.getsockname()[1]}, crowd()[0], 30.0)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def columns(path: Path, entity: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for chunk in RrdReader(path).stream():
        if chunk.entity_path == entity:
            batch = chunk.to_record_batch()
            for name in batch.schema.names:
                found.setdefault(name, []).extend(batch[name].to_pylist())
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:RRD file has no footer")  # the program is told to stop
def test_rerun_gets_people_cameras_pictures_and_residuals_live(tmp_path: Path) -> None:
    """Rerun's own program takes them, and writes them to a file."""
    skeleton, tracks = crowd(3)
    port, path = free_port(), tmp_path / "live.rrd"
    command = [
        sys.executable,
        "-m",
        "rerun",
        "--serve-grpc",
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        path,
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as viewer:
        try:
            bridge = open_bridge("rerun", {"url": f"rerun+http://127.0.0.1:{port}/proxy"}, skeleton, 25.0)
            assert isinstance(bridge, StudioBridge)
            bridge.show_cameras(RIG.cameras)
            deadline = time.monotonic() + PATIENCE_S
            written, before = 0, -1
            while (written < 3000 or written != before) and time.monotonic() < deadline:
                before = written
                if written < 3000:
                    show(bridge, tracks)
                time.sleep(0.3)
                written = path.stat().st_size if path.exists() else 0
            bridge.close()
        finally:
            viewer.send_signal(signal.SIGINT)
    points = columns(path, "/world/people/person1")
    xyz = tracks.tracks[1].pose.xyz
    known = np.isfinite(xyz).all(axis=-1)
    np.testing.assert_allclose(points["Points3D:positions"][0], xyz[known], atol=1e-5)
    assert points["Points3D:keypoint_ids"][0] == np.flatnonzero(known).tolist()
    place = columns(path, "/world/cameras/cam02")["Transform3D:translation"][0]
    np.testing.assert_allclose(np.reshape(place, 3), RIG.cameras[1].centre, atol=1e-5)
    assert bytes(columns(path, "/world/cameras/cam01/picture")["EncodedImage:blob"][0][0]) == JPEG
    assert columns(path, "/figures/residual_px/cam01")["Scalars:scalars"][0] == [1.5]


def test_rerun_without_a_viewer_waits_for_nobody() -> None:
    skeleton, tracks = crowd(2)
    bridge = open_bridge("rerun", {"url": f"rerun+http://127.0.0.1:{free_port()}/proxy"}, skeleton, 25.0)
    for _ in range(1000):
        bridge.send(tracks)
    assert len(bridge._waiting) <= 64  # type: ignore[attr-defined]
    bridge.close()
    with pytest.raises(ConfigError, match=r"is not of the form rerun\+http://HOST:PORT/proxy"):
        open_bridge("rerun", {"url": "127.0.0.1:9876"}, skeleton, 25.0)


def test_residual_is_the_median_distance_of_what_was_found() -> None:
    """3 px to the right and 4 down of where each joint projects: 5 px."""
    camera: Camera = RIG.cameras[0]
    _, tracks = crowd(3)
    seen = np.stack([camera.project(track.pose.xyz) + np.array([3.0, 4.0]) for track in tracks.tracks])
    table = np.concatenate([seen, np.ones((*seen.shape[:2], 1))], axis=-1)
    assert residual_px(camera, table, tracks) == pytest.approx(5.0, abs=1e-6)
    assert residual_px(camera, table[:0], tracks) is None
    assert residual_px(camera, table[:, :5], tracks) is None
    assert residual_px(camera, table, Tracks(0, 0, ())) is None
