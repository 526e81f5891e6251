"""The fault matrix with a real hub and a real fusion: one camera goes wrong, the others go on, and it comes back.

Three cameras with clocks of their own are played from here over real connections, in real time.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.commands.recover import recover
from multiview.data import Keypoints2D
from multiview.recordings.take import open_take
from multiview.studio.config import HubOptions
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import (
    MAX_BYTES,
    KeypointsMessage,
    PosesMessage,
    ServiceHealth,
    decode,
    encode,
    write_blob,
)
from multiview.wire.packing import pack_keypoints
from services.nodes.clock_probe import ClockProber
from services.runtime.display import has_display, virtual_display
from services.supervise.launch import Launch
from services.transport.bus import RequestClient, Sender, Subscriber
from services.transport.requests import Status, StatusReply, request
from tests.processes import SYNTHETIC, Processes, synthetic_studio, until

SIMULATED = make_studio(msgspec.convert({**SYNTHETIC, "seconds": 4.0}, StudioOptions))
PERIOD_S = 1.0 / SIMULATED.fps
BAD = "cam02"
LOADS_S = 300.0

Edit = Callable[[KeypointsMessage], list[KeypointsMessage | bytes]]


class Camera:
    """One worker: its clock, its probes and its connection."""

    def __init__(self, hub: HubOptions, index: int) -> None:
        self.index, self.name, self._hub = index, SIMULATED.rig.names[index], hub
        self.ahead_ns = index * 5_000_000_000
        self.sender = Sender(hub, self.name)
        self.begin()

    def begin(self) -> None:
        """A new run of the worker."""
        self.boot_id = secrets.randbits(62)
        self.prober = ClockProber(self._hub, self.name, self.boot_id, self.now_ns)

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    def message(self, frame: int) -> KeypointsMessage | None:
        keypoints = SIMULATED.keypoints(self.index, frame % SIMULATED.frames)
        header = {"camera": self.name, "boot_id": self.boot_id, "frame": frame, "skeleton": "coco17"}
        return None if keypoints is None else pack_keypoints(keypoints, time_ns=self.now_ns(), **header)

    def send(self, body: KeypointsMessage | bytes) -> None:
        for sample in self.prober.take():
            self.sender.send(f"clock/{self.name}", encode(sample))
        self.sender.send(f"keypoints/{self.name}", body if isinstance(body, bytes) else encode(body))

    def close(self) -> None:
        self.prober.close()
        self.sender.close()


class Room:
    """Plays all cameras, and listens to what becomes of them."""

    def __init__(self, hub: HubOptions, words: Callable[[], str], hub_words: Callable[[], str]) -> None:
        """`words` is what fusion has logged so far, `hub_words` what the hub has."""
        self.hub, self.words, self.hub_words = hub, words, hub_words
        self.cameras = [Camera(hub, index) for index in range(len(SIMULATED.rig))]
        self.bad = self.cameras[SIMULATED.rig.names.index(BAD)]
        self.subscriber = Subscriber(hub, ["poses"])
        self.poses: list[PosesMessage] = []
        self._frame, self._next = 0, time.monotonic()

    def play_until(self, condition: Callable[[], bool], edit: Edit = lambda m: [m], seconds: float = 30.0) -> None:
        """Frame after frame; `edit` says what the bad camera sends in place of a message."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"did not happen; the last pose is {self.poses[-1:]}"
            self._next = max(self._next + PERIOD_S, time.monotonic())
            time.sleep(max(0.0, self._next - time.monotonic()))
            for camera in self.cameras:
                message = camera.message(self._frame)
                if message is not None:
                    for body in edit(message) if camera is self.bad else [message]:
                        camera.send(body)
            self._frame += 1
            self._listen()

    def _listen(self) -> None:
        for received in self.subscriber.drain():
            message = decode(received.body)
            assert isinstance(message, PosesMessage)
            self.poses.append(message)

    def last(self, count: int) -> list[PosesMessage]:
        return self.poses[-count:] if len(self.poses) >= count else []

    def whole(self) -> bool:
        """Whether all cameras are used, for some ticks on end."""
        return bool(self.last(5)) and all(not message.missing for message in self.last(5))

    def without_the_bad_one(self) -> bool:
        return bool(self.last(5)) and all(message.missing == [BAD] for message in self.last(5))

    def close(self) -> None:
        for camera in self.cameras:
            camera.close()
        self.subscriber.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    processes = Processes(folder)
    made = None
    try:
        hub = processes.hub()
        processes.start("fusion", folder / "studio.toml")
        made = Room(hub, lambda: processes.words("fusion"), lambda: processes.words("hub"))
        made.play_until(made.whole, seconds=LOADS_S)  # kernels may have to be compiled first
        yield made
    finally:
        if made is not None:
            made.close()
        processes.end()


