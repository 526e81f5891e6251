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

from multiview.data import Keypoints2D, VideoFrame
from multiview.detect.blazepose import Detector, Options
from multiview.models.card import load_card, model_file
from multiview.sources import open_source
from multiview.wire.messages import encode
from multiview.wire.packing import pack_keypoints

WORK_S = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", type=int, metavar="CORE", help="be one of the workers that are compared")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.worker is not None:
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
            detector._landmarks(tensor, len)
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
    published = published_network(tensor, repeats)
    print(f"network as published {published:.2f} ms, without the outputs that nobody reads {network:.2f} ms")
    print(f"bare network {network:.2f} ms; tracked, picture to message, {total:.2f} ms: x{total / network:.3f}")
    stages = {
        name: np.median(np.min([[f[name] for f in split] for split in rows], axis=0)) * 1e3 for name in rows[0][0]
    }
    print(f"beside the network {total - network:.2f} ms (crop {stages['crop']:.2f}, decode {stages['decode']:.2f})")


def published_network(tensor: np.ndarray, repeats: int) -> float:
    """Milliseconds of the whole landmark network, its mask included."""
    from ai_edge_litert.interpreter import Interpreter

    name, card = load_card("blazepose")
    interpreter = Interpreter(model_path=str(model_file(name, card.files[1])), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    times = []
    for _ in range(10 * repeats):
        start = time.thread_time()
        interpreter.invoke()
        times.append(time.thread_time() - start)
    return min(times) * 1e3


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
    command = [sys.executable, __file__, video, "--worker"]
    jobs = [
        subprocess.Popen([*command, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for core in range(count)
    ]
    for job in jobs:
        assert job.stdout is not None
        job.stdout.readline()  # loaded
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    return [float(job.communicate()[0]) for job in jobs]


def throughput(video: str, core: int) -> float:
    """Frames decoded, looked at and packed per second, in one process on one core.

    A lone worker's video decoder would else borrow the other core, and two could not be twice as fast.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    detector = Detector(Options(search_every=10**6, max_people=1))
    done, source = 0, open_source(video)
    begin = 0.0
    while not begin or time.perf_counter() - begin < WORK_S:
        frame = source.read()
        if frame is None:
            source.close()
            source = open_source(video)
            continue
        publish(detector.detect([frame])[0], frame)
        done += 1
        if not begin and done == 10:
            print("loaded", flush=True)
            sys.stdin.readline()
            begin, done = time.perf_counter(), 0
    return done / (time.perf_counter() - begin)


def publish(found: Keypoints2D, frame: VideoFrame) -> bytes:
    header = {"camera": "cam01", "boot_id": 1, "frame": frame.index, "time_ns": 0, "skeleton": "blazepose33"}
    return encode(pack_keypoints(found, **header))


if __name__ == "__main__":
    main()
