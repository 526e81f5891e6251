"""Who has no key, a wrong key, or another's key is refused and counted, and the stream goes on unharmed."""

from __future__ import annotations

import socket
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from multiview.client import connect
from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.studio.config import HubOptions
from multiview.wire.messages import MAX_BYTES, PosesMessage, decode, encode
from multiview.wire.packing import pack_keypoints
from services.supervise.launch import Launch
from services.transport.bus import RequestClient, Sender, Subscriber
from services.transport.hub_sockets import HubSockets
from services.transport.keyring import HUB, SERVICES, load_key, make_keys
from services.transport.requests import Status, StatusReply, request
from tests.processes import FREE, Processes, synthetic_studio, until

NAMES = ["hub", "fusion", "client", "cam01", "cam02", "cam03"]


def body(camera: str, frame: int) -> bytes:
    keypoints = Keypoints2D(np.zeros((1, 17, 2)), np.ones((1, 17)))
    return encode(
        pack_keypoints(
            keypoints, camera=camera, boot_id=1, frame=frame, time_ns=frame, clock="epoch", skeleton="coco17"
        )
    )


def keep_sending(sender: Sender, camera: str, subscriber: Subscriber, seconds: float = 10.0) -> bool:
    """Whether what this sender sends comes through."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sender.send(f"keypoints/{camera}", body(camera, 1))
        received = subscriber.receive(0.05)
        if received is not None and received.topic == f"keypoints/{camera}":
            return True
    return False


def test_only_known_keys_speak_and_only_for_their_camera(processes: Processes, tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    make_keys(Path(keys), NAMES)
    hub = processes.hub(keys)
    listener = Subscriber(hub, ["keypoints"])
    good = Sender(hub, "cam01")
    assert keep_sending(good, "cam01", listener)

    # A key that is not in the list; none at all; a plain connection of an old protocol; bytes recorded before.
    make_keys(tmp_path / "other", NAMES)
    (tmp_path / "other" / "hub.pub").write_text((tmp_path / "keys" / "hub.pub").read_text())
    stranger = Sender(_with_keys(hub, tmp_path / "other"), "cam02")
    plain = Sender(_with_keys(hub, ""), "cam02")
    deaf = Subscriber(_with_keys(hub, ""), ["keypoints"])
    with socket.create_connection(("127.0.0.1", hub.ingest_port)) as raw:
        raw.sendall(bytes.fromhex("01000200") + b"keypoints/cam02")
        assert not keep_sending(stranger, "cam02", listener, 0.4)
        assert not keep_sending(plain, "cam02", listener, 0.4)
    assert deaf.receive(0.2) is None

    # A good key, but another camera's topic.
    thief = Sender(hub, "cam03")
    assert not keep_sending(thief, "cam02", listener, 0.6)
    assert keep_sending(thief, "cam03", listener)
    assert keep_sending(good, "cam01", listener)

    client = RequestClient(hub)
    status = request(client, Status(), StatusReply, 1.0)
    assert status is not None
    assert status.reasons["cam03's key used for camera/cam02"] >= 1
    assert status.reasons["handshake"] >= 1
    words = processes.words("hub")
    assert "its key is not in allowed.toml" in words
    assert "cam03's key used for camera/cam02" in words
    for ending in (listener, good, stranger, plain, deaf, thief, client):
        ending.close()


def test_bytes_heard_on_the_wire_are_useless_a_second_time(processes: Processes, tmp_path: Path) -> None:
    keys = str(tmp_path / "keys")
    make_keys(Path(keys), NAMES)
    hub = processes.hub(keys)
    listener = Subscriber(hub, ["keypoints"])
    recorded = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as tap:
        sender = Sender(_with_port(hub, tap.getsockname()[1]), "cam01")
        inner, _ = tap.accept()
        outer = socket.create_connection(("127.0.0.1", hub.ingest_port))
        inner.settimeout(0.02)
        outer.settimeout(0.02)
        end, through = time.monotonic() + 5.0, 0
        while time.monotonic() < end and through < 3:
            sender.send("keypoints/cam01", body("cam01", 1))
            for one, other, keep in ((inner, outer, True), (outer, inner, False)):
                try:
                    data = one.recv(65536)
                except TimeoutError:
                    continue
                other.sendall(data)
                if keep:
                    recorded += data
            through += sum(received.topic == "keypoints/cam01" for received in listener.drain())
        assert through >= 3
        inner.close()
        outer.close()
    sender.close()
    with socket.create_connection(("127.0.0.1", hub.ingest_port)) as again:
        again.sendall(recorded)
        assert listener.receive(0.5) is None
    other = Sender(hub, "cam02")
    assert keep_sending(other, "cam02", listener)
    other.close()
    listener.close()


def test_what_is_wrong_on_the_loopback_is_refused(processes: Processes) -> None:
    """Without keys: too many parts, no such topic, too large, too fast, two senders for one camera."""
    hub = processes.hub()
    listener, client, good = Subscriber(hub, ["keypoints"]), RequestClient(hub), Sender(hub)
    assert keep_sending(good, "cam01", listener)
    second = Sender(hub)
    raw = zmq.Context.instance().socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(f"tcp://127.0.0.1:{hub.ingest_port}")
    raw.send_multipart([b"keypoints/cam02", b"a", b"b", b"c"])
    raw.send_multipart([b"../../etc", b"x"])
    raw.send_multipart([b"heartbeat", b"x"])
    assert not keep_sending(second, "cam01", _Deaf(), 0.01)
    for _ in range(20):
        good.send("keypoints/cam01", body("cam01", 2))
        second.send("keypoints/cam01", body("cam01", 3))
        time.sleep(0.01)
    for _ in range(2000):
        raw.send_multipart([b"keypoints/cam03", b"x"])

    def reasons() -> dict[str, int]:
        status = request(client, Status(), StatusReply, 1.0)
        return status.reasons if status else {}

    until(lambda: {"malformed", "unknown topic", "too fast: camera/cam03"} <= reasons().keys())
    assert reasons()["second sender for camera/cam01"] >= 10
    raw.send_multipart([b"keypoints/cam03", b"x" * (MAX_BYTES + 1)])
    assert keep_sending(good, "cam01", listener)
    raw.close()
    for ending in (listener, client, good, second):
        ending.close()


class _Deaf(Subscriber):
    def __init__(self) -> None:
        pass

    def receive(self, timeout_s: float) -> None:
        time.sleep(timeout_s)


def test_a_hub_open_to_the_network_needs_keys() -> None:
    with pytest.raises(ConfigError, match="multiview keys"):
        HubSockets(HubOptions(host="127.0.0.1", bind="0.0.0.0", ingest_port=0, publish_port=0, request_port=0))


def test_keys_are_secret_and_made_once(tmp_path: Path) -> None:
    assert make_keys(tmp_path / "keys", NAMES) == NAMES
    assert make_keys(tmp_path / "keys", [*NAMES, "cam04"]) == ["cam04"]
    path = tmp_path / "keys" / "cam01.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path / "keys", "nobody") == load_key(tmp_path / "keys", "client")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(tmp_path / "keys", "cam01")
    with pytest.raises(ConfigError, match="multiview keys"):
        load_key(tmp_path / "none", "cam01")


def _with_keys(hub: HubOptions, keys: str | Path) -> HubOptions:
    import msgspec

    return msgspec.structs.replace(hub, keys=str(keys))


def _with_port(hub: HubOptions, ingest: int) -> HubOptions:
    import msgspec

    return msgspec.structs.replace(hub, ingest_port=ingest)


def test_client_reads_a_hub_with_keys(processes: Processes, tmp_path: Path) -> None:
    """With a listener's key; without one it gets nothing, and a key that is none is said."""
    keys = tmp_path / "keys"
    make_keys(keys, NAMES)
    hub = processes.hub(str(keys))
    poses = encode(PosesMessage(tick=7, time_ns=1, cameras=[], missing=[], skeleton="a", joints=1, people=[], blob=b""))
    address, fusion = f"tcp://{hub.host}:{hub.publish_port}", Sender(hub, "fusion")
    with connect(address, keys=keys) as good, connect(address) as bad:
        end, frame = time.monotonic() + 10.0, None
        while frame is None and time.monotonic() < end:
            fusion.send("poses", poses)
            frame = good.poll(0.05)
        assert frame is not None
        assert frame.tick == 7
        assert bad.poll(0.2) is None
    fusion.close()
    with pytest.raises(ConfigError, match=r"nobody\.key: missing"):
        connect(address, keys=keys, key="nobody")
    (keys / "hub.pub").write_text("short")
    with pytest.raises(ConfigError, match=r"hub\.pub: not a key"):
        connect(address, keys=keys)


def test_run_with_keys_records_everyone(tmp_path: Path) -> None:
    """Every process of a studio has the rights that it needs."""
    keys = tmp_path / "keys"
    make_keys(keys, [HUB, *SERVICES, "cam01", "cam02", "cam03"])
    studio = synthetic_studio(tmp_path, _with_keys(FREE, keys))
    with Launch(studio, take="keyed", viewer=False) as launch:
        launch.start()
        subscriber = Subscriber(launch.studio.hub, ["poses"])
        until(
            lambda: bool((received := subscriber.receive(0.1)) and getattr(decode(received.body), "people", ())), 60.0
        )
        status = launch.status(2.0)
        subscriber.close()
    assert status is not None
    assert not [reason for reason in status.reasons if "key" in reason]
    assert {"service/fusion", "service/recorder", "camera/cam01", "camera/cam02", "camera/cam03"} <= set(status.roles)
    assert launch.take is not None
    kinds = {record.topic.partition("/")[0] for record in launch.take.records()}
    assert kinds >= {"keypoints", "poses", "camera_health", "service_health", "heartbeat"}
