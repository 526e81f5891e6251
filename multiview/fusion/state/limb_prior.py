"""The learned body: where limbs are that nobody sees, given those that are seen.

A network with two hidden layers, trained by `learn/limb_prior.py` on synthetic people alone, gives the mean and the
deviation of elbows, wrists, knees and ankles in the torso's axes. Feet hang on their ankles.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.common.package_data import package_file

__all__ = ["FEET", "LimbPrior"]

SIDES = (("left", 1.0), ("right", -1.0))
LIMBS = (
    ("elbow", "shoulder", "shoulder"),
    ("wrist", "elbow", "shoulder"),
    ("knee", "hip", "hip"),
    ("ankle", "knee", "hip"),
)
TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
# How much limbs move about in the torso's axes, m^2, and how points of the left foot lie from the ankle: forwards, to
# the left and up, mean and standard deviation, m; of an adult, from the random postures that the network learns from.
VARIANCE_M2 = {"elbow": 0.052, "wrist": 0.141, "knee": 0.075, "ankle": 0.160}
FEET = {
    "heel": ((-0.046, -0.007, -0.046), (0.026, 0.015, 0.028)),
    "big_toe": ((0.151, 0.014, -0.063), (0.056, 0.037, 0.077)),
    "small_toe": ((0.117, 0.078, -0.056), (0.054, 0.030, 0.065)),
}


class LimbPrior(NamedTuple):
    """The learned body on a skeleton of J joints; without a whole `torso` nothing is known.

    `joints` are those that the network tells of, in its order, -1 where the skeleton lacks one, with `variance` m^2
    about the torso; `feet` those that hang on an ankle, at `foot_offset` m with the deviation `foot_spread` m. Joint j
    of a limb hangs on `near[j]`, or, where that is not seen, on `root[j]`; both are -1 for other joints. The layers of
    the network are `w1`, `b1` and so on: inputs are, for each of `joints` that is seen, 1 and its offset m from its
    root, outputs each one's mean m and the logarithm of its deviation, of an adult, in the torso's axes (forwards,
    left, up).
    """

    torso: Int64[np.ndarray, " T"]
    joints: Int64[np.ndarray, " L"]
    variance: Float64[np.ndarray, " L"]
    near: Int64[np.ndarray, " J"]
    root: Int64[np.ndarray, " J"]
    feet: Int64[np.ndarray, " F"]
    foot_offset: Float64[np.ndarray, "F 3"]
    foot_spread: Float64[np.ndarray, "F 3"]
    w1: Float64[np.ndarray, "4*L H"]
    b1: Float64[np.ndarray, " H"]
    w2: Float64[np.ndarray, "H H"]
    b2: Float64[np.ndarray, " H"]
    w3: Float64[np.ndarray, "H 6*L"]
    b3: Float64[np.ndarray, " 6*L"]

    @staticmethod
    def of(skeleton: Skeleton) -> LimbPrior:
        """What is known of a skeleton's limbs: nothing of animals."""
        names = {name: j for j, name in enumerate(skeleton.joints)}
        if skeleton.size_m is not None or not set(TORSO) <= set(names):
            names = {}
        near, root = np.full((2, len(skeleton.joints)), -1)
        joints, feet, offset, spread = [], [], [], []
        for joint, inner, base in LIMBS:
            for side, _ in SIDES:
                j = names.get(f"{side}_{joint}", -1)
                joints.append(j)
                if j >= 0:
                    root[j] = names[f"{side}_{base}"]
                    near[j] = names.get(f"{side}_{inner}", root[j])
        for side, sign in SIDES:
            for joint, (mean, deviation) in FEET.items():
                j, ankle = names.get(f"{side}_{joint}", -1), names.get(f"{side}_ankle", -1)
                if j >= 0 and ankle >= 0:
                    near[j], root[j] = ankle, root[ankle]
                    feet.append(j)
                    offset.append(np.array(mean) * (1.0, sign, 1.0))
                    spread.append(deviation)
        return LimbPrior(
            torso=np.array([names[joint] for joint in TORSO if names], dtype=np.int64),
            joints=np.array(joints),
            variance=np.repeat([VARIANCE_M2[joint] for joint, _, _ in LIMBS], 2),
            near=near,
            root=root,
            feet=np.array(feet, dtype=np.int64),
            foot_offset=np.array(offset, dtype=np.float64).reshape(-1, 3),
            foot_spread=np.array(spread, dtype=np.float64).reshape(-1, 3),
            **_layers(),
        )


@cache
def _layers() -> dict[str, np.ndarray]:
    with np.load(package_file("limb_prior.npz")) as arrays:
        return {name: np.ascontiguousarray(arrays[name], dtype=np.float64) for name in arrays.files}
