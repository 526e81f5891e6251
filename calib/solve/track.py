"""One camera's views of the board in the order of time: where the board was, and where its points were seen.

Letters in shapes: V views, T times, q points of the board, N corners on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.data import FrameNumbers, Times
from multiview.geometry.rigid import rotation_from_vector, vector_from_rotation

__all__ = ["LONGEST_GAP_S", "Track"]

LONGEST_GAP_S = 0.35  # between two views, within which the board is taken to have moved on the straight way


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One camera's views that show the board, in the order of time.

    Attributes:
        row: (V,) of the table of views.
        frame: (V,) number, which says no time.
        time: (V,) s, by the camera's stamps.
        R: (V, 3, 3) cam_from_board.
        t: (V, 3) cam_from_board, m.
        points: (q, 3) of the board, m: its middle and its corners.
        image: (V, q, 2) where the points are seen, normalised image coordinates.
    """

    row: Int64[np.ndarray, " V"]
    frame: FrameNumbers
    time: Times
    R: Float64[np.ndarray, "V 3 3"]
    t: Float64[np.ndarray, "V 3"]
    points: Float64[np.ndarray, "q 3"]
    image: Float64[np.ndarray, "V q 2"]

    @staticmethod
    def of(
        row: Int64[np.ndarray, " V"],
        frame: FrameNumbers,
        time: Times,
        R: Float64[np.ndarray, "V 3 3"],
        t: Float64[np.ndarray, "V 3"],
        board: Float64[np.ndarray, "N 3"],
    ) -> Track:
        """A track of views in any order; `board` are all points of the board, centred, m."""
        order = np.argsort(time, kind="stable")
        reach = np.abs(board).max(axis=0)
        points = np.array([[0, 0, 0], [-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]]) * reach
        x = points @ np.swapaxes(R[order], -1, -2) + t[order, None]
        image = x[..., :2] / np.maximum(x[..., 2:], 1e-3)
        return Track(row[order], FrameNumbers(frame[order]), Times(time[order]), R[order], t[order], points, image)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def roughness(self) -> float:
        """How far a view lies from the way between its neighbours, in the middle of all: noise, jitter, bends (rad)."""
        gap = np.diff(self.time)
        near = gap[1:] + gap[:-1] < 3.5 * self.step_s
        if not near.any():
            return 0.0
        share = (gap[:-1] / np.maximum(gap[1:] + gap[:-1], 1e-12))[:, None, None]
        between = self.image[:-2] + share * (self.image[2:] - self.image[:-2])
        return float(np.median(np.linalg.norm(self.image[1:-1] - between, axis=-1).mean(axis=1)[near]))

    @property
    def step_s(self) -> float:
        """The usual time between two views: the mean of those near the median, so that rounded stamps average out."""
        if len(self) < 2:
            return 1.0
        gap = np.diff(self.time)
        usual = float(np.median(gap))
        count = np.maximum(np.round(gap / usual), 1)
        near = count <= 4
        return float(gap[near].sum() / count[near].sum())

    def overlaps(self, other: Track) -> bool:
        """Whether the stamps of both share some time, or nearly."""
        return bool(self.time[0] <= other.time[-1] + 1.0 and other.time[0] <= self.time[-1] + 1.0)

    def at(
        self, time: Times
    ) -> tuple[Float64[np.ndarray, "T 3 3"], Float64[np.ndarray, "T 3"], Bool[np.ndarray, " T"]]:
        """The board at these times, between two views on the straight way, and where it is known."""
        before, share, known = self._between(time)
        share, after = np.clip(share, 0, 1)[:, None], before + 1
        turn = vector_from_rotation(self.R[after] @ np.swapaxes(self.R[before], -1, -2))
        t = self.t[before] + share * (self.t[after] - self.t[before])
        return rotation_from_vector(share * turn) @ self.R[before], t, known

    def image_at(
        self, time: Times
    ) -> tuple[Float64[np.ndarray, "T q 2"], Float64[np.ndarray, "T q 2"], Bool[np.ndarray, " T"]]:
        """Where the points were seen, how fast they moved (1/s), and where that is known."""
        before, share, known = self._between(time)
        way = self.image[before + 1] - self.image[before]
        gap = np.maximum(self.time[before + 1] - self.time[before], 1e-12)
        return self.image[before] + share[:, None, None] * way, way / gap[:, None, None], known

    def _between(
        self, time: Times
    ) -> tuple[Int64[np.ndarray, " T"], Float64[np.ndarray, " T"], Bool[np.ndarray, " T"]]:
        """The view before each time, the share of the way to the next one, and whether those two are near enough."""
        after = np.clip(np.searchsorted(self.time, time), 1, len(self) - 1)
        before = after - 1
        gap = self.time[after] - self.time[before]
        share = (time - self.time[before]) / np.maximum(gap, 1e-12)
        known = (share > -1e-6) & (share < 1 + 1e-6)
        known &= (gap < max(LONGEST_GAP_S, 1.5 * self.step_s)) | (np.abs(share) < 1e-6) | (np.abs(share - 1) < 1e-6)
        return before, share, known
