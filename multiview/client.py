"""For programs downstream: everyone's pose, live, in five lines.

    from multiview.client import connect

    for frame in connect("tcp://127.0.0.1:5556"):
        for person in frame.people:
            print(frame.time_s, person.id, person["nose"])

Needs only numpy, msgspec and pyzmq besides this package itself (`pip install --no-deps multiview-mocap`). The
connection comes back by itself when the hub or fusion was away. `python -m multiview.client [ADDRESS]` prints what
comes.
"""

from __future__ import annotations

import sys
import time
import tomllib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import zmq

from multiview.common.package_data import package_file
from multiview.errors import MessageError
from multiview.wire.messages import MAX_BYTES, PosesMessage, decode

__all__ = ["Connection", "Person", "PoseFrame", "connect"]

DEFAULT_ADDRESS = "tcp://127.0.0.1:5556"
_TOPIC = b"poses"
_HEARTBEAT_MS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person. `person["left_wrist"]` is the position (3,) of that joint, m, world; NaN where unknown.

    Attributes:
        id: Number of the person, never given to another.
        joints: Names of the J joints, in the order of the arrays.
        xyz: (J, 3) m, world; NaN where unknown.
        cov: (J, 3, 3) m^2, NaN where unknown.
        score: (J,) in [0, 1], 0 where unknown.
        views: (J,) number of rays that the joint rests on.
        filled: (J,) True where bones and motion place the joint rather than cameras.
        name: That of a known actor, or empty.
    """

    id: int
    joints: tuple[str, ...]
    xyz: npt.NDArray[np.float64]
    cov: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    views: npt.NDArray[np.int64]
    filled: npt.NDArray[np.bool_]
    name: str = ""

    def __getitem__(self, joint: str) -> npt.NDArray[np.float64]:
        """The place of a joint; KeyError, naming those there are."""
        if joint not in self.joints:
            raise KeyError(f"no joint {joint!r}; there are {', '.join(self.joints)}")
        place: npt.NDArray[np.float64] = self.xyz[self.joints.index(joint)]
        return place


@dataclass(frozen=True, slots=True, eq=False)
class PoseFrame:
    """Everyone at one tick.

    Attributes:
        tick: Number of the tick.
        time_s: s, on the studio's clock.
        utc_ns: ns since 1970 (UTC), 0 where unknown.
        people: Everyone who is published.
        cameras: Names of the rig's cameras.
        missing: Names of those that gave nothing for this tick.
        skeleton: Name of the skeleton.
    """

    tick: int
    time_s: float
    utc_ns: int
    people: tuple[Person, ...]
    cameras: tuple[str, ...]
    missing: tuple[str, ...]
    skeleton: str


class Connection:
    """An iterator of frames; `poll` is for programs with a loop of their own. Close it, or use it in a `with`.

    Args:
        address: The hub's publish port.
        latest: Skip frames instead of falling behind.
        timeout_s: End the iteration when nothing has come for so long; None: never.
    """

    def __init__(self, address: str, latest: bool, timeout_s: float | None) -> None:
        self._latest, self._timeout_s = latest, timeout_s
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        options = {zmq.LINGER: 0, zmq.RCVHWM: 10_000, zmq.MAXMSGSIZE: MAX_BYTES, zmq.RECONNECT_IVL: 50}
        options |= {zmq.RECONNECT_IVL_MAX: 1000, zmq.HEARTBEAT_IVL: _HEARTBEAT_MS}
        for option, value in (options | {zmq.HEARTBEAT_TIMEOUT: 3 * _HEARTBEAT_MS}).items():
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.SUBSCRIBE, _TOPIC)
        self._socket.connect(address)

    def __iter__(self) -> Connection:
        return self

    def __next__(self) -> PoseFrame:
        """The next frame; the iteration ends when none has come for `timeout_s`."""
        end = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while True:
            left_s = (
                0.2 if end is None else min(0.2, max(0.0, end - time.monotonic()))
            )  # short, so that Ctrl-C takes effect
            frame = self.poll(left_s)
            if frame is not None:
                return frame
            if end is not None and time.monotonic() >= end:
                raise StopIteration

    def poll(self, timeout_s: float = 0.0) -> PoseFrame | None:
        """A frame that has come, or comes in time.

        Args:
            timeout_s: How long to wait, s.

        Returns:
            The next frame, or the newest one with `latest`; None if there is none.
        """
        frame = None
        while self._socket.poll(round(timeout_s * 1e3)):
            frame = _frame(self._socket.recv_multipart()) or frame
            if frame is not None and not self._latest:
                break
            timeout_s = 0.0
        return frame

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(address: str = DEFAULT_ADDRESS, *, latest: bool = True, timeout_s: float | None = None) -> Connection:
    """Frames as they come, from the hub's publish port, for ever. What is no message of ours is skipped.

    Args:
        address: "tcp://HOST:PORT".
        latest: Let a program that is slower than the studio skip frames instead of falling behind; else it gets every
            one.
        timeout_s: End the iteration when nothing has come for so long, s; None: never.

    Returns:
        An iterator of frames that reconnects by itself.
    """
    return Connection(address, latest, timeout_s)


def _frame(parts: list[bytes]) -> PoseFrame | None:
    if len(parts) != 3 or parts[0] != _TOPIC:
        return None
    try:
        message = decode(parts[2])
    except MessageError:
        return None
    if not isinstance(message, PosesMessage):
        return None
    joints = _joints(message.skeleton, message.joints)
    table = message.table()
    names = message.names or [""] * len(message.people)
    rows = zip(message.people, names, table, strict=True)
    people = tuple(_person(number, name, joints, row) for number, name, row in rows)
    return PoseFrame(
        tick=message.tick,
        time_s=message.time_ns / 1e9,
        utc_ns=message.utc_ns,
        people=people,
        cameras=tuple(message.cameras),
        missing=tuple(message.missing),
        skeleton=message.skeleton,
    )


def _person(number: int, name: str, joints: tuple[str, ...], row: npt.NDArray[np.float64]) -> Person:
    known = np.isfinite(row).all(axis=1) & (row[:, 9] > 0)
    xyz = np.where(known[:, None], row[:, :3], np.nan)
    cov = np.where(known[:, None], row[:, 3:9], np.nan)[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    score = np.where(known, row[:, 9], 0.0)
    views = np.where(known, row[:, 10], 0.0).astype(np.int64)
    return Person(number, joints, xyz, cov, score, views, known & (row[:, 11] > 0.5), name)


@lru_cache(maxsize=32)
def _joints(skeleton: str, count: int) -> tuple[str, ...]:
    """The names of a skeleton that ships with multiview; numbers for one that does not."""
    path = package_file("skeletons", f"{skeleton}.toml")
    if path.is_file():
        names = tuple(str(joint[0]) for joint in tomllib.loads(path.read_text(encoding="utf-8"))["joints"])
        if len(names) == count:
            return names
    return tuple(f"joint{i}" for i in range(count))


def main() -> int:
    """Print everyone's middle until Ctrl-C."""
    address = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_ADDRESS
    print(f"waiting for poses from {address} (Ctrl-C ends)", file=sys.stderr)
    try:
        for frame in connect(address):
            known = [(person, person.xyz[np.isfinite(person.xyz[:, 0])]) for person in frame.people]
            places = [f"{p.id}: " + " ".join(f"{v:+.2f}" for v in xyz.mean(axis=0)) for p, xyz in known if len(xyz)]
            print(f"tick {frame.tick}  {len(frame.people)} people  " + "   ".join(places), flush=True)
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
