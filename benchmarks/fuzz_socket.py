"""Mutated messages over real sockets: what the hub, fusion and the recorder make of them, each one accounted for.

Mutated are bodies, topics, the number of parts, and requests at the hub's request port; senders stay below the hub's
limit of rate, so that everything is looked at. Then true cameras speak, and everyone must be there again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq

from benchmarks.mutations import mutate
from multiview.errors import MultiviewError
from multiview.recordings.take import open_take
from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire import topics
from multiview.wire.messages import (
    CameraHealth,
    ClockSample,
    EndOfStream,
    Heartbeat,
    PosesMessage,
    ServiceHealth,
    decode,
    encode,
    write_blob,
)
from multiview.wire.packing import pack_keypoints
from services.runtime.process import PARENT_VARIABLE
from services.transport.bus import RequestClient, Subscriber
from services.transport.requests import Probe, Ready, Start, Status, StatusReply, request

__all__ = ["Account", "attack", "fuzz"]

CAMERAS = 8
OPTIONS = {"cameras": CAMERAS, "people": 2, "seconds": 2.0, "fps": 25.0, "skeleton": "coco17"}
LIMIT_MB = 20.0
LOADING_S = 300.0
REQUESTS = 0.05  # of all that is sent
REQUEST_S = 0.0025  # between two: below the hub's limit of rate
ANSWERED = ("no place for another that is ready", "a start too far ahead")  # requests without effect
BATCH = 32


class Account(NamedTuple):
    """What became of `sent` messages and `requested` requests, and how much memory (MB) each process grew by."""

    sent: int
    requested: int
    at_hub: Counter[str]  # rejected by the hub, by reason
    replied: int
    recorded: int
    to_fusion: int  # of those recorded, what fusion listens to
    received: int
    clock_unknown: int
    rejected: int
    dropped: int
    grown_mb: dict[str, float]
    whole: bool  # true cameras were used again afterwards

    def complete(self) -> bool:
        """Whether everything is accounted for, and nobody died or swelled."""
        requests = self.at_hub["malformed request"]
        rejected = self.at_hub.total() - requests - sum(self.at_hub[reason] for reason in ANSWERED)
        return (
            rejected + self.recorded == self.sent
            and requests + self.replied == self.requested
            and self.received == self.to_fusion
            and self.dropped == 0
            and self.whole
            and not any("too fast" in reason for reason in self.at_hub)
            and max(self.grown_mb.values()) <= LIMIT_MB
        )


def fuzz(messages: int, rate: float, seed: int) -> int:
    """Print what became of them; 1 if anything is missing, dropped or beyond its limit."""
    with tempfile.TemporaryDirectory() as folder:
        hub = HubOptions(ingest_port=17755, publish_port=17756, request_port=17757)
        account = attack(Path(folder), hub, messages, rate, seed)
    print(f"{account.sent} messages and {account.requested} requests sent")
    for reason, number in sorted(account.at_hub.items()):
        print(f"  hub       {number:7} rejected: {reason}")
    print(f"  hub       {account.replied:7} requests replied to")
    print(f"  recorder  {account.recorded:7} recorded as they came")
    used = account.received - account.clock_unknown - account.rejected
    print(f"  fusion    {account.received:7} received of {account.to_fusion}: {used} used, "
          f"{account.rejected} rejected, {account.clock_unknown} before a clock was known; "
          f"{account.dropped} dropped")  # fmt: skip
    print("  memory    " + ", ".join(f"{name} {mb:+.1f} MB" for name, mb in account.grown_mb.items()))
    print("  true cameras afterwards: " + ("all used, people there" if account.whole else "NOT WHOLE"))
    print("everything is accounted for" if account.complete() else "NOT EVERYTHING IS ACCOUNTED FOR")
    return 0 if account.complete() else 1


def attack(folder: Path, hub: HubOptions, messages: int, rate: float, seed: int) -> Account:
    """Send them to a hub, a fusion and a recorder of their own, at these ports."""
    path = folder / "studio.toml"
    source, recorder = SyntheticSource(options=OPTIONS), RecorderOptions(directory=str(folder))
    write_studio(Studio(skeleton="coco17", source=source, hub=hub, recorder=recorder), path)
    with _services(path) as processes:
        client, cameras, subscriber = RequestClient(hub), Cameras(hub), Subscriber(hub, ["poses", "service_health/"])
        _wait(client)
        cameras.play(subscriber, lambda pose: bool(pose.people) and not pose.missing)
        time.sleep(1.5)  # the last words of all who spoke
        before = Counters(client, subscriber)
        memory = {name: _resident_mb(process.pid) for name, process in processes.items()}
        counted = _send(hub, random.Random(seed), messages, rate)
        requested, replied = _send_requests(hub, random.Random(seed + 1), round(REQUESTS * messages))
        after = Counters(client, subscriber)
        while after.received < before.received + sum(counted.values()):
            after = Counters(client, subscriber)
        after = Counters(client, subscriber, settle=True)
        grown = {name: _resident_mb(process.pid) - memory[name] for name, process in processes.items()}
        alive = all(process.poll() is None for process in processes.values())
        whole = alive and cameras.play(subscriber, lambda pose: bool(pose.people) and not pose.missing)
        client.close()
        subscriber.close()
        for process in reversed(processes.values()):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    recorded = to_fusion = 0
    for record in open_take(folder / "fuzz").records():
        if before.now_ns < record.stamp.arrival_ns <= after.now_ns:
            ours = record.topic.partition("/")[0] in ("keypoints", "clock", "camera_health") or "fuzz" in record.topic
            recorded += ours
            to_fusion += record.topic.partition("/")[0] in (topics.KEYPOINTS, topics.CLOCK)
    return Account(
        sent=sum(counted.values()),
        requested=requested,
        at_hub=after.reasons - before.reasons,
        replied=replied,
        recorded=recorded,
        to_fusion=to_fusion,
        received=after.fusion["received"] - before.fusion["received"],
        clock_unknown=after.fusion["clock_unknown"] - before.fusion["clock_unknown"],
        rejected=after.fusion["rejected"] - before.fusion["rejected"],
        dropped=after.fusion["dropped"] + after.recorder["dropped"] + after.recorder["missed"],
        grown_mb=grown,
        whole=whole,
    )


class Counters:
    """What the services have counted by now."""

    def __init__(self, client: RequestClient, subscriber: Subscriber, settle: bool = False) -> None:
        """With `settle`, once nothing is on its way any more."""
        self.fusion: dict[str, int] = {}
        self.recorder: dict[str, int] = {}
        status = request(client, Status(), StatusReply, 5.0)
        if status is None:
            raise MultiviewError("the hub does not answer")
        self.received, self.reasons, self.now_ns = status.received, Counter(status.reasons), status.hub_ns
        for _ in subscriber.drain():
            pass
        rounds, last, end = 0, -1, time.monotonic() + 60.0
        while rounds < (3 if settle else 1) or not (self.fusion and self.recorder):
            if time.monotonic() > end:
                raise MultiviewError("fusion or the recorder fell silent")
            received = subscriber.receive(1.0)
            if received is None or not received.topic.startswith("service_health/"):
                continue
            with contextlib.suppress(MultiviewError):
                health = decode(received.body)
                if isinstance(health, ServiceHealth) and received.topic == f"service_health/{health.service}":
                    if health.service == "recorder":
                        self.recorder = health.counts
                    elif health.service == "fusion":
                        self.fusion = health.counts
                        rounds = rounds + 1 if last == health.counts["received"] else 0 if settle else 1
                        last = health.counts["received"]


class Cameras:
    """True ones on one time line, each with a boot id that nobody has used."""

    def __init__(self, hub: HubOptions) -> None:
        self._hub, self._studio, self._runs = hub, make_studio(msgspec.convert(OPTIONS, StudioOptions)), 0
        self._began = time.monotonic()

    def play(self, subscriber: Subscriber, good: object, seconds: float = LOADING_S) -> bool:
        """For three seconds, and until the poses are good."""
        assert callable(good)
        self._runs += 1
        socket = _dealer(self._hub.host, self._hub.ingest_port)
        began = time.monotonic()
        end, frame = began + seconds, round((began - self._began) * 25)
        try:
            while time.monotonic() < end:
                for index, name in enumerate(self._studio.rig.names):
                    seen = self._studio.keypoints(index, frame % self._studio.frames)
                    if seen is not None:
                        header = {"camera": name, "boot_id": 2**60 + self._runs, "frame": frame, "skeleton": "coco17"}
                        time_ns = 10**12 + frame * 40_000_000
                        message = pack_keypoints(seen, time_ns=time_ns, clock="epoch", **header)
                        socket.send_multipart([f"keypoints/{name}".encode(), encode(message)])
                frame += 1
                time.sleep(max(0.0, self._began + frame * 0.04 - time.monotonic()))
                for received in subscriber.drain():
                    if received.topic == topics.POSES:
                        pose = decode(received.body)
                        if time.monotonic() > began + 3.0 and isinstance(pose, PosesMessage) and good(pose):
                            return True
            return False
        finally:
            socket.close(linger=500)


def _send(hub: HubOptions, rng: random.Random, messages: int, rate: float) -> Counter[str]:
    """From one connection; how many of each kind."""
    socket, seeds, counted = _dealer(hub.host, hub.ingest_port), _seeds(), Counter[str]()
    due = time.monotonic()
    for number in range(messages):
        topic, body = rng.choice(seeds)
        parts, kind = [topic, mutate(rng, body)], "body"
        if rng.random() < 0.02:
            parts[0], kind = mutate(rng, topic + b"1234")[:80], "topic"
        elif rng.random() < 0.02:
            parts, kind = [parts * 2, parts[:1], [*parts, b""]][rng.randrange(3)], "parts"
        socket.send_multipart(parts)
        counted[kind] += 1
        if number % BATCH == 0:
            due = max(due + BATCH / rate, time.monotonic())  # a pause is not made up for: that would be too fast
            time.sleep(max(0.0, due - time.monotonic()))
    socket.close(linger=30_000)
    return counted


def _send_requests(hub: HubOptions, rng: random.Random, requests: int) -> tuple[int, int]:
    """Mutated requests; how many, and how many of them had an answer."""
    socket, replied = _dealer(hub.host, hub.request_port), 0
    seeds = [msgspec.msgpack.encode(q) for q in (Probe(), Ready(role="service/fuzz", pid=1), Start(), Status())]
    for _ in range(requests):
        socket.send(mutate(rng, rng.choice(seeds) + b"1234")[:-4])
        time.sleep(REQUEST_S)
        while socket.poll(0):
            socket.recv()
            replied += 1
    while socket.poll(1000):
        socket.recv()
        replied += 1
    socket.close(linger=0)
    return requests, replied


def _seeds() -> list[tuple[bytes, bytes]]:
    """Messages of every kind under topics that are for them, and under others."""
    studio, rows = make_studio(msgspec.convert(OPTIONS, StudioOptions)), []
    for index, camera in enumerate(studio.rig.names):
        header = {"camera": camera, "boot_id": 1, "frame": 7, "time_ns": 280_000_000, "skeleton": "coco17"}
        seen = studio.keypoints(index, 7)
        assert seen is not None
        probe = ClockSample(
            camera=camera, boot_id=1, sent_ns=1, hub_received_ns=2, hub_replied_ns=3, reply_received_ns=4
        )
        bodies = [pack_keypoints(seen, clock=clock, **header) for clock in ("epoch", "worker")]
        for body in (*bodies, probe, EndOfStream(camera=camera, boot_id=1), Heartbeat(boot_id=1, hub_ns=1, utc_ns=2)):
            kind = "clock" if body is probe else "keypoints"
            rows.append((f"{kind}/{camera}".encode(), encode(body)))
        rows.append((f"camera_health/{camera}".encode(), encode(CameraHealth(camera=camera, boot_id=1, frames=3))))
    poses = PosesMessage(tick=1, time_ns=1, cameras=["cam01"], missing=[], skeleton="coco17", joints=17, people=[1],
                         blob=write_blob(studio.truth.xyz[:1, :, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]]))  # fmt: skip
    health = ServiceHealth(service="fuzz", boot_id=1, counts={"a": 1}, values={"b": 2.0}, texts={"c": "d"})
    return [*rows, (b"service_health/fuzz", encode(poses)), (b"service_health/fuzz", encode(health))]


def _dealer(host: str, port: int) -> zmq.Socket[bytes]:
    """A socket that waits rather than drops."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.sndhwm, socket.sndtimeo = 1000, 60_000
    socket.connect(f"tcp://{host}:{port}")
    return socket


@contextlib.contextmanager
def _services(studio: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    words = {"hub": ["hub", str(studio)], "fusion": ["fusion", str(studio)]}
    words["recorder"] = ["record", str(studio), "--take", "fuzz"]
    with (studio.parent / "fuzz.log").open("ab") as log:
        base = [sys.executable, "-m", "multiview"]
        ended = {**os.environ, PARENT_VARIABLE: str(os.getpid())}  # with this process, whatever becomes of it
        processes = {n: subprocess.Popen([*base, *w], stdout=log, stderr=log, env=ended) for n, w in words.items()}
    try:
        yield processes
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait(client: RequestClient) -> None:
    end = time.monotonic() + LOADING_S
    while time.monotonic() < end:
        status = request(client, Status(), StatusReply, 0.5)
        if status is not None and {"service/fusion", "service/recorder"} <= status.roles.keys():
            return
        time.sleep(0.1)
    raise MultiviewError("hub, fusion and recorder did not start")


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
