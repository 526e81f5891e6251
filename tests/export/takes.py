"""Takes as recordings are, for readers of other makers: people leave, joints are filled or unknown, ticks are late."""

from __future__ import annotations

import numpy as np

from multiview.recordings.pose_table import Poses
from multiview.synthetic import StudioOptions, make_studio

FPS = 30.0
LIVE_TICK = 5_184_017_216  # a machine that has been up for 5.5 years: the number needs 33 bits
_LEFT = range(70, 85)  # frames in which person 5 is away


def recorded(live: bool = False, skeleton: str = "body25", seconds: float = 4.0) -> Poses:
    """Two people, 4 and 5, from frame 7 on; 5 comes later, leaves and returns; the last joint of 4 is lost for a while.

    A sigma that lies between 2 and 300 mm; `live`: ticks count from the machine's start.
    """
    options = StudioOptions(cameras=2, people=2, seconds=seconds, fps=FPS, seed=2, skeleton=skeleton)
    truth = make_studio(options).truth
    away = (truth.actor == 1) & ((truth.frame < 40) | np.isin(truth.frame, _LEFT))
    keep = (truth.frame >= 7) & ~away
    frame, person, xyz = truth.frame[keep], truth.actor[keep] + 4, truth.xyz[keep].copy()
    n, joints = xyz.shape[:2]
    xyz[(person == 4) & (frame >= 30) & (frame < 36), joints - 1] = np.nan
    xyz[(person == 5) & (frame >= 50) & (frame < 60), 7] = np.nan
    known = np.isfinite(xyz).all(axis=2)
    rng = np.random.default_rng(0)
    filled = known & (rng.random((n, joints)) < 0.05)
    variance = rng.uniform(0.002, 0.3, (n, joints)) ** 2
    tick = frame + (LIVE_TICK if live else 0)
    return Poses(
        frame=tick,
        time_ns=np.round(tick * (1e9 / FPS)).astype(np.int64),
        utc_ns=np.round(frame * (1e9 / FPS)).astype(np.int64) + (1_780_000_000 * 10**9 if live else 0),
        person=person,
        xyz=xyz,
        cov=np.where(known[..., None, None], np.eye(3) * variance[..., None, None], np.nan),
        score=known * 0.9,
        views=np.where(known & ~filled, rng.integers(2, 12, (n, joints)), 0),
        filled=filled,
        joints=tuple(truth.joints),
        skeleton=skeleton,
    )
