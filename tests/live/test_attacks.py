"""The hub under attack stays, stays small, and lets those speak who may; `make attack` is the long form."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from pathlib import Path

import msgspec
import pytest

from benchmarks.attack import attacked
from benchmarks.attackers import ATTACKS, Attacker
from benchmarks.live import resident_mb
from multiview.studio.config import HubOptions
from multiview.wire.messages import CameraHealth, encode
from services.transport.bus import RequestClient, Sender, Subscriber
from services.transport.keyring import make_keys, revoke
from services.transport.requests import Ready, Start, Status, StatusReply, request
from tests.processes import Processes, free_ports, until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a connection received")


def status(hub: HubOptions) -> StatusReply:
    client, reply = RequestClient(hub), None
    for _ in range(24):  # it may have just been started, on a machine that is busy
        reply = reply or request(client, Status(), StatusReply, 5.0)
    client.close()
    assert reply is not None, "the hub does not reply"
    return reply


def works(hub: HubOptions, camera: str = "cam01") -> bool:
    """Whether what a camera sends comes through."""
    subscriber, sender = Subscriber(hub, ["camera_health"]), Sender(hub, camera)
    end, body = time.monotonic() + 10.0, encode(CameraHealth(camera=camera, boot_id=1))
    received = None
    while received is None and time.monotonic() < end:
        sender.send(f"camera_health/{camera}", body)
        received = subscriber.receive(0.05)
    subscriber.close()
    sender.close()
    return received is not None


def test_studio_under_attack_with_a_listeners_key_goes_on() -> None:
    # Attackers that take only idle time would not come to attack beside other tests.
    outcome = attacked(3, 25.0, 5.0, free_ports(1)[0], share=True)
    assert outcome.alive
    assert outcome.ticks == outcome.due
    assert outcome.foreign == 0
    assert outcome.recorded > 0.9 * 3 * outcome.due
    assert outcome.grown_mb < 20.0
    assert outcome.log_kb < 100.0
    assert outcome.reasons.total() > 0


@pytest.mark.parametrize("name", ATTACKS)
def test_hub_without_keys_outlives_each_attack(processes: Processes, name: str) -> None:
    """On the loopback everyone has every right, but no way to end the hub or to make it grow."""
    hub = processes.hub()
    process = processes.last
    assert works(hub)
    before_mb, boot_id = resident_mb(process.pid), status(hub).boot_id
    attacker = Attacker(hub)
    attacker.begin([name])
    until(lambda: attacker.done[name] > 0)
    time.sleep(1.5)
    attacker.end()
    assert process.poll() is None
    assert status(hub).boot_id == boot_id
    assert works(hub)
    assert resident_mb(process.pid) - before_mb < 20.0
    assert len(processes.words("hub")) < 100_000


@LINUX
def test_message_without_end_is_cut_off(processes: Processes) -> None:
    """Parts and parts, and never the last: bytes of ZMTP 3.1 (RFC 37), for libzmq sends only whole messages."""
    hub = processes.hub()
    process = processes.last
    before_mb, sent = resident_mb(process.pid), 0
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    part = b"\x03" + struct.pack(">Q", 100_000) + bytes(100_000)
    with socket.create_connection((hub.host, hub.ingest_port), timeout=60.0) as raw:
        raw.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
        answer = b""
        while b"ROUTER" not in answer:
            answer += raw.recv(1000)
        with contextlib.suppress(ConnectionError):
            while sent < 400_000_000:
                raw.sendall(part)
                sent += len(part)
                time.sleep(0.005)  # 20 MB/s: what comes while the hub waits for a core is not its fault
    assert sent < 100_000_000
    assert resident_mb(process.pid) - before_mb < 50.0
    assert works(hub)
    assert "message without end" in status(hub).reasons


def test_false_ready_signals_do_not_stop_true_ones(processes: Processes) -> None:
    hub = processes.hub()
    client = RequestClient(hub)
    for number in range(1000):
        assert request(client, Ready(role=f"service/false-{number}"), StatusReply, 5.0) is not None
        time.sleep(0.001)
    reply = request(client, Ready(role="camera/cam02"), StatusReply, 5.0)
    assert reply is not None
    assert "camera/cam02" in reply.roles
    assert len(msgspec.msgpack.encode(reply)) < 50_000
    reply = request(client, Ready(role="camera/cam02", start_ns=reply.hub_ns + 10**15), StatusReply, 5.0)
    assert reply is not None
    assert reply.start_ns == 0
    reply = request(client, Start(delay_ns=10**9), StatusReply, 5.0)
    assert reply is not None
    assert 0 < reply.start_ns - reply.hub_ns <= 10**9
    client.close()


def test_revoked_key_is_shut_out_of_a_running_hub(processes: Processes, tmp_path: Path) -> None:
    """As a sender, as a subscriber that listens already, and as one that connects again."""
    make_keys(tmp_path / "keys", ["hub", "client", "cam01", "cam02", "spy"])
    hub = processes.hub(str(tmp_path / "keys"))
    boot_id, body = status(hub).boot_id, encode(CameraHealth(camera="cam01", boot_id=1))
    spy, honest = Subscriber(hub, ["heartbeat"], "spy"), Subscriber(hub, ["heartbeat"])
    sender = Sender(hub, "cam01")
    until(lambda: spy.receive(0.1) is not None and honest.receive(0.1) is not None)
    assert sender.send_within("camera_health/cam01", body, 5.0)
    for name in ("spy", "cam01"):
        revoke(tmp_path / "keys", name)
    time.sleep(0.2)  # the hub looks every 50 ms
    list(spy.drain())
    assert all(spy.receive(0.1) is None for _ in range(5))
    quiet = Subscriber(hub, ["camera_health"])
    until(lambda: honest.receive(0.1) is not None)
    for _ in range(20):
        sender.send("camera_health/cam01", body)
        assert quiet.receive(0.02) is None
    assert works(hub, "cam02")
    assert status(hub).boot_id == boot_id
    for ending in (spy, honest, sender, quiet):
        ending.close()


def test_listeners_key_may_only_listen(processes: Processes, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["hub", "client", "cam01"])
    hub = processes.hub(str(tmp_path / "keys"))
    listener = RequestClient(hub)
    for asked in (Start(), Ready(role="service/client"), Ready(role="camera/cam01")):
        assert request(listener, asked, StatusReply, 0.3) is None
    assert status(hub).start_ns == 0
    assert not status(hub).roles
    sender = Sender(hub, "nobody")  # who has no key under this name has a listener's
    assert not sender.send_within("identity_label", b"x", 0.5)
    assert works(hub)
    assert "client's key may only listen" in processes.words("hub")
    listener.close()
    sender.close()


def test_hub_says_whose_it_is(processes: Processes) -> None:
    hub = processes.hub()
    mine = status(hub)
    assert mine.studio_name == "studio"
    assert len(mine.studio_id) == 16
    processes.last.terminate()
    processes.last.wait()
    processes.start("hub", processes.folder / "studio.toml", "--run-id", "first")
    again = status(hub)
    assert (again.studio_id, again.run_id) == (mine.studio_id, "first")


@LINUX
def test_connections_beyond_what_files_there_are_starve_nobody(processes: Processes) -> None:
    hub = processes.hub()
    process = processes.last
    silent = []
    for number in range(600):
        port = (hub.ingest_port, hub.publish_port, hub.request_port)[number % 3]
        silent.append(socket.create_connection((hub.host, port), timeout=5.0))
    assert works(hub)
    until(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) < 500)
    began, used = time.monotonic(), _cpu_s(process.pid)
    time.sleep(1.0)
    assert _cpu_s(process.pid) - used < 0.5 * (time.monotonic() - began)  # nothing spins
    for one in silent:
        one.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
