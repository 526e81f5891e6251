"""For programs downstream: everyone's pose, live, in five lines.

    from multiview.client import connect

    for frame in connect("tcp://127.0.0.1:5556"):
        for person in frame.people:
            print(frame.time_s, person.id, person["nose"])

Of a hub with keys: `connect("tcp://studio:5556", keys="keys")`, with a folder that holds `hub.pub` and a listener's
`client.key`, copied from the hub's machine.

Needs only numpy, msgspec and pyzmq besides this package itself (`pip install --no-deps multiview-mocap`). The
connection comes back by itself when the hub or fusion was away. `python -m multiview.client [ADDRESS] [--keys FOLDER]`
prints what comes.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zmq

from multiview.common.counted import counted
from multiview.common.package_data import package_file
from multiview.errors import ConfigError, MessageError
from multiview.wire.messages import MAX_BYTES, PosesMessage, decode

__all__ = ["Connection", "Person", "PoseFrame", "connect"]

DEFAULT_ADDRESS = "tcp://127.0.0.1:5556"
DEFAULT_KEY = "client"
_KEY_LENGTH = 40  # characters of Z85
_TOPIC = b"poses"


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
        contact: (J,) True while the joint, a point of a foot, stands on the floor.
        name: That of a known actor, or empty.
    """

    id: int
    joints: tuple[str, ...]
    xyz: npt.NDArray[np.float64]
    cov: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    views: npt.NDArray[np.int64]
    filled: npt.NDArray[np.bool_]
    contact: npt.NDArray[np.bool_]
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
        keys: Folder of keys, if the hub has any.
        key: Name of the key in it.

    Raises:
        ConfigError: A key is missing or is none.
    """

    def __init__(
        self, address: str, latest: bool, timeout_s: float | None, keys: str | Path = "", key: str = DEFAULT_KEY
    ) -> None:
        self._latest, self._timeout_s = latest, timeout_s
        curve = _curve(Path(keys), key) if keys else {}
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        options = {zmq.LINGER: 0, zmq.RCVHWM: 10_000, zmq.MAXMSGSIZE: MAX_BYTES, zmq.RECONNECT_IVL: 50}
        # TCP notices a hub that is gone. ZeroMQ's heartbeats would, too, but libzmq 4.3.5 aborts the process when one
        # is due on a connection that broke off while its queue was full: that of a program that stopped reading.
        options |= {zmq.RECONNECT_IVL_MAX: 1000, zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 1}
        for option, value in (options | {zmq.TCP_KEEPALIVE_INTVL: 1, zmq.TCP_KEEPALIVE_CNT: 3} | curve).items():
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


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    latest: bool = True,
    timeout_s: float | None = None,
    keys: str | Path = "",
    key: str = DEFAULT_KEY,
) -> Connection:
    """Frames as they come, from the hub's publish port, for ever. What is no message of ours is skipped.

    Args:
        address: "tcp://HOST:PORT".
        latest: Let a program that is slower than the studio skip frames instead of falling behind; else it gets every
            one.
        timeout_s: End the iteration when nothing has come for so long, s; None: never.
        keys: Folder of keys, if the hub has any: it holds `hub.pub` and the key's file.
        key: Name of the key; "client" is a listener's, which `multiview keys` makes.

    Returns:
        An iterator of frames that reconnects by itself.

    Raises:
        ConfigError: A key is missing or is none.
    """
    return Connection(address, latest, timeout_s, keys, key)


def _curve(folder: Path, name: str) -> dict[int, bytes]:
    """ZeroMQ's options for a connection with a key; ConfigError if there is none."""
    path = folder / f"{name}.key"
    try:
        own, hub = tomllib.loads(_read(path)), _read(folder / "hub.pub").strip()
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"{path}: not a key; make keys with: multiview keys") from None
    texts = {zmq.CURVE_PUBLICKEY: own.get("public"), zmq.CURVE_SECRETKEY: own.get("secret"), zmq.CURVE_SERVERKEY: hub}
    for text in texts.values():
        if not isinstance(text, str) or len(text) != _KEY_LENGTH or not text.isascii():
            where = folder / "hub.pub" if text is hub else path
            raise ConfigError(f"{where}: not a key; make keys with: multiview keys")
    return {option: str(text).encode() for option, text in texts.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: missing, or not a key; copy it from the hub's machine (multiview keys)") from None


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
    contacts = message.contacts or [[]] * len(message.people)
    rows = zip(message.people, names, table, contacts, strict=True)
    people = tuple(_person(number, name, joints, row, standing) for number, name, row, standing in rows)
    return PoseFrame(
        tick=message.tick,
        time_s=message.time_ns / 1e9,
        utc_ns=message.utc_ns,
        people=people,
        cameras=tuple(message.cameras),
        missing=tuple(message.missing),
        skeleton=message.skeleton,
    )


def _person(
    number: int, name: str, joints: tuple[str, ...], row: npt.NDArray[np.float64], standing: list[int]
) -> Person:
    known = np.isfinite(row).all(axis=1) & (row[:, 9] > 0)
    xyz = np.where(known[:, None], row[:, :3], np.nan)
    cov = np.where(known[:, None], row[:, 3:9], np.nan)[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    score = np.where(known, row[:, 9], 0.0)
    views = np.where(known, row[:, 10], 0.0).astype(np.int64)
    contact = known & np.isin(np.arange(len(joints)), standing)
    return Person(number, joints, xyz, cov, score, views, known & (row[:, 11] > 0.5), contact, name)


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
    parser = argparse.ArgumentParser(prog="python -m multiview.client", description=main.__doc__)
    parser.add_argument("address", nargs="?", default=DEFAULT_ADDRESS, help=f"default {DEFAULT_ADDRESS}")
    parser.add_argument("--keys", default="", help="folder of keys, if the hub has any")
    parser.add_argument("--key", default=DEFAULT_KEY, help="name of the key (default: a listener's)")
    args = parser.parse_args()
    address = args.address
    print(f"waiting for poses from {address} (Ctrl-C ends)", file=sys.stderr)
    try:
        for frame in connect(address, keys=args.keys, key=args.key):
            known = [(person, person.xyz[np.isfinite(person.xyz[:, 0])]) for person in frame.people]
            places = [f"{p.id}: " + " ".join(f"{v:+.2f}" for v in xyz.mean(axis=0)) for p, xyz in known if len(xyz)]
            people = counted(len(frame.people), "person", "people")
            print(f"tick {frame.tick}  {people}  " + "   ".join(places), flush=True)
    except KeyboardInterrupt:
        return 0
    except ConfigError as error:
        print(f"multiview: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
