"""Compiles all kernels of a studio and of offline fusion ahead of time, so that the first studio starts at once.

The compiled kernels stay on disk beside the program (or in NUMBA_CACHE_DIR); another version compiles its own. Set-up
runs this once. Without it, the first start takes some 40 s longer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiview.synthetic import Studio

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(args: argparse.Namespace) -> int:
    from multiview.common.console import plain_console
    from multiview.synthetic import StudioOptions, make_studio

    began, console = time.perf_counter(), plain_console(stderr=True)
    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=0.5))
    steps: dict[str, Callable[[Studio], object]] = {
        "fusion and smoothing": _fuse,
        "keypoint files": _keypoint_files,
        "BlazePose": _blazepose,
    }
    # numba compiles on one core; a second process takes the last stages, and each finds what the other has done.
    helper = multiprocessing.get_context("spawn").Process(target=_compile_last_stages)
    helper.start()
    with console.status("compiling") as status:
        for what, step in steps.items():
            status.update(f"compiling {what}")
            step(studio)
    helper.join()
    print(f"kernels compiled in {time.perf_counter() - began:.0f} s")
    return 0


def _compile_last_stages() -> None:
    from multiview.fusion.pipeline import Pipeline
    from multiview.synthetic import StudioOptions, make_studio

    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=0.1))
    Pipeline(studio.rig, studio.skeleton).compile_last_stages()
    _stream(studio)


def _fuse(studio: Studio) -> None:
    """Fusion, the smoother, and joint rotations of the result."""
    from multiview.body.kinematics import RotationSolver, humanoid
    from multiview.fusion.pipeline import Pipeline
    from multiview.fusion.smoother import Smoothed

    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton, contacts=True), lag=4)
    ticks = [tracks for frame in range(studio.frames) for tracks in smoothed.step(studio.views(frame))]
    joints, xyz = studio.skeleton.joints, ticks[-1].tracks[0].pose.xyz[None]
    RotationSolver(humanoid(joints, xyz), joints, 1.0 / studio.fps).solve(xyz)


def _stream(studio: Studio) -> None:
    """What the fusion process does with messages, every check of the cameras included."""
    from multiview.studio.config import Studio as Settings
    from multiview.studio.config import SyntheticSource
    from multiview.studio.stream_fusion import StreamFusion
    from multiview.wire.messages import KeypointsMessage, decode, encode
    from multiview.wire.packing import pack_keypoints, unpack_keypoints

    StreamFusion(Settings(skeleton=studio.options.skeleton, source=SyntheticSource()), studio.rig).warm_up()
    for keypoints in filter(None, studio.views(0).keypoints):
        message = pack_keypoints(keypoints, camera="cam01", boot_id=1, frame=0, time_ns=0, skeleton="coco17")
        received = decode(encode(message))
        assert isinstance(received, KeypointsMessage)
        unpack_keypoints(received)


def _keypoint_files(studio: Studio) -> None:
    """Reading of keypoint folders."""
    from multiview.recordings.keypoint_folder import read_keypoints, write_keypoints

    keypoints = next(filter(None, studio.views(0).keypoints))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0_keypoints.json"
        write_keypoints(keypoints, path)
        read_keypoints(path, studio.skeleton)


def _blazepose(studio: Studio) -> None:
    """Reading of BlazePose's heatmaps, float32 as its network gives them."""
    import numpy as np

    from multiview.keypoints.blazepose import decode_landmarks

    decode_landmarks(np.zeros((1, 195), np.float32), np.zeros((64, 64, 39), np.float32), 256)
