"""What an attacker does to a hub with a key that may only listen, each kind in a thread of its own.

    python -m benchmarks.attackers STUDIO --seconds 60          prints how often each was done

Only hubs on the loopback are attacked. An attacker elsewhere would take no processor of the studio's machine: so this
one takes what is left over (SCHED_IDLE, where the system has it), unless told to take a share. What it sent is counted,
so that runs can be compared. libzmq aborts now and then in a process that treats its own connections as these
do: the attacker is then started again, and what it had said it did is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import zmq

from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.studio.config import HubOptions
from multiview.studio.studio_file import load_studio
from multiview.wire.messages import CameraHealth, IdentityLabel, PosesMessage, ServiceHealth, encode
from multiview.wire.packing import pack_keypoints
from services.transport.bus import is_loopback
from services.transport.keyring import ANYONE, load_hub_public, load_key

__all__ = ["ATTACKS", "Attacker"]

ESCAPES = "\x1b[2J\x1b]0;owned\x07"


class Attacker:
    """Attacks one hub with one key until told to end; `done` counts what was sent."""

    def __init__(self, hub: HubOptions, key: str = ANYONE) -> None:
        """ConfigError for a hub that is not on the loopback."""
        if not is_loopback(hub.host):
            raise ConfigError(f"{hub.host} is not on the loopback: only a hub on this machine is attacked")
        self.hub, self._key = hub, key
        self._context = zmq.Context()
        self.ending = threading.Event()
        self.done: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    def begin(self, names: list[str] | None = None) -> None:
        """Every attack, or those of these names, each in its thread."""
        for name in names or list(ATTACKS):
            thread = threading.Thread(target=self._repeat, args=(name, ATTACKS[name]), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        self.ending.set()
        for thread in self._threads:
            thread.join(10.0)
        self._context.destroy(linger=0)

    def socket(self, kind: int, port: int) -> zmq.Socket[bytes]:
        """A connection with the key, where the hub has keys."""
        made: zmq.Socket[bytes] = self._context.socket(kind)
        made.linger, made.sndhwm, made.sndtimeo = 0, 100, 50
        if self.hub.keys:
            key = load_key(self.hub.keys, self._key)
            made.curve_publickey, made.curve_secretkey = key.public.encode(), key.secret.encode()
            made.curve_serverkey = load_hub_public(self.hub.keys).encode()
        made.connect(f"tcp://{self.hub.host}:{port}")
        return made

    def send(self, name: str, made: zmq.Socket[bytes], parts: list[bytes]) -> bool:
        try:
            made.send_multipart(parts)
        except zmq.ZMQError:
            return False
        self.done[name] += 1
        return True

    def _repeat(self, name: str, attack: Callable[[Attacker, str, random.Random], None]) -> None:
        rng = random.Random(name)
        while not self.ending.is_set():
            with contextlib.suppress(OSError, zmq.ZMQError):
                attack(self, name, rng)
            self.ending.wait(0.05)


def ask_and_break_off(by: Attacker, name: str, rng: random.Random) -> None:
    """Thirty connections that ask fast, read nothing, and are closed in the middle of it."""
    asked = msgspec.msgpack.encode({"request": "status"})
    sockets = [by.socket(zmq.DEALER, by.hub.request_port) for _ in range(30)]
    for _ in range(40):
        for made in sockets:
            with contextlib.suppress(zmq.Again):
                made.send(asked, zmq.NOBLOCK)
                by.done[name] += 1
        time.sleep(0.002)
    for made in sockets:
        made.close()
    by.ending.wait(0.2)


def ask_nonsense(by: Attacker, name: str, rng: random.Random) -> None:
    """Times beyond all bounds, false roles, roles of 200 KB, and requests that are none."""
    made = by.socket(zmq.DEALER, by.hub.request_port)
    requests: list[object] = [{"request": "start", "delay_ns": delay} for delay in (2**64 - 1, 10**15, -1)]
    requests += [{"request": "ready", "role": "camera/cam01", "start_ns": start} for start in (2**63, 1, -(2**63))]
    requests += [{"request": "ready", "role": f"camera/{letter * 200_000}"} for letter in "abc"]
    requests += [{"request": "ready", "role": f"service/false-{rng.random()}"} for _ in range(100)]
    requests += [{"request": ESCAPES + str(rng.random())}, [[[]]], None]
    for one in requests:
        by.send(name, made, [msgspec.msgpack.encode(one)])
        time.sleep(0.005)
    by.send(name, made, [rng.randbytes(1000)])
    by.send(name, made, [b"\x91" * 100_000])
    time.sleep(0.1)
    made.close()


def speak_for_others(by: Attacker, name: str, rng: random.Random) -> None:
    """People are given names, poses and health sent, cameras invented."""
    made = by.socket(zmq.DEALER, by.hub.ingest_port)
    keypoints = Keypoints2D(np.zeros((1, 17, 2)), np.ones((1, 17)))
    invented, header = f"evil-{rng.randrange(10**9)}", {"boot_id": 1, "frame": 1, "time_ns": 1, "skeleton": "coco17"}
    messages = [
        ("identity_label", IdentityLabel(person=1, name="mallory")),
        ("poses", PosesMessage(tick=1, time_ns=1, cameras=[], missing=[], skeleton="a", joints=1, people=[], blob=b"")),
        ("camera_health/cam01", CameraHealth(camera="cam02", boot_id=1, note=ESCAPES)),
        ("service_health/fusion", ServiceHealth(service="fusion", boot_id=1, texts={ESCAPES: ESCAPES})),
        ("keypoints/cam01", pack_keypoints(keypoints, camera="cam01", **header)),
        (f"keypoints/{invented}", pack_keypoints(keypoints, camera=invented, **header)),
    ]
    for _ in range(20):
        for topic, message in messages:
            by.send(name, made, [topic.encode(), encode(message)])
    for _ in range(20):
        by.send(name, made, [rng.randbytes(20), rng.randbytes(1000)])
    time.sleep(0.1)
    made.close()


def send_many_parts(by: Attacker, name: str, rng: random.Random) -> None:
    """One message of 400 parts of 250 KB, at each port."""
    part = bytes(250_000)
    for kind, port in (
        (zmq.DEALER, by.hub.request_port),
        (zmq.DEALER, by.hub.ingest_port),
        (zmq.XSUB, by.hub.publish_port),
    ):
        made = by.socket(kind, port)
        for more in (*[zmq.SNDMORE] * 400, 0):
            made.send(part, more)
            by.done[name] += 1
        by.ending.wait(1.0)
        made.close()


def connect_and_be_silent(by: Attacker, name: str, rng: random.Random) -> None:
    """A thousand TCP connections that say nothing."""
    with contextlib.ExitStack() as opened:
        for number in range(1000):
            if by.ending.is_set():
                return
            port = (by.hub.ingest_port, by.hub.publish_port, by.hub.request_port)[number % 3]
            with contextlib.suppress(OSError):
                opened.enter_context(socket.create_connection((by.hub.host, port), timeout=1.0))
                by.done[name] += 1
            time.sleep(0.001)
        by.ending.wait(1.0)


def subscribe_without_end(by: Attacker, name: str, rng: random.Random) -> None:
    """A subscriber to a million topics."""
    made = by.socket(zmq.XSUB, by.hub.publish_port)
    for number in range(20_000):
        if not by.send(name, made, [b"\1" + str(number).encode() * 20]) or by.ending.is_set():
            break
        if number % 50 == 0:
            time.sleep(0.01)
    made.close()


def subscribe_at_once(by: Attacker, name: str, rng: random.Random) -> None:
    """Forty subscribers to 500 long topics each, as fast as they can, of which no two begin alike."""
    sockets = [by.socket(zmq.XSUB, by.hub.publish_port) for _ in range(40)]
    for made in sockets:
        made.sndhwm = 1000
        for _ in range(500):
            with contextlib.suppress(zmq.Again):
                made.send(b"\1" + rng.randbytes(240), zmq.NOBLOCK)
                by.done[name] += 1
    by.ending.wait(1.0)
    for made in sockets:
        made.close()


def listen_and_read_nothing(by: Attacker, name: str, rng: random.Random) -> None:
    """Forty subscribers to everything, none of which ever reads."""
    sockets = [by.socket(zmq.SUB, by.hub.publish_port) for _ in range(40)]
    for made in sockets:
        made.rcvhwm = 1
        made.subscribe(b"")
        by.done[name] += 1
    by.ending.wait(5.0)
    for made in sockets:
        made.close()


def send_many_small_parts(by: Attacker, name: str, rng: random.Random) -> None:
    """One message of 20,000 parts of hardly any content, at the ports where one may ask and subscribe."""
    for kind, port in ((zmq.DEALER, by.hub.request_port), (zmq.XSUB, by.hub.publish_port)):
        made = by.socket(kind, port)
        made.send_multipart([b"x"] * 20_000)
        by.done[name] += 20_000
        by.ending.wait(0.5)
        made.close()


def greet_at_length(by: Attacker, name: str, rng: random.Random) -> None:
    """A hundred connections at each port that never say who they are, in 250 KB."""
    mechanism = b"CURVE" if by.hub.keys else b"NULL"
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.ljust(20, b"\0") + bytes(32)
    command = b"\x06" + struct.pack(">Q", 250_000) + bytes(249_000)
    for port in (by.hub.ingest_port, by.hub.publish_port, by.hub.request_port):
        with contextlib.ExitStack() as opened:
            for _ in range(100):
                if by.ending.is_set():
                    return
                with contextlib.suppress(OSError):
                    raw = opened.enter_context(socket.create_connection((by.hub.host, port), timeout=1.0))
                    raw.setblocking(False)
                    raw.send(greeting + command)
                    by.done[name] += 1
            by.ending.wait(0.5)


def greet_with_garbage(by: Attacker, name: str, rng: random.Random) -> None:
    """Bytes that are no greeting, or only the beginning of one."""
    for port in (by.hub.ingest_port, by.hub.publish_port, by.hub.request_port):
        greeting = bytes.fromhex("ff00000000000000017f03014e554c4c") + bytes(48)
        for data in (rng.randbytes(200), greeting, greeting[:30], b"GET / HTTP/1.1\r\n\r\n"):
            with contextlib.suppress(OSError), socket.create_connection((by.hub.host, port), timeout=1.0) as raw:
                raw.sendall(data)
                by.done[name] += 1
                time.sleep(0.01)


ATTACKS: dict[str, Callable[[Attacker, str, random.Random], None]] = {
    "ask and break off": ask_and_break_off,
    "ask nonsense": ask_nonsense,
    "speak for others": speak_for_others,
    "send many parts": send_many_parts,
    "connect and be silent": connect_and_be_silent,
    "subscribe without end": subscribe_without_end,
    "subscribe at once": subscribe_at_once,
    "listen and read nothing": listen_and_read_nothing,
    "send many small parts": send_many_small_parts,
    "greet with garbage": greet_with_garbage,
    "greet at length": greet_at_length,
}


def main() -> int:
    """Attack, and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--key", default=ANYONE, help="name of the key (default: a listener's)")
    parser.add_argument("--share", action="store_true", help="take a share of the processor (nice 10)")
    parser.add_argument("--once", action="store_true", help="not started again when it aborts; counts as JSON lines")
    args = parser.parse_args()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    if args.once:
        _attack(args, ending)
        return 0
    done, aborted, end_s = Counter[str](), 0, time.monotonic() + args.seconds
    while not ending.is_set() and (left_s := end_s - time.monotonic()) > 0:
        counts, died = _attacked_once([*sys.argv[1:], "--once", "--seconds", str(left_s)], ending)
        done += counts
        aborted += died
    for name in ATTACKS:
        print(f"{done[name]:9} {name}", flush=True)
    print(f"{done.total():9} in all, {done.total() / args.seconds:.0f} a second", flush=True)
    print(f"{aborted:9} times an attacker's own ZeroMQ aborted, and it was started again", flush=True)
    return 0


def _attack(args: argparse.Namespace, ending: threading.Event) -> None:
    """Say every second what has been done so far."""
    if args.share or not hasattr(os, "SCHED_IDLE"):
        os.nice(10)
    else:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    attacker, end_s = Attacker(load_studio(args.studio, check=False).hub, args.key), time.monotonic() + args.seconds
    attacker.begin()
    while not ending.wait(1.0) and time.monotonic() < end_s:
        print(json.dumps(dict(attacker.done)), flush=True)
    attacker.end()
    print(json.dumps(dict(attacker.done)), flush=True)


def _attacked_once(arguments: list[str], ending: threading.Event) -> tuple[Counter[str], bool]:
    """What one process did, and whether it aborted."""
    command = [sys.executable, "-m", "benchmarks.attackers", *arguments]
    last = "{}"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        threading.Thread(target=lambda: (ending.wait(), process.terminate()), daemon=True).start()
        for line in process.stdout:
            last = line if line.endswith("}\n") else last
    return Counter(json.loads(last)), process.returncode < 0


if __name__ == "__main__":
    sys.exit(main())
