"""Between a skeleton's joints and those that the networks know."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.errors import ConfigError
from multiview.fusion.state.body_model import Body
from multiview.lifting.windows import JOINTS

__all__ = ["SkeletonJoints"]

_NEEDED = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_HANGING_SD_M = 0.1  # how much nearer or further a toe, finger or part of the face is than what it hangs on
_HANGING_ASIDE = 0.005  # of the distance: how far its keypoint is beside it


class SkeletonJoints(NamedTuple):
    """K joints of a skeleton.

    Attributes:
        of: (17,) index in the skeleton of each of `JOINTS`, -1 where it lacks one.
        middles: Of joints that are between two others: their index, and those two in `JOINTS`.
        hanging: Of all others: their index, and that of the nearest joint that is lifted, both in the skeleton.
        total: K.
    """

    of: Int64[np.ndarray, " 17"]
    middles: tuple[tuple[int, int, int], ...]
    hanging: tuple[tuple[int, int], ...]
    total: int

    @staticmethod
    def of_skeleton(skeleton: Skeleton) -> SkeletonJoints:
        """Those of a skeleton; ConfigError where it lacks shoulders or hips, or is an animal's."""
        place = {name: k for k, name in enumerate(skeleton.joints)}
        if skeleton.size_m is not None or not set(_NEEDED) <= set(place):
            raise ConfigError(
                f"skeleton {skeleton.name}: one camera lifts people, by their shoulders and hips; other skeletons "
                "take two cameras that see a point"
            )
        of = np.array([place.get(name, -1) for name in JOINTS])
        known = {int(k) for k in of if k >= 0}
        middles = tuple(
            (place[name], JOINTS.index(a), JOINTS.index(b)) for name, (a, b) in _MIDDLES.items() if name in place
        )
        known |= {k for k, _, _ in middles}
        parent = Body.of(skeleton).parent
        hanging = []
        for k in range(len(skeleton.joints)):
            on = k
            while on not in known and parent[on] >= 0:
                on = int(parent[on])
            if k not in known and on in known:
                hanging.append((k, on))
        return SkeletonJoints(of, middles, tuple(hanging), len(skeleton.joints))

    def lifted(self, values: np.ndarray, missing: float | bool) -> np.ndarray:
        """Rows of `JOINTS` out of rows (K, ...) of the skeleton."""
        taken: np.ndarray = values[self.of]
        taken[self.of < 0] = missing
        return taken

    def spread(
        self,
        xyz: Float64[np.ndarray, "N 17 3"],
        cov: Float64[np.ndarray, "N 17 3 3"],
        rays: Float64[np.ndarray, "N K 3"],
        seen: Bool[np.ndarray, "N K"],
        centre: Float64[np.ndarray, " 3"],
    ) -> tuple[Float64[np.ndarray, "N K 3"], Float64[np.ndarray, "N K 3 3"]]:
        """All joints of the skeleton: those in the middle of two, and those that hang on one, on their own rays.

        Args:
            xyz: (N, 17, 3) m, of `JOINTS`.
            cov: (N, 17, 3, 3) m^2.
            rays: (N, K, 3) unit vectors to each joint of the skeleton.
            seen: (N, K) whether there is such a ray.
            centre: (3,) m, of the camera.

        Returns:
            (N, K, 3) m and (N, K, 3, 3) m^2, NaN where nothing is known.
        """
        N = len(xyz)
        out, out_cov = np.full((N, self.total, 3), np.nan), np.full((N, self.total, 3, 3), np.nan)
        there = np.flatnonzero(self.of >= 0)
        out[:, self.of[there]], out_cov[:, self.of[there]] = xyz[:, there], cov[:, there]
        for k, a, b in self.middles:
            out[:, k], out_cov[:, k] = (xyz[:, a] + xyz[:, b]) / 2, (cov[:, a] + cov[:, b]) / 2
        for k, on in self.hanging:
            ray, away = np.where(seen[:, k, None], rays[:, k], np.nan), out[:, on] - centre
            distance = (away**2).sum(axis=-1) / np.maximum((away * ray).sum(axis=-1), 0.1)
            out[:, k] = centre + distance[:, None] * ray
            along = ray[:, :, None] * ray[:, None]
            aside = ((_HANGING_ASIDE * distance) ** 2)[:, None, None] * np.eye(3)
            out_cov[:, k] = out_cov[:, on] + _HANGING_SD_M**2 * along + aside
        return out, out_cov
