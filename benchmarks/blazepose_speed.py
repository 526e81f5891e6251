"""What BlazePose costs beside its bare network, and how workers scale.

    python benchmarks/blazepose_speed.py VIDEO [--frames 60] [--repeats 5]

One thread. Tracked frames are those in which nobody is searched for. The bare network is the landmark network alone, on
an input that is there already. Both are measured in turn on every frame, and each frame counts at its best repeat.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import cv2
import numpy as np

from multiview.data import Frame, Keypoints2D
from multiview.detect.blazepose import Detector, Options
from multiview.messages import encode
from multiview.open_source import open_source
from multiview.packing import pack_keypoints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", type=float, metavar="SECONDS", help="only run so long; print frames/s")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.worker:
        print(throughput(args.video, args.worker))
        return
    alone(args.video, args.frames, args.repeats)
    scaling(args.video, args.repeats)


def alone(video: str, count: int, repeats: int) -> None:
    """The tracked frame against the bare network, and what each stage adds."""
    detector = Detector(Options(search_every=10**6, max_people=1))
    tensor = np.random.default_rng(0).uniform(size=(1, 256, 256, 3)).astype(np.float32)
    bare = np.full((repeats, count), np.inf)
    rows: list[list[dict[str, float]]] = []
    for repeat in range(repeats):
        source, split = open_source(video), []
        for i in range(count):
            start = time.thread_time()
            detector._landmarks(tensor)
            bare[repeat, i] = time.thread_time() - start
            frame = source.read()  # just decoded, as a worker gets it
            assert frame is not None
            if i == 0:
                detector.detect([frame])  # the last repeat's person stood elsewhere
            middle = time.thread_time()
            found = detector.detect([frame])[0]
            body = publish(found, frame)
            split.append({name: ns / 1e9 for name, ns in detector.stage_ns.items()})
            split[-1]["all"] = time.thread_time() - middle
            assert body
            assert found.people == 1
        source.close()
        rows.append(split)
    # The thread's own processor time, each frame at its best: what other programs on the machine take does not count.
    total = np.median(np.min([[frame["all"] for frame in split] for split in rows], axis=0)) * 1e3
    network = np.median(bare.min(axis=0)) * 1e3
    print(f"bare network {network:.2f} ms; tracked, picture to message, {total:.2f} ms: x{total / network:.3f}")
    stages = {
        name: np.median(np.min([[f[name] for f in split] for split in rows], axis=0)) * 1e3 for name in rows[0][0]
    }
    print(f"beside the network {total - network:.2f} ms (crop {stages['crop']:.2f}, decode {stages['decode']:.2f})")


def scaling(video: str, repeats: int) -> None:
    """Frames per second of one process, and of two at once."""
    one, two = [], []
    for _ in range(repeats):
        one.append(sum(run_workers(video, 1)))
        two.append(sum(run_workers(video, 2)))
    best = max(t / o for o, t in zip(one, two, strict=True))
    print(f"one worker {max(one):.0f} frames/s, two {max(two):.0f}: x{max(two) / max(one):.2f} (best pair x{best:.2f})")
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")


def run_workers(video: str, count: int) -> list[float]:
    command = [sys.executable, __file__, video, "--worker", "4"]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(count)]
    return [float(job.communicate()[0]) for job in jobs]


def throughput(video: str, seconds: float) -> float:
    """Frames decoded, looked at and packed per second, in one process."""
    detector = Detector(Options(search_every=10**6, max_people=1))
    done, begin, source = 0, 0.0, open_source(video)
    while not begin or time.perf_counter() - begin < seconds:
        frame = source.read()
        if frame is None:
            source.close()
            source = open_source(video)
            continue
        publish(detector.detect([frame])[0], frame)
        done += 1
        if not begin and done == 10:  # warm
            begin, done = time.perf_counter(), 0
    return done / (time.perf_counter() - begin)


def publish(found: Keypoints2D, frame: Frame) -> bytes:
    header = {"camera": "cam01", "boot_id": 1, "frame": frame.index, "time_ns": 0, "skeleton": "blazepose33"}
    return encode(pack_keypoints(found, **header))


if __name__ == "__main__":
    main()
