"""Times of one frame after another, in one thread; what is read or simulated is ready before the clock runs.

The clock is the thread's own CPU time, so that other work on the machine does not count.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.data import Tracks, Views

__all__ = ["Timing", "best_of", "time_frames"]


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Milliseconds per frame; the first stands apart."""

    first: float
    rest: Float64[np.ndarray, " N"]

    @property
    def median(self) -> float:
        return float(np.median(self.rest))

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.rest, share))


def time_frames(step: Callable[[Views], Tracks], views: Sequence[Views]) -> Timing:
    """Every frame once, in order."""
    ms = np.empty(len(views))
    gc.collect()
    for i, frame in enumerate(views):
        start = time.thread_time_ns()
        step(frame)
        ms[i] = (time.thread_time_ns() - start) / 1e6
    return Timing(float(ms[0]), ms[1:])


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Milliseconds of the fastest of several runs: what is slower is other people's work."""
    times = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        work()
        times.append(time.thread_time_ns() - start)
    return min(times) / 1e6
