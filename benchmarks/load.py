"""Synthetic workers of all cameras in one cheap process: simulated people encoded once, played there and back.

    python -m benchmarks.load STUDIO --seconds 20      prints "ready", waits for a line, plays, says what it dropped
    python -m benchmarks.load STUDIO --echo            sends back every ping with the hub's stamp, computing nothing

All cameras fire at once. A frame's bytes differ from those made beforehand in frame number, time and CRC alone, which
are patched in place: what load costs is what the system under load pays, not the generator.
"""

from __future__ import annotations

import argparse
import contextlib
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from multiview.data import NS_PER_S, Keypoints2D
from multiview.studio.config import HubOptions, SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.studio.studio_file import load_studio
from multiview.synthetic import make_studio
from multiview.wire.messages import EndOfStream, ServiceHealth, encode
from multiview.wire.packing import pack_keypoints
from services.transport.bus import Sender, Subscriber

__all__ = ["PING", "PONG", "Patched", "fold", "playing"]

PING, PONG = "service_health/ping", "service_health/echo"
FIRST_FRAME = 1 << 20  # numbers that MessagePack writes in their longest form, whatever is put in their place
FIRST_NS = 10 * NS_PER_S
BOOT_ID = 1


class Patched:
    """One camera's message, of which frame number and time can be changed in place."""

    def __init__(self, camera: str, keypoints: Keypoints2D, skeleton: str) -> None:
        header = {"camera": camera, "boot_id": BOOT_ID, "frame": FIRST_FRAME, "time_ns": FIRST_NS, "clock": "epoch"}
        self._body = bytearray(encode(pack_keypoints(keypoints, skeleton=skeleton, **header)))
        self._frame = self._body.index(b"frame\xce") + 6
        self._time = self._body.index(b"time_ns\xcf") + 8

    def at(self, frame: int, time_ns: int) -> bytes:
        """The bytes for this frame (counted from FIRST_FRAME) at this time (counted from FIRST_NS)."""
        body = self._body
        struct.pack_into(">I", body, self._frame, FIRST_FRAME + frame)
        struct.pack_into(">Q", body, self._time, FIRST_NS + time_ns)
        struct.pack_into("<I", body, len(body) - 4, zlib.crc32(memoryview(body)[:-4]))
        return bytes(body)


def fold(frame: int, frames: int) -> int:
    """There and back again: 0 1 2 3 2 1 0 1 ..., so that nobody jumps."""
    place = frame % max(1, 2 * frames - 2)
    return min(place, 2 * frames - 2 - place) if frames > 1 else 0


def play(studio_path: Path, seconds: float) -> int:
    """All cameras, each over a connection of its own; how many messages could not leave."""
    studio = load_studio(studio_path, check=False)
    assert isinstance(studio.source, SyntheticSource)
    simulated = make_studio(synthetic_options(studio.source))
    names = simulated.rig.names
    nobody = Keypoints2D.nobody(len(simulated.skeleton.joints))
    frames = [
        [Patched(name, simulated.keypoints(c, frame) or nobody, studio.skeleton) for c, name in enumerate(names)]
        for frame in range(simulated.frames)
    ]
    senders = [Sender(studio.hub, name) for name in names]
    pinger, padding = Sender(studio.hub, "ping"), _padding(len(frames[0][0].at(0, 0)))
    topics = [f"keypoints/{name}" for name in names]
    print("ready", flush=True)
    sys.stdin.readline()
    began, dropped = time.monotonic() + 0.2, 0
    for frame in range(round(seconds * simulated.fps)):
        time_ns = round(frame * NS_PER_S / simulated.fps)
        bodies = [message.at(frame, time_ns) for message in frames[fold(frame, len(frames))]]
        time.sleep(max(0.0, began + frame / simulated.fps - time.monotonic()))
        for sender, topic, body in zip(senders, topics, bodies, strict=True):
            dropped += not sender.send(topic, body)
        pinger.send(PING, encode(ServiceHealth(service="ping", boot_id=BOOT_ID, texts=padding)))
    for sender, topic, name in zip(senders, topics, names, strict=True):
        dropped += not sender.send_within(topic, encode(EndOfStream(camera=name, boot_id=BOOT_ID)), 1.0)
        sender.close(linger_s=1.0)
    pinger.close()
    return dropped


def echo(hub: HubOptions) -> None:
    """Sends back what the hub stamped, until it is killed."""
    pings, sender = Subscriber(hub, [PING]), Sender(hub, "echo")
    while True:
        received = pings.receive(1.0)
        if received is not None:
            counts, padding = {"arrival_ns": received.stamp.arrival_ns}, _padding(len(received.body))
            sender.send(PONG, encode(ServiceHealth(service="echo", boot_id=BOOT_ID, counts=counts, texts=padding)))


def _padding(size: int) -> dict[str, str]:
    """Texts that make a ping as long as a camera's message."""
    return {str(number): "." * 500 for number in range(size // 500)}


@contextlib.contextmanager
def playing(studio: Path, seconds: float, ready: Callable[[], None]) -> Iterator[subprocess.Popen[bytes]]:
    """Load and echo beside a studio's processes: the player, which plays once those are `ready`."""
    command = [sys.executable, "-m", "benchmarks.load", str(studio)]
    echoes = subprocess.Popen([*command, "--echo"])
    player = subprocess.Popen([*command, "--seconds", str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert player.stdin is not None
    assert player.stdout is not None
    try:
        player.stdout.readline()
        ready()
        player.stdin.write(b"go\n")
        player.stdin.flush()
        yield player
    finally:
        for process in (echoes, player):
            process.kill()
            process.wait()
        player.stdin.close()
        player.stdout.close()


def main() -> int:
    """Play, or echo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studio", type=Path, help="the studio file, with a synthetic source")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--echo", action="store_true", help="be the echo instead")
    args = parser.parse_args()
    if args.echo:
        echo(load_studio(args.studio, check=False).hub)
    print(f"dropped {play(args.studio, args.seconds)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
