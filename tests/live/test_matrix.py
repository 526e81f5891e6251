"""The fault matrix with a real hub and a real fusion: one camera goes wrong, the others go on, and it comes back.

Three cameras with clocks of their own are played from here over real connections, in real time.
"""

from __future__ import annotations

import random
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.config import HubOptions
from multiview.messages import MAX_BYTES, KeypointsMessage, PosesMessage, decode, encode, write_blob
from multiview.packing import pack_keypoints
from multiview.synthetic import Options, make_studio
from services.bus import Asker, Sender, Subscriber
from services.probing import Prober
from services.requests import Status, StatusReply, ask
from tests.live.conftest import SYNTHETIC, Processes

SIMULATED = make_studio(msgspec.convert({**SYNTHETIC, "seconds": 4.0}, Options))
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
        self.prober = Prober(self._hub, self.name, self.boot_id, self.now_ns)

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

    def __init__(self, hub: HubOptions, words: Callable[[], str]) -> None:
        """`words` is what fusion has logged so far."""
        self.hub, self.words = hub, words
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
        made = Room(hub, lambda: processes.words("fusion"))
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


def newer(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
    content = msgspec.msgpack.encode(msgspec.msgpack.decode(encode(message)[:-4]) | {"version": 2})
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
        (corrupt, "CRC-32"),
        (lambda m: [encode(m)[:-9]], "CRC-32"),
        (lambda m: [b""], "bytes"),
        (malformed, "malformed"),
        (newer, "schema version 2"),
        (lambda m: [msgspec.structs.replace(m, calibration="another")], "another calibration"),
        (lambda m: [msgspec.structs.replace(m, skeleton="body25")], "sends skeleton body25"),
        (lambda m: [msgspec.structs.replace(m, camera="cam01")], "came under the topic"),
    ],
    ids=["corrupt", "cut", "empty", "malformed", "newer schema", "calibration", "skeleton", "another's name"],
)
def test_what_is_wrong_is_refused_and_counted_and_the_others_go_on(room: Room, edit: Edit, reason: str) -> None:
    before = room.poses[-1].refused
    room.play_until(lambda: room.without_the_bad_one() and room.poses[-1].refused > before, edit)
    room.play_until(lambda: reason in room.words(), edit)
    room.play_until(lambda: any(message.people for message in room.last(5)) and room.without_the_bad_one(), edit)
    room.play_until(room.whole)


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
    thief, asker = Sender(room.hub), Asker(room.hub)
    other = Camera(room.hub, room.bad.index)

    def both(message: KeypointsMessage) -> list[KeypointsMessage | bytes]:
        stolen = other.message(message.frame)
        if stolen is not None:
            thief.send(f"keypoints/{BAD}", encode(stolen))
        return [message]

    first = len(room.poses)
    room.play_until(lambda: len(room.poses) > first + 40, both)
    status = ask(asker, Status(), StatusReply, 1.0)
    assert status is not None
    assert status.reasons[f"second sender for camera/{BAD}"] > 10
    assert all(BAD in message.cameras for message in room.poses[first + 5 :])
    for ending in (thief, asker, other):
        ending.close()


@pytest.mark.parametrize("jump_s", [0.7, -0.7, 4000.0])
def test_a_clock_that_jumps_is_left_out_until_it_is_known_again(room: Room, jump_s: float) -> None:
    room.bad.ahead_ns += round(jump_s * 1e9)
    room.play_until(lambda: bool(room.poses) and room.poses[-1].missing == [BAD])
    room.play_until(room.whole)


def test_a_worker_that_was_replaced_is_not_heard_again(room: Room) -> None:
    old = room.bad.boot_id
    room.bad.prober.close()
    room.bad.begin()
    room.play_until(room.whole)
    late = lambda m: [msgspec.structs.replace(m, boot_id=old)]
    room.play_until(lambda: "was replaced" in room.words(), late)
    room.play_until(room.whole)
