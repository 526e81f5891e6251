"""`multiview compile`: compile fusion's kernels ahead of time, so that the first studio starts at once.

They are cached on disk beside the program, once per version. Without this command, the first start compiles them.
"""

from __future__ import annotations

import argparse
import time

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(args: argparse.Namespace) -> int:
    from multiview.fusion.pipeline import Pipeline
    from multiview.selfcalib.time_offset import TimeOffsetEstimator
    from multiview.synthetic import StudioOptions, make_studio

    began = time.perf_counter()
    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=0.2))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    pipeline.warm_up()
    TimeOffsetEstimator(studio.rig, studio.fps).warm_up()
    for frame in range(studio.frames):
        pipeline.step(studio.views(frame))
    print(f"kernels ready after {time.perf_counter() - began:.0f} s")
    return 0
