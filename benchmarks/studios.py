"""The synthetic studios that are measured on: the same people and cameras for every study, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from multiview.synthetic import Studio, StudioOptions
from multiview.synthetic.recorded_motion import read_motion
from multiview.synthetic.studio import make_motion_studio

__all__ = ["MOTIONS", "NOISES", "STUDIOS", "motion_studios", "studio_options"]

MOTIONS = Path(__file__).parents[2] / "shared" / "data" / "motions"
LEAST_MOTION_S = 2.5  # so long a motion is played at least, if it loops

_LEAVING = StudioOptions(leaving=2)

STUDIOS: dict[str, StudioOptions] = {
    "5x4": _LEAVING,
    "8x8": msgspec.structs.replace(_LEAVING, cameras=8, people=8),
    "close": msgspec.structs.replace(_LEAVING, passing_m=0.2),
    "crowd": StudioOptions(cameras=8, people=20, area_m=6.0),
    "many-cameras": StudioOptions(cameras=16, people=10),
    "two-cameras": StudioOptions(cameras=2, people=2),
    "row": msgspec.structs.replace(_LEAVING, layout="row"),
    "ring-2m": msgspec.structs.replace(_LEAVING, radius_m=2.0, area_m=2.0),
    "ring-20m": msgspec.structs.replace(_LEAVING, radius_m=20.0, area_m=4.1),
    "whole-body": StudioOptions(cameras=8, people=4, skeleton="coco133"),
}
"""Cameras x people, 30 frames per second, 20 s; `close` passes at 0.2 m."""

NOISES = {"white": 0.0, "correlated": 0.85}
"""Correlation of the pixel noise from one frame to the next."""


def studio_options(name: str, noise: str, seed: int, seconds: float = 20.0) -> StudioOptions:
    """One study's options."""
    return msgspec.structs.replace(STUDIOS[name], correlation=NOISES[noise], seed=seed, seconds=seconds)


def motion_studios(folder: Path, options: StudioOptions) -> Iterator[Callable[[], Studio]]:
    """What makes a studio of each recorded motion in a folder; nothing where there is no such folder."""
    for n, path in enumerate(sorted(path for path in folder.glob("*") if path.suffix in (".txt", ".bvh"))):
        motion = read_motion(path)
        seconds = max(LEAST_MOTION_S, motion.seconds) if motion.loops else motion.seconds
        yield partial(make_motion_studio, msgspec.structs.replace(options, seconds=seconds, seed=n), motion)
