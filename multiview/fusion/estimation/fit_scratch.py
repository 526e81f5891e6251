"""Scratch memory in which one person after the other is fitted to a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from multiview.fusion.estimation.limb_kernels import LimbScratch
from multiview.fusion.estimation.skeleton_kernels import BoneConstraints, NormalEquations
from multiview.fusion.state.elimination import Elimination
from multiview.fusion.state.limb_prior import LimbPrior


class FitScratch(NamedTuple):
    """What is worked out about one person's J joints, and written into their `State` afterwards.

    `xyz` m is the skeleton that fits this frame, `cov` m^2 its joints' covariance. `rays_xyz` and `rays_cov` are what a
    joint's rays say without its prediction. `innovation_sq` is the squared shift of a joint under its predicted
    covariance, `expected_innovation_sq` what that should be on average, 0 where there is none; the `pooled` ones are
    sums over a joint and its neighbours on the tree. `swings` are the joints of limbs that nobody sees.
    """

    xyz: Float64[np.ndarray, "J 3"]
    cov: Float64[np.ndarray, "J 6"]
    rays_xyz: Float64[np.ndarray, "J 3"]
    rays_cov: Float64[np.ndarray, "J 6"]
    bones: BoneConstraints
    equations: NormalEquations
    innovation_sq: Float64[np.ndarray, " J"]
    expected_innovation_sq: Float64[np.ndarray, " J"]
    pooled_sq: Float64[np.ndarray, " J"]
    pooled_expected_sq: Float64[np.ndarray, " J"]
    swings: Bool[np.ndarray, " J"]
    limbs: LimbScratch

    @staticmethod
    def empty(graph: Elimination, limbs: LimbPrior) -> FitScratch:
        """Memory with nothing in it yet."""
        J, E = len(graph.order), len(graph.bone)
        return FitScratch(
            xyz=np.zeros((J, 3)),
            cov=np.zeros((J, 6)),
            rays_xyz=np.zeros((J, 3)),
            rays_cov=np.zeros((J, 6)),
            bones=BoneConstraints.empty(J, E),
            equations=NormalEquations.empty(graph),
            innovation_sq=np.zeros(J),
            expected_innovation_sq=np.zeros(J),
            pooled_sq=np.zeros(J),
            pooled_expected_sq=np.zeros(J),
            swings=np.zeros(J, np.bool_),
            limbs=LimbScratch.empty(limbs),
        )
