"""One camera's stretches on a common grid of instants, as normalised coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from calib.people import sample_kernels as kernels
from calib.people.tracklets import Tracklet
from multiview.cameras.camera import Camera

__all__ = ["GATE", "NOISE", "CameraSamples", "sample"]

NOISE = 0.011  # of a person's size in the picture: the deviation of a joint that a detector found
GATE = 2.5  # deviations


@dataclass(frozen=True, slots=True, eq=False)
class CameraSamples:
    """Stretches of one camera, one after the other: M instants of J joints.

    Attributes:
        step: s between instants; instant g is at g times this by the camera's stamps.
        xy: (M, J, 2) normalised coordinates, NaN where missing.
        slope: (M, J, 2) their change by the second.
        gate: (M,) the largest distance of a match, normalised.
        size: (M,) of the person in the picture, normalised.
        first: (n,) first instant of each stretch.
        row: (n + 1,) where each stretch begins in the arrays above.
    """

    step: float
    xy: Float64[np.ndarray, "M J 2"]
    slope: Float64[np.ndarray, "M J 2"]
    gate: Float64[np.ndarray, " M"]
    size: Float64[np.ndarray, " M"]
    first: Int64[np.ndarray, " n"]
    row: Int64[np.ndarray, " _"]

    def __len__(self) -> int:
        return len(self.first)

    def length(self, i: int) -> int:
        """Instants of a stretch."""
        return int(self.row[i + 1] - self.row[i])

    def last(self, i: int) -> int:
        """The last instant of a stretch."""
        return int(self.first[i]) + self.length(i) - 1

    def at(self, i: int, time: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T J 2"]:
        """A stretch at any times of the camera's stamps; NaN outside."""
        place = time / self.step - self.first[i]
        nearest = np.rint(place).astype(np.int64)
        inside = (nearest >= 0) & (nearest < self.length(i))
        row = self.row[i] + np.where(inside, nearest, 0)
        value = self.xy[row] + self.slope[row] * ((place - nearest) * self.step)[:, None, None]
        return np.where(inside[:, None, None], value, np.nan)


def sample(camera: Camera, tracklets: list[Tracklet], step: float, half: float) -> CameraSamples:
    """Bring a camera's stretches onto the grid.

    Args:
        camera: Its lens.
        tracklets: Of the camera.
        step: s between instants.
        half: s, half the window of the local quadratic.

    Returns:
        The samples.
    """
    focal = float((camera.K[0, 0] + camera.K[1, 1]) / 2)
    xy, slope, size, first, row = [], [], [], [], [0]
    joints = tracklets[0].xy.shape[1] if tracklets else 0
    for tracklet in tracklets:
        instants = np.arange(np.ceil(tracklet.time[0] / step), np.floor(tracklet.time[-1] / step) + 1)
        value, change = np.empty((len(instants), joints, 2)), np.empty((len(instants), joints, 2))
        ideal = np.ascontiguousarray(camera.undistort(tracklet.xy))
        kernels.local_quadratic(tracklet.time, ideal, instants * step, half, value, change)
        xy.append(value)
        slope.append(change)
        size.append(np.interp(instants * step, tracklet.time, tracklet.size) / focal)
        first.append(int(instants[0]) if len(instants) else 0)
        row.append(row[-1] + len(instants))
    sizes = np.concatenate([np.empty(0), *size])
    return CameraSamples(
        step,
        np.concatenate([np.empty((0, joints, 2)), *xy]),
        np.concatenate([np.empty((0, joints, 2)), *slope]),
        GATE * NOISE * sizes,
        sizes,
        np.array(first, dtype=np.int64),
        np.array(row, dtype=np.int64),
    )
