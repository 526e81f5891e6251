"""The client for programs downstream: what it gives, that it needs next to nothing, and that it survives the others."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import zmq

from multiview.client import connect
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_tracks
from tests.figures import crowd

_BARE = """
import sys
allowed = {"numpy", "msgspec", "zmq", "multiview"}
class Bare:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names and not root.startswith("_"):
            raise ModuleNotFoundError(f"{root} is not installed here")
sys.meta_path.insert(0, Bare())
from multiview.client import connect
for frame in connect(sys.argv[1], timeout_s=60):
    for person in frame.people:
        print(frame.tick, person.id, person["nose"].round(3).tolist(), bool(person.filled.any()))
    break
"""


class Publisher:
    """Sends frame after frame, as the hub does, until it is stopped."""

    def __init__(self, port: int = 0) -> None:
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.linger = 0
        end = time.monotonic() + 10
        while True:  # the port of one that has just ended may take a moment
            try:
                self._socket.bind(f"tcp://127.0.0.1:{port or '*'}")
                break
            except zmq.ZMQError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        frame = 0
        while not self._stop.wait(0.01):
            skeleton, tracks = crowd(frame)
            header = {"cameras": ["cam01"], "missing": ["cam02"], "skeleton": "coco17"}
            body = encode(pack_tracks(tracks, len(skeleton.joints), **header))
            self._socket.send_multipart([b"poses", b"x", b"garbage"])
            self._socket.send_multipart([b"poses", Stamp(frame, frame, 0).encode(), body])
            frame += 1
        self._socket.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.stop()


def test_frames_have_everyone_by_joint_name(publisher: Publisher) -> None:
    frames = connect(publisher.address, timeout_s=60)
    frame = next(frames)
    skeleton, tracks = crowd(frame.tick)
    assert [person.id for person in frame.people] == [0, 1, 2]
    for person, track in zip(frame.people, tracks.tracks, strict=True):
        place = track.pose.xyz[skeleton.index("left_wrist")]
        np.testing.assert_allclose(person["left_wrist"], place, atol=1e-6)
        np.testing.assert_array_equal(person.filled, track.pose.filled)
        np.testing.assert_allclose(person.cov, track.pose.cov, atol=1e-8)
    assert (frame.cameras, frame.missing, frame.skeleton) == (("cam01",), ("cam02",), "coco17")
    assert frame.time_s == pytest.approx(tracks.time)
    with pytest.raises(KeyError, match="left_wrist"):
        frame.people[0]["tail"]
    frames.close()


@pytest.mark.parametrize("latest", [True, False])
def test_a_slow_program_skips_frames_or_gets_every_one(publisher: Publisher, latest: bool) -> None:
    ticks = []
    with connect(publisher.address, latest=latest, timeout_s=60) as frames:
        for frame in frames:
            ticks.append(frame.tick)
            time.sleep(0.05)
            if len(ticks) == 5:
                break
    steps = np.diff(ticks)
    assert (steps > 1).any() if latest else (steps == 1).all()


def test_it_needs_only_numpy_msgspec_and_zmq(publisher: Publisher) -> None:
    result = subprocess.run([sys.executable, "-c", _BARE, publisher.address], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["0", "1", "2"]
    assert lines[2].endswith("True")


def test_it_survives_a_restart() -> None:
    first = Publisher()
    port = int(first.address.rsplit(":", 1)[1])
    frames = connect(first.address, timeout_s=60)
    next(frames)
    first.stop()
    second = Publisher(port)
    try:
        ticks = [next(frames).tick for _ in range(3)]
        assert len(ticks) == 3
    finally:
        frames.close()
        second.stop()


def test_it_ends_when_nothing_comes() -> None:
    with connect("tcp://127.0.0.1:9", timeout_s=0.3) as nobody:
        assert list(nobody) == []


def test_poll_never_waits_longer_than_asked(publisher: Publisher) -> None:
    with connect("tcp://127.0.0.1:9") as nobody:
        assert nobody.poll() is None
    with connect(publisher.address) as connection:
        end = time.monotonic() + 10
        while (frame := connection.poll()) is None and time.monotonic() < end:
            time.sleep(0.01)
        assert frame is not None
