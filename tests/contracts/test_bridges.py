"""What every bridge keeps to, and what each one's listeners get."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from multiview.__main__ import main
from multiview.body.actor import measure, save_actor
from multiview.body.kinematics import points
from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.common.plugins import load_plugin
from multiview.data import Pose3D, Track, Tracks
from multiview.errors import ConfigError
from multiview.synthetic import StudioOptions, make_studio
from services.bridges import LiveBridge
from services.bridges._serve import bridge_names, open_bridge
from services.bridges._slots import SlotAllocator
from tests.figures import crowd
from tests.vmc_program import places_by_vmc, sent_by_vmc

_OPTIONS: dict[str, dict[str, Any]] = {
    "websocket": {"port": 0},
    "foxglove": {"port": 0},
    "rerun": {"url": "rerun+http://127.0.0.1:1/proxy"},
    "lsl": {"name": "multiview-test"},
    "qtm": {"port": 0},
}


def _people(skeleton: Skeleton, frame: int, count: int) -> Tracks:
    rng = np.random.default_rng(frame)
    tracks = []
    for person in range(count):
        xyz = rng.normal(size=(len(skeleton.joints), 3))
        xyz[rng.random(len(xyz)) < 0.3] = np.nan
        known = np.isfinite(xyz).all(axis=1)
        cov = np.where(known[:, None, None], np.eye(3) * 1e-4, np.nan)
        pose = Pose3D(xyz, cov, known * 0.8, known * np.int64(2), known & (rng.random(len(xyz)) < 0.2))
        tracks.append(Track(person, pose))
    return Tracks(frame, frame * 33_333_333, tuple(tracks))


def test_bridges_listen_at_a_port_of_their_own() -> None:
    """So that all of them run beside each other, as they come."""
    ports = {}
    for name in bridge_names():
        options = load_plugin("services.bridges", name, "Options").Options()
        if hasattr(options, "port"):
            ports[name] = options.port
    assert len(ports) > 1
    assert len(set(ports.values())) == len(ports), ports


@pytest.mark.parametrize("name", bridge_names())
class TestEveryBridge:
    @pytest.mark.parametrize("skeleton", ["coco17", "body25", "coco133"])
    def test_takes_anyone_and_nobody(self, name: str, skeleton: str) -> None:
        shape = load_skeleton(skeleton)
        bridge = open_bridge(name, _OPTIONS.get(name, {}), shape, 30.0)
        assert isinstance(bridge, LiveBridge)
        try:
            for frame, count in enumerate((0, 1, 3, 9, 0, 2)):
                bridge.send(_people(shape, frame, count))
            hidden = _people(shape, 9, 1).tracks[0]
            unknown = msgspec.structs.replace(hidden.pose, xyz=np.full_like(hidden.pose.xyz, np.nan))
            bridge.send(Tracks(9, 9, (Track(0, unknown),)))
        finally:
            bridge.close()

    def test_an_unknown_option_is_named(self, name: str) -> None:
        with pytest.raises(ConfigError, match="colour"):
            open_bridge(name, {"colour": "red"}, load_skeleton("coco17"), 30.0)


def test_an_unknown_bridge_lists_what_exists(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        ConfigError, match=r'services/bridges has no "ndi"; there are foxglove, lsl, qtm, rerun, vmc, vrchat, websocket'
    ):
        open_bridge("ndi", {}, load_skeleton("coco17"), 30.0)
    assert main(["bridge", "vmc", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_places_are_kept_and_given_again() -> None:
    slots = SlotAllocator(2)

    def present(*people: int) -> Tracks:
        pose = crowd()[1].tracks[0].pose
        return Tracks(0, 0, tuple(Track(person, pose) for person in people))

    assert slots.assign(present(4, 7)) == {4: 0, 7: 1}
    assert slots.assign(present(4, 7, 1)) == {4: 0, 7: 1}
    assert slots.assign(present(7, 1)) == {7: 1, 1: 0}
    assert slots.assign(present()) == {}


def test_websocket_sends_json_to_whoever_listens() -> None:
    skeleton, tracks = crowd(3)
    bridge = open_bridge("websocket", {"port": 0}, skeleton, 25.0)
    try:
        with connect(f"ws://127.0.0.1:{bridge.port}") as socket_:  # type: ignore[attr-defined]
            text = None
            while text is None:  # until the bridge's thread has noticed the listener
                bridge.send(tracks)
                try:
                    text = socket_.recv(timeout=0.1)
                except TimeoutError:
                    continue
        content = json.loads(text)
        assert content["tick"] == 3
        assert [person["id"] for person in content["people"]] == [0, 1, 2]
        nose = content["people"][1]["joints"]["nose"]
        np.testing.assert_allclose(nose, tracks.tracks[1].pose.xyz[0], atol=1e-4)
        assert content["people"][2]["filled"] == ["right_elbow", "right_wrist"]
    finally:
        bridge.close()


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("https://stage.example.org", True),
        ("https://example.org", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org:80", False),
        ("null", False),
    ],
)
def test_websocket_pages_from_elsewhere_are_rejected(origin: Any, allowed: bool) -> None:
    bridge = open_bridge(
        "websocket", {"port": 0, "origins": "https://stage.example.org"}, load_skeleton("coco17"), 25.0
    )
    try:
        address = f"ws://127.0.0.1:{bridge.port}"  # type: ignore[attr-defined]
        if allowed:
            with connect(address, origin=origin):
                pass
        else:
            with pytest.raises(InvalidStatus, match="403"), connect(address, origin=origin):
                pass
    finally:
        bridge.close()


@pytest.mark.parametrize(
    ("query", "headers", "allowed"),
    [
        ("?token=right%2Btoken", {}, True),
        ("", {"Authorization": "Bearer right+token"}, True),
        ("", {}, False),
        ("?token=wrong", {}, False),
        ("?token=", {}, False),
        ("", {"Authorization": "Bearer wrong"}, False),
        ("", {"Authorization": "Basic right+token"}, False),
    ],
)
def test_websocket_clients_without_the_token_are_rejected(query: str, headers: dict[str, str], allowed: bool) -> None:
    bridge = open_bridge("websocket", {"port": 0, "token": "right+token"}, load_skeleton("coco17"), 25.0)
    try:
        address = f"ws://127.0.0.1:{bridge.port}/{query}"  # type: ignore[attr-defined]
        if allowed:
            with connect(address, additional_headers=headers):
                pass
        else:
            with pytest.raises(InvalidStatus, match="401"), connect(address, additional_headers=headers):
                pass
        with pytest.raises(InvalidStatus, match="403"):  # the token does not stand for the origin
            connect(f"ws://127.0.0.1:{bridge.port}/?token=right%2Btoken", origin="https://example.org")  # type: ignore[attr-defined, arg-type]
    finally:
        bridge.close()


def test_websocket_off_the_loopback_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="set a token"):
        open_bridge("websocket", {"port": 0, "host": "0.0.0.0"}, load_skeleton("coco17"), 25.0)


@pytest.mark.slow
def test_websocket_client_that_stopped_reading_does_not_keep_the_bridge() -> None:
    """Its thread waits in a full socket; closing ends it, and every thread with it."""
    skeleton = load_skeleton("coco17")
    before = threading.active_count()
    bridge = open_bridge("websocket", {"port": 0}, skeleton, 25.0)
    with socket.create_connection(("127.0.0.1", bridge.port)) as raw:  # type: ignore[attr-defined]
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in raw.recv(20)
        crowded = _people(skeleton, 1, 200)
        for _ in range(60):  # half a megabyte each; the client's side of the connection takes a few kilobytes
            bridge.send(crowded)
            time.sleep(0.001)
        began = time.monotonic()
        bridge.close()
        while threading.active_count() > before and time.monotonic() < began + 10.0:
            time.sleep(0.01)
        assert threading.active_count() == before


def test_lsl_streams_of_two_studios_have_two_sources() -> None:
    """An inlet continues with whichever stream has the source id of the one that it lost."""
    pylsl = pytest.importorskip("pylsl")
    sources = set()
    for studio in ("studio-a", "studio-b", "studio-a"):
        bridge = open_bridge("lsl", {"name": "multiview-test"}, load_skeleton("coco17"), 25.0, studio)
        sources.add(bridge.source_id)  # type: ignore[attr-defined]
        bridge.close()
    assert pylsl is not None
    assert len(sources) == 2


def test_websocket_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="cannot listen"):
        open_bridge("websocket", {"port": taken.getsockname()[1]}, load_skeleton("coco17"), 30.0)


class _Avatar(NamedTuple):
    """What a program makes of the packets of T frames: largest error (m), turn between frames (deg), left shank (m)."""

    error_m: np.ndarray
    turn_deg: np.ndarray
    shank_m: np.ndarray


def vmc_avatar(seconds: float, seed: int, name: str = "", skeleton: str = "coco17", learn_s: float = 2.0) -> _Avatar:
    """Send someone's true joints, read the packets with another decoder, and put the bones together again."""
    options = StudioOptions(cameras=2, people=1, seconds=seconds, fps=30.0, seed=seed, skeleton=skeleton)
    truth, joints = make_studio(options).truth, load_skeleton(skeleton)
    expected = points(joints.joints, truth.xyz)
    sent = sent_by_vmc(joints, truth.xyz, 30.0, learn_s, name)
    places = places_by_vmc(sent)
    errors = [np.linalg.norm(place - expected[bone], axis=1) for bone, place in places.items() if bone in expected]
    turns = [Rotation.from_quat(values[:, 3:]) for values in sent.values()]
    steps = [np.degrees((turn[:-1].inv() * turn[1:]).magnitude()) for turn in turns]
    return _Avatar(np.max(errors, axis=0), np.max(steps, axis=0), np.linalg.norm(sent["LeftFoot"][:, :3], axis=1))


