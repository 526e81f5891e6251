"""How fast videos are decoded and unpacked, beside OpenCV's own reader, in one run.

Both read every frame of every video as a BGR picture: one video after the other, with all cores, then all videos at
once, a thread for each, as `process` and `detect` read them. There they leave a core to the detector; OpenCV's reader
takes all cores for every video, and, as a third, as many decoding threads as ours. They take turns, and each counts at
its best repeat: what other programs take for a while does not count. CPU time is that of all threads of this process.

    python -m benchmarks video_decoding cam01.mp4 cam02.mp4 cam03.mp4 cam04.mp4
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from multiview.sources import open_source
from multiview.sources._video_reader import decoding_threads

Read = Callable[[str, int], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--repeats", type=int, default=5)


def run(args: argparse.Namespace) -> int:
    """Print the table; every repeat has both readers, in turn."""
    readers: dict[str, Read] = {"multiview": _ours, "OpenCV": _opencv, "OpenCV, same": _opencv_with_our_threads}
    manners = {"one by one": _one_by_one, "all at once": _at_once}
    print(
        f"{len(args.videos)} videos, ms per frame (best of {args.repeats})\n"
        f"{'':12} {'reader':12} {'wall':>7} {'CPU':>7}"
    )
    for manner, read_all in manners.items():
        figures = {name: np.full((args.repeats, 2), np.inf) for name in readers}
        for repeat in range(args.repeats):
            for name, read in readers.items():
                wall, cpu = time.perf_counter(), time.process_time()
                frames = read_all(read, args.videos)
                figures[name][repeat] = (time.perf_counter() - wall, time.process_time() - cpu)
                figures[name][repeat] *= 1e3 / frames
        best = {name: rows.min(axis=0) for name, rows in figures.items()}
        for name, (wall, cpu) in best.items():
            print(f"{manner:12} {name:12} {wall:7.2f} {cpu:7.2f}")
        for name, words in (("OpenCV", ""), ("OpenCV, same", ", with as many threads")):
            wall, cpu = best[name] / best["multiview"]
            print(f"{manner:12} speed of multiview / OpenCV{words}: {wall:.2f} by the clock, {cpu:.2f} in CPU time")
    return 0


def _one_by_one(read: Read, videos: list[str]) -> int:
    return sum(read(video, 0) for video in videos)


def _at_once(read: Read, videos: list[str]) -> int:
    with ThreadPoolExecutor(len(videos)) as pool:
        return sum(pool.map(lambda video: read(video, len(videos) - 1), videos))


def _ours(video: str, beside: int) -> int:
    source = open_source(video, beside=beside)
    count = 0
    while source.read() is not None:
        count += 1
    source.close()
    return count


def _opencv(video: str, beside: int) -> int:
    return _frames(cv2.VideoCapture(video))


def _opencv_with_our_threads(video: str, beside: int) -> int:
    options = [cv2.CAP_PROP_N_THREADS, decoding_threads(1 + beside)]
    return _frames(cv2.VideoCapture(video, cv2.CAP_FFMPEG, options))


def _frames(capture: cv2.VideoCapture) -> int:
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count