def corrupt(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    body = bytearray(encode(message))
    body[len(body) // 2] ^= 4
    return [bytes(body)]


def malformed(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    noise = random.Random(message.frame).randbytes(300)
    return [noise + zlib.crc32(noise).to_bytes(4, "little")]


def older(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    """Schema version 1, which did not send its number."""
    fields = msgspec.msgpack.decode(encode(message)[:-4])
    del fields["version"]
    content = msgspec.msgpack.encode(fields)
    return [content + zlib.crc32(content).to_bytes(4, "little")]


def oversized(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    return [encode(message) + bytes(MAX_BYTES)]


def nonsense(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    table = np.frombuffer(message.blob, "<f4").copy()
    table[::31], table[1::37], table[2::41] = np.nan, np.inf, -np.inf
    return [msgspec.structs.replace(message, blob=write_blob(table.astype(float)))]


class Reordered:
    """Every two frames in the wrong order."""

    def __init__(self) -> None:
        self._held: list[KeypointsMessage | bytes] = []

    def __call__(self, message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
        if not self._held:
            self._held = [message]
            return []
        both = [message, *self._held]
        self._held = []
        return both


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda m: [msgspec.structs.replace(m, calibration="another")], "another calibration"),
        (lambda m: [msgspec.structs.replace(m, skeleton="body25")], "sends skeleton body25"),
    ],
    ids=["calibration", "skeleton"],
)
def test_what_does_not_fit_the_studio_is_refused_by_fusion(room: Room, edit: Edit, reason: str) -> None:
    before = room.poses[-1].rejected
    room.play_until(lambda: room.without_the_bad_one() and room.poses[-1].rejected > before, edit)
    room.play_until(lambda: reason in room.words(), edit)
    room.play_until(lambda: any(message.people for message in room.last(5)) and room.without_the_bad_one(), edit)
    room.play_until(room.whole)


@pytest.mark.parametrize(
    ("edit", "reason", "detail"),
    [
        (corrupt, "corrupt message of camera/cam02", "CRC-32"),
        (lambda m: [encode(m)[:-9]], "corrupt message of camera/cam02", "CRC-32"),
        (lambda m: [b""], "too short or too long message of camera/cam02", "a message of 0 bytes"),
        (malformed, "malformed message of camera/cam02", "malformed"),
        (older, "older or newer message of camera/cam02", "schema version 1"),
        (
            lambda m: [msgspec.structs.replace(m, camera="cam01")],
            "message of camera/cam02 under the topic of another kind or name",
            "",
        ),
    ],
    ids=["corrupt", "cut", "empty", "malformed", "older schema", "another's name"],
)
def test_what_is_wrong_is_refused_and_counted_and_the_others_go_on(
    room: Room, edit: Edit, reason: str, detail: str
) -> None:
    client = RequestClient(room.hub)

    def count() -> int:
        status = request(client, Status(), StatusReply, 1.0)
        return status.reasons.get(reason, 0) if status else 0

    before = count()
    room.play_until(lambda: room.without_the_bad_one() and count() > before, edit)
    assert reason in room.hub_words()
    assert detail in room.hub_words()
    room.play_until(lambda: any(message.people for message in room.last(5)) and room.without_the_bad_one(), edit)
    room.play_until(room.whole)
    client.close()


def test_what_is_too_large_costs_its_sender_alone(room: Room) -> None:
    """ZeroMQ closes the connection; the sender's comes back by itself."""
    room.play_until(room.without_the_bad_one, oversized)
    room.play_until(room.whole)


@pytest.mark.parametrize("edit", [lambda m: [m, m], Reordered(), nonsense], ids=["twice", "out of order", "NaN, inf"])
def test_what_can_be_mended_is_used(room: Room, edit: Edit) -> None:
    first = len(room.poses)
    room.play_until(lambda: len(room.poses) > first + 40, edit)
    used = [BAD in message.cameras for message in room.poses[first + 5 :]]
    assert sum(used) > 0.8 * len(used)
    for message in room.poses[first:]:
        table = message.table()
        assert np.isfinite(table[..., :3][table[..., 9] > 0]).all()
    room.play_until(room.whole)


def test_a_second_publisher_is_refused_while_the_first_speaks(room: Room) -> None:
    thief, client = Sender(room.hub), RequestClient(room.hub)
    other = Camera(room.hub, room.bad.index)

    def both(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
        stolen = other.message(message.frame)
        if stolen is not None:
            thief.send(f"keypoints/{BAD}", encode(stolen))
        return [message]

    first = len(room.poses)
    room.play_until(lambda: len(room.poses) > first + 40, both)
    status = request(client, Status(), StatusReply, 1.0)
    assert status is not None
    assert status.reasons[f"second sender for camera/{BAD}"] > 10
    assert all(BAD in message.cameras for message in room.poses[first + 5 :])
    for ending in (thief, client, other):
        ending.close()


@pytest.mark.parametrize("jump_s", [0.7, -0.7, 4000.0])
def test_a_clock_that_jumps_is_left_out_until_it_is_known_again(room: Room, jump_s: float) -> None:
    first = len(room.poses)
    room.bad.ahead_ns += round(jump_s * 1e9)
    room.play_until(lambda: any(message.missing == [BAD] for message in room.poses[first:]))
    room.play_until(room.whole)


def test_a_worker_that_was_replaced_is_not_heard_again(room: Room) -> None:
    old = room.bad.boot_id
    room.bad.prober.close()
    room.bad.begin()
    room.play_until(room.whole)
    late = lambda m: [msgspec.structs.replace(m, boot_id=old)]
    room.play_until(lambda: "was replaced" in room.words(), late)
    room.play_until(room.whole)


def test_what_was_recorded_before_the_recorder_was_killed_is_lost_by_a_chunk_at_most(processes: Processes) -> None:
    """It had taken in all of them; what is not in the file is less than 64 KB, and the file can be made whole."""
    hub = processes.hub()
    recorder = processes.start("record", processes.folder / "studio.toml", "--take", "cut")
    sender, listener, noise = Sender(hub), Subscriber(hub, ["service_health/recorder"]), random.Random(3)
    taken = [0]

    def listens() -> int:
        for received in listener.drain():
            health = decode(received.body)
            assert isinstance(health, ServiceHealth)
            taken[0] = health.counts["messages"]
        return taken[0]

    until(lambda: listens() > 0)
    sizes, sent = [noise.randrange(8, 330) for _ in range(400)], list[bytes]()
    for number, joints in enumerate(sizes):
        xy, score = np.zeros((1, joints, 2)), np.full((1, joints), noise.random())
        header = {"camera": "numbered", "boot_id": 1, "frame": number, "time_ns": 0, "skeleton": "coco17"}
        body = encode(pack_keypoints(Keypoints2D(xy, score), **header))
        sent.append(body)
        until(lambda body=body: sender.send("keypoints/numbered", body))
        time.sleep(0.002)  # below the hub's limit of rate
    before = listens()
    until(lambda: listens() >= before + len(sizes))
    recorder.kill()
    recorder.wait()
    take, rows = recover(open_take(processes.folder / "cut"))
    assert take.folder == processes.folder / "cut"
    assert "cut off" in rows[0][2]
    bodies = [record.body for record in take.records() if record.topic == "keypoints/numbered"]
    assert bodies == sent[: len(bodies)]
    assert sum(map(len, sent[len(bodies) :])) < 64 * 1024
    sender.close()
    listener.close()


@pytest.mark.skipif(
    not has_display() and shutil.which("Xvfb") is None, reason="no display, and no Xvfb to draw without"
)
def test_a_viewer_that_is_killed_harms_nobody_and_comes_back(tmp_path: Path) -> None:
    with virtual_display():
        launch = Launch(synthetic_studio(tmp_path), take="viewed", viewer=True, logs=tmp_path / "logs")
        with launch:
            launch.start()
            subscriber, poses = Subscriber(launch.studio.hub, ["poses"]), list[PosesMessage]()

            def shown() -> int:
                launch.watch()
                new = [decode(received.body) for received in subscriber.drain()]
                poses.extend(message for message in new if isinstance(message, PosesMessage))
                return (tmp_path / "logs" / "viewer.log").read_text().count("shows people")

            until(lambda: shown() == 1, 120.0)
            first = launch.pids()["viewer"]
            os.kill(first, signal.SIGKILL)
            until(lambda: shown() == 2, 120.0)
            assert launch.pids()["viewer"] != first
            assert sum("restart" in state for state in launch.states().values()) == 1
            subscriber.close()
    ticks = [message.tick for message in poses]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert {message.boot_id for message in poses} == {poses[0].boot_id}
    assert poses[-1].dropped == 0
    assert launch.take is not None
    sequences = [record.stamp.sequence for record in launch.take.records()]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