@pytest.mark.slow
def test_vmc_rotations_give_the_joints_back_and_never_flip() -> None:
    avatar = vmc_avatar(8.0, seed=4)
    assert avatar.error_m[60:].max() < 0.015  # until then bone lengths are being learned
    assert avatar.turn_deg.max() < 45


def test_vmc_sends_fingers_by_unitys_names() -> None:
    avatar = vmc_avatar(1.0, seed=4, skeleton="blazepose75", learn_s=0.25)
    assert avatar.error_m[10:].max() < 0.015
    assert avatar.turn_deg[10:].max() < 45


def test_vmc_uses_the_bones_of_an_actor_from_the_first_frame_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path))
    xyz = make_studio(StudioOptions(cameras=2, people=1, seconds=8.0, fps=30.0, seed=4)).truth.xyz
    joints = load_skeleton("coco17").joints
    amy = measure("amy", "coco17", joints, 1.1 * xyz, np.zeros(xyz.shape[:2], dtype=bool))
    save_actor(amy)
    np.testing.assert_allclose(vmc_avatar(1.0, seed=4, name="bo").shank_m, amy.lengths["left_shank"] / 1.1, atol=1e-3)
    np.testing.assert_allclose(vmc_avatar(1.0, seed=4, name="amy").shank_m, amy.lengths["left_shank"], atol=1e-3)


