"""Mutated messages, half with a true CRC: at the decoder, and over real sockets at hub, fusion and recorder.

Every one is decoded or rejected, each is accounted for, and memory stays flat.

    python -m benchmarks fuzz --messages 1000000
    python -m benchmarks fuzz --socket --messages 100000
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np

from benchmarks.mutations import mutate
from benchmarks.peak_memory import forget_peak, peak_mb
from multiview.data import Keypoints2D
from multiview.errors import MessageError
from multiview.wire.messages import ClockSample, Heartbeat, KeypointsMessage, decode, encode
from multiview.wire.packing import pack_keypoints, unpack_keypoints


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--socket", action="store_true", help="over real sockets, at real processes")
    parser.add_argument("--rate", type=float, default=2500.0, help="with --socket: messages a second (default 2500)")


def run(args: argparse.Namespace) -> int:
    """Print what became of them."""
    if args.socket:
        from benchmarks.fuzz_socket import fuzz

        return fuzz(args.messages, args.rate, args.seed)
    rng, bodies = random.Random(args.seed), seeds()
    decoded = rejected = 0
    forget_peak()
    began, memory = time.perf_counter(), peak_mb()
    for _ in range(args.messages):
        try:
            message = decode(mutate(rng, rng.choice(bodies)))
        except MessageError:
            rejected += 1
            continue
        decoded += 1
        if isinstance(message, KeypointsMessage):
            unpack_keypoints(message)
    grown = peak_mb() - memory
    seconds = time.perf_counter() - began
    print(
        f"{args.messages} messages: {rejected} rejected, {decoded} decoded, {seconds:.0f} s, memory grew {grown:.1f} MB"
    )
    return 0 if decoded + rejected == args.messages else 1


def seeds() -> list[bytes]:
    keypoints = Keypoints2D(np.full((2, 17, 2), 100.0), np.ones((2, 17)), np.broadcast_to(np.eye(2), (2, 17, 2, 2)))
    header = {"camera": "cam01", "boot_id": 1, "frame": 1, "time_ns": 1, "skeleton": "coco17"}
    probe = ClockSample(camera="c", boot_id=1, sent_ns=1, hub_received_ns=2, hub_replied_ns=3, reply_received_ns=4)
    return [encode(m) for m in (pack_keypoints(keypoints, **header), probe, Heartbeat(boot_id=1, hub_ns=1, utc_ns=2))]
