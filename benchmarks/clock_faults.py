"""Board recordings whose frames and clocks are as recordings have them, with exact truth, and what no method can beat.

Letters in shapes: C cameras, F frames, V views (one camera in one frame), N corners on the board, P points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.board.board import Board
from calib.corners.corners import BoardViews, Corners
from calib.solve.timing import as_smooth_as_found
from calib.solve.uncertainty import triangulated
from calib.solve.unsteady_clocks import fixed_times, with_wander
from multiview.cameras.camera import Rig
from multiview.geometry.bundle import Bundle, BundleState, Lens
from multiview.geometry.rigid import alignment, transform
from multiview.geometry.trajectory import Knots
from multiview.synthetic.board import measure, ring, waved
from multiview.timing.clock_noise import STEADY, ClockNoise

__all__ = ["BOARD", "SMALL_BOARD", "ClockFaults", "Motion", "Recorded", "recorded"]

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
SMALL_BOARD = Board((7, 5), 0.045, 0.033, "DICT_4X4_100")
_KNOT_S = 1 / 30  # the spacing at which the bound describes the board's motion


@dataclass(frozen=True)
class ClockFaults:
    """What is wrong with frames and clocks; tuples are by camera, and shorter ones begin again.

    Attributes:
        fps: Hz.
        start: s, true time of the first frame.
        zero: s, what the camera's clock says then; None: the true time.
        ppm: By how many millionths the clock runs fast.
        variable: Whether the time between frames varies by 30 %.
        missing: Frames of 200 that are missing, evenly spread.
        lost: Share of frames that are lost at random.
        stopped: Last stamps that are 0, as AVI with B-frames has them.
        noise: How unsteady the clock is.
    """

    fps: tuple[float, ...] = (30.0,)
    start: tuple[float, ...] = (0.0,)
    zero: tuple[float | None, ...] = (0.0,)
    ppm: tuple[float, ...] = (0.0,)
    variable: tuple[bool, ...] = (False,)
    missing: tuple[int, ...] = (0,)
    lost: tuple[float, ...] = (0.0,)
    stopped: tuple[int, ...] = (0,)
    noise: tuple[ClockNoise, ...] = (STEADY,)


@dataclass(frozen=True)
class Motion:
    """How a board is waved; `pace` 1 is an arm's, and with `rests` it stands still every other second."""

    seed: int
    pace: float = 1.0
    rests: bool = False

    def at(self, time: Float64[np.ndarray, " F"]) -> tuple[Float64[np.ndarray, "F 3 3"], Float64[np.ndarray, "F 3"]]:
        """world_from_board at these times (s)."""
        if self.rests:  # a second of the motion takes two
            moving = np.clip(time % 2, 0, 1)
            time = time // 2 + moving - np.sin(2 * np.pi * moving) / (2 * np.pi)
        return waved(self.pace * time, np.random.default_rng(self.seed + 1000))


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recording, and the truth of it.

    Attributes:
        rig: True cameras.
        board: Which moved.
        corners: What was measured.
        time: One array (F,) per camera: true time of each frame, s.
        clock_offset: (C,) s, what is truly to be added to each camera's first stamp, less that of the first camera.
        motion: Of the board.
        sigma_px: Noise of the corners, per axis.
        late: One array (F,) per camera: what is truly to be added to each stamp beyond `clock_offset`, s.
        noise: How unsteady each clock is.
    """

    rig: Rig
    board: Board
    corners: Corners
    time: list[Float64[np.ndarray, " F"]]
    clock_offset: Float64[np.ndarray, " C"]
    motion: Motion
    sigma_px: float
    late: list[Float64[np.ndarray, " F"]]
    noise: tuple[ClockNoise, ...]

    def error_mm(self, state: BundleState, cameras: tuple[int, ...]) -> float:
        """RMS of points of the volume, triangulated by a rig from where the true one sees them, once aligned."""
        found, points = self._volume(state, cameras), _points()
        return float(1000 * np.sqrt(((found - points) ** 2).sum(axis=1).mean()))

    def bound_mm(self, knot_s: float = _KNOT_S) -> float:
        """The least RMS that `error_mm` can have on average (Cramer-Rao), with lenses, poses and clocks unknown.

        The board's motion is a cubic through a pose every `knot_s`, and as smooth as it is known to be, as in the
        solver; errors of unsteady clocks have the covariance that is true of them.
        """
        bundle, state = self._true_bundle(knot_s)
        covariance = bundle.linearised(state).shared_covariance()
        known = len(covariance) - len(bundle.unsteady)
        bundle, state, covariance = *fixed_times(bundle, state), covariance[:known, :known]
        cameras, still = tuple(range(len(self.rig))), np.zeros((len(state.target_R), 6))
        sigma = np.sqrt(np.diag(covariance))
        by_unknown = []
        for i, step in enumerate(1e-3 * sigma):
            shared = np.where(np.arange(len(sigma)) == i, step, 0.0)
            there, back = (bundle.moved(state, sign * shared, still) for sign in (1, -1))
            by_unknown.append((self._volume(there, cameras) - self._volume(back, cameras)).ravel() / (2 * step))
        J = np.array(by_unknown)
        return float(1000 * np.sqrt(np.einsum("ix,ij,jx->", J, covariance, J) / len(_points())))

    def _volume(self, state: BundleState, cameras: tuple[int, ...]) -> Float64[np.ndarray, "P 3"]:
        points = _points()
        pixels = [self.rig.cameras[c].project(points) for c in cameras]
        found = triangulated(state, pixels, np.ones((len(cameras), len(points)), dtype=bool))
        R, t = alignment(found, points)
        return np.asarray(found @ R.T + t)

    def _true_bundle(self, knot_s: float) -> tuple[Bundle, BundleState]:
        points = self.board.points
        middle, views = points.mean(axis=0), BoardViews.of(self.corners, len(points))
        cameras = self.rig.cameras
        time = np.concatenate([own[views.frame[views.camera == c]] for c, own in enumerate(self.time)])
        knots = np.arange(np.floor(time.min() / knot_s) - 2, np.ceil(time.max() / knot_s) + 3) * knot_s
        R, t = self.motion.at(knots)
        bundle = Bundle(
            points - middle,
            views.camera,
            np.searchsorted(knots, time, side="right") - 1,
            views.xy,
            (views.row >= 0) / self.sigma_px,
            tuple(np.ones(4 + len(camera.dist), dtype=bool) for camera in cameras),
            np.arange(len(cameras)) > 0,
            np.arange(len(cameras)) > 0,
            time=time,
            knots=Knots(knots, np.zeros(len(knots), dtype=np.int64)),
        )
        noises = {c: noise for c, noise in enumerate(self.noise) if noise != STEADY}
        lenses = tuple(Lens(np.array([c.K[0, 0], c.K[1, 1], *c.K[:2, 2]]), c.dist, c.model) for c in cameras)
        poses = np.stack([c.R for c in cameras]), np.stack([c.t for c in cameras])
        state = BundleState(lenses, *poses, np.zeros(len(cameras)), R, transform(R, t, middle))
        # Where the true times are, their errors are 0.
        return with_wander(as_smooth_as_found(bundle, state), state, noises)


def recorded(
    faults: ClockFaults,
    seed: int,
    cameras: int = 4,
    seconds: float = 12.0,
    radius: float = 4.0,
    board: Board = BOARD,
    pace: float = 1.0,
    rests: bool = False,
    sigma_px: float = 0.3,
    outliers: float = 0.0,
) -> Recorded:
    """A board waved before a ring of cameras, which record it as well as `faults` let them.

    Args:
        faults: Of frames and clocks.
        seed: Of cameras, motion and noise.
        cameras: How many.
        seconds: Until the cameras stop.
        radius: Of the ring, m.
        board: Which one.
        pace: Of the motion; 1 is an arm's.
        rests: Whether the board stands still every other second.
        sigma_px: Noise of the corners, per axis.
        outliers: Share of corners that are wrong.

    Returns:
        What they recorded.
    """
    rng = np.random.default_rng(seed)
    rig = ring(cameras, radius, rng=rng)
    times, stamps, late = [], [], []
    for c in range(cameras):
        fps, start, zero, ppm, variable, missing, lost, stopped = (
            of_all[c % len(of_all)]
            for of_all in (faults.fps, faults.start, faults.zero, faults.ppm, faults.variable, faults.missing,
                           faults.lost, faults.stopped)
        )  # fmt: skip
        count = int((seconds - start) * fps)
        between = rng.uniform(0.7, 1.3, count) if variable else np.ones(count)
        time = start + (np.cumsum(between) - between[0]) / fps
        kept = (np.arange(count) * missing % 200 >= missing) & (rng.uniform(size=count) >= lost)
        time = time[kept]
        stamp = (start if zero is None else zero) + (time - start) * (1 + 1e-6 * ppm)
        noise = faults.noise[c % len(faults.noise)]
        late.append(_errors(noise, time, np.random.default_rng([seed, c])))
        stamp = stamp - late[c]
        stamp[len(stamp) - stopped :] = 0.0
        times.append(time)
        stamps.append(stamp)
    motion = Motion(seed, pace, rests)
    poses = [motion.at(time) for time in times]
    m = measure(rig, board.points, poses, rng, sigma_px, outliers)
    stamp = np.concatenate([stamps[c][m.frame[m.camera == c]] for c in range(cameras)])
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, stamp, m.corner, m.xy)
    offset = np.array([time[0] - stamp[0] - own[0] for time, stamp, own in zip(times, stamps, late, strict=True)])
    noises = tuple(faults.noise[c % len(faults.noise)] for c in range(cameras))
    return Recorded(rig, board, corners, times, offset - offset[0], motion, sigma_px, late, noises)


def _errors(noise: ClockNoise, time: Float64[np.ndarray, " F"], rng: np.random.Generator) -> Float64[np.ndarray, " F"]:
    """Of the stamps of an unsteady clock, s."""
    steps = np.sqrt(np.diff(time, prepend=time[0])) * rng.normal(size=len(time))
    return noise.walk * np.cumsum(steps) + noise.jitter * rng.normal(size=len(time))


def _points() -> Float64[np.ndarray, "P 3"]:
    return np.random.default_rng(0).uniform([-0.8, -0.8, 0.5], [0.8, 0.8, 1.7], (200, 3))