def test_lsl_streams_named_channels() -> None:
    import pylsl

    skeleton, tracks = crowd(2)
    bridge = open_bridge("lsl", {"name": "multiview-contract", "people": 4}, skeleton, 25.0)
    try:
        found = pylsl.resolve_byprop("name", "multiview-contract", timeout=60)
        if not found:
            pytest.skip("LSL cannot find streams here: no multicast on this network")
        inlet = pylsl.StreamInlet(found[0])
        inlet.open_stream(timeout=60)
        sample = None
        for _ in range(50):
            bridge.send(tracks)
            sample, _ = inlet.pull_sample(timeout=0.1)
            if sample:
                break
        assert sample is not None
        assert len(sample) == 4 * (17 * 3 + 1)
        np.testing.assert_allclose(sample[51:54], tracks.tracks[1].pose.xyz[0], atol=1e-5)
        assert sample[-4:-1] == [0.0, 1.0, 2.0]
        assert np.isnan(sample[-1])
        inlet.close_stream()
    finally:
        bridge.close()


def test_vmc_says_where_it_sends_and_what_it_drops(caplog: pytest.LogCaptureFixture) -> None:
    skeleton, tracks = crowd(3)
    with caplog.at_level("INFO"):
        bridge = open_bridge("vmc", {"host": "no-such-host.invalid", "people": 1}, skeleton, 25.0)
        bridge.send(tracks)
        bridge.send(tracks)
        bridge.close()
    assert len(tracks.tracks) > 1
    where, *dropped = [record.getMessage() for record in caplog.records]
    assert where.startswith("VMC goes to no-such-host.invalid by UDP, ports 39539 to 39539")
    assert len(dropped) == 2
    assert any("no-such-host.invalid:39539 takes no packets" in words for words in dropped)
    assert any("more than 1 person: the others are not sent" in words for words in dropped)
