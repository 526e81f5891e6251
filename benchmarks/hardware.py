"""What one camera costs a computer, and how many cameras its cores carry.

Rendered people are filmed, then each part of a camera's work is measured in CPU time (all threads of this process), so
that other work on the machine does not count: unpacking a picture (H.264), 2D detection with two people in it, packing
it again where the video is recorded; and fusion, whose one process all cameras share. The second table says how many
cameras run at 15, 30 and 60 Hz for each core that is left to them.

    python -m benchmarks hardware
    python -m benchmarks hardware --detectors light blazepose
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.timing import time_frames
from multiview.common.video_writer import VideoWriter
from multiview.data import VideoFrame
from multiview.detect import make_detector
from multiview.errors import ConfigError
from multiview.fusion.pipeline import Pipeline
from multiview.sources import open_source
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.filming import FPS, SIZE, film_people, film_studio

RATES = (15, 30, 60)
STUDIOS = ((4, 2), (8, 4), (16, 8))  # cameras, people


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--detectors", nargs="+", default=["light"], metavar="NAME", help="whose weights are here")
    parser.add_argument("--frames", type=int, default=40, help="pictures of each of two cameras (default 40)")


def run(args: argparse.Namespace) -> int:
    """Print both tables."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        _, film = film_studio(2, 2, args.frames / FPS, seed=1)
        videos = film_people(film, args.frames, Path(folder) / "videos")
        pictures = [frame for video in videos for frame in _read(video)]
        unpack = _cpu_ms(lambda: [_read(video) for video in videos], len(pictures))
        pack = _cpu_ms(lambda: _write(Path(folder) / "again.mp4", pictures), len(pictures))
    print(f"{SIZE[0]}x{SIZE[1]}, two people, CPU time\n{'part':44} {'ms':>7}")
    print(f"{'unpack a picture (H.264)':44} {unpack:7.1f}\n{'pack it again (recorded video)':44} {pack:7.1f}")
    for name in args.detectors:
        try:
            detect = _detect_ms(name, pictures)
        except ConfigError as error:
            print(f"{name}: {error}")
            continue
        print(f"{f'2D detection, {name}':44} {detect:7.1f}")
        for rate in RATES:
            cost = unpack + detect
            words = f"  cameras at {rate} Hz per core; with video"
            print(f"{words:44} {1e3 / rate / cost:7.1f} {1e3 / rate / (cost + pack):7.1f}")
    for cameras, people in STUDIOS:
        print(f"{f'fusion of one tick, {cameras} cameras, {people} people':44} {_fusion_ms(cameras, people):7.2f}")
    return 0


def _read(video: Path) -> list[VideoFrame]:
    source, frames = open_source(str(video)), []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def _write(path: Path, pictures: list[VideoFrame]) -> None:
    path.unlink(missing_ok=True)
    with VideoWriter(path, SIZE, FPS) as writer:
        for picture in pictures:
            writer.write(picture.image)


def _detect_ms(name: str, pictures: list[VideoFrame]) -> float:
    detector = make_detector(name, {})
    detector.detect(pictures[:1])  # the first run is slow
    return _cpu_ms(lambda: [detector.detect([picture]) for picture in pictures], len(pictures))


def _cpu_ms(work: Callable[[], object], count: int) -> float:
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began) / count


def _fusion_ms(cameras: int, people: int) -> float:
    studio = make_studio(StudioOptions(cameras=cameras, people=people, seconds=4.0, skeleton="coco17"))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    pipeline.warm_up()
    return float(np.median(time_frames(pipeline.step, [studio.views(frame) for frame in range(studio.frames)]).rest))
