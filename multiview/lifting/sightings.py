"""One person in the pictures of one camera, frame by frame, and the windows about instants that networks take."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from multiview.lifting.windows import BEFORE, FRAMES, STEP_S

__all__ = ["LONGEST_GAP_S", "Sightings"]

LONGEST_GAP_S = 0.15  # over which keypoints are interpolated
_NEAR_S = 0.1 * STEP_S  # as near to a frame an instant is that frame's


class Sightings:
    """Rays to the joints of a person; times ascend."""

    def __init__(self) -> None:
        self.time_s: list[float] = []
        self._rays: list[Float64[np.ndarray, "J 3"]] = []
        self._seen: list[Bool[np.ndarray, " J"]] = []

    def add(self, time_s: float, rays: Float64[np.ndarray, "J 3"], seen: Bool[np.ndarray, " J"]) -> None:
        """One frame more.

        Args:
            time_s: When.
            rays: (J, 3) directions, world, z up; anything where unseen.
            seen: (J,) which of the joints there are.
        """
        self.time_s.append(time_s)
        self._rays.append(rays)
        self._seen.append(seen)

    def drop_before(self, time_s: float) -> None:
        """Drop frames that no window will reach any more."""
        kept = next((n for n, t in enumerate(self.time_s) if t >= time_s), len(self.time_s))
        del self.time_s[:kept], self._rays[:kept], self._seen[:kept]

    def about(
        self, at_s: Float64[np.ndarray, " N"]
    ) -> tuple[Float64[np.ndarray, "N T J 3"], Bool[np.ndarray, "N T J"]]:
        """What is known around instants, each of which has a frame.

        Args:
            at_s: (N,) s.

        Returns:
            Rays (N, T, J, 3), zero where there are none, and which there are (N, T, J).
        """
        time_s = np.array(self.time_s)
        wanted = at_s[:, None] + STEP_S * (np.arange(FRAMES) - BEFORE)
        after = np.searchsorted(time_s, wanted - 1e-6).clip(0, len(time_s) - 1)
        before = np.maximum(after - 1, 0)
        since, until = wanted - time_s[before], time_s[after] - wanted
        at_before, at_after = np.abs(since) <= _NEAR_S, np.abs(until) <= _NEAR_S
        between = (since >= 0) & (until >= 0) & (since + until <= LONGEST_GAP_S)
        weight = np.where(at_after, 1.0, np.where(at_before, 0.0, since / np.maximum(since + until, 1e-9)))
        rays, seen = np.array(self._rays), np.array(self._seen)
        known = (seen[before] | (weight == 1.0)[..., None]) & (seen[after] | (weight == 0.0)[..., None])
        known &= (at_before | at_after | between)[..., None]
        weight = weight[..., None, None]
        mixed = (1.0 - weight) * rays[before] + weight * rays[after]
        return np.where(known[..., None], mixed, 0.0), known

    def __len__(self) -> int:
        return len(self.time_s)
