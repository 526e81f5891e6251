"""`multiview compile`: compile fusion's kernels now, so that the first studio starts at once.

They are kept on disk beside the program; a new version compiles its own. Without this, the first start waits for them.
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
