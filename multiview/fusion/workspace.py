"""The arrays that fusion works on: scratch memory for one frame, used again in the next, beside what it remembers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.fusion.association import assignment_kernels, initiation_kernels, repair_kernels
from multiview.fusion.estimation import joint_kernels
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.measurement_noise import NoiseTables, ResidualStatistics
from multiview.fusion.state.track_state import State
from multiview.geometry.point_batch_kernels import padded
from multiview.geometry.triangulate_kernels import RayBundle

__all__ = ["FusionArrays", "Workspace"]


class Workspace(NamedTuple):
    """Scratch memory for P people and D detections; W is J, padded. Only the first rows of each array have a meaning.

    `slots[n]` is person n's place in the state, `claims[n, c]` their detection in camera c or -1; `expected`, `near`
    and `chi2` as in `assignment_kernels`, which work in `claiming`; `free` are the detections that nobody claims.
    `table[n, c, j]` is the row (detection * J + joint) of the ray on which joint j rests, or -1; `repair_kernels` work
    in `mending`. `xyz`, `H` and `used` are as in `joint_kernels`, which work in `triangulation`; newborns' hypotheses
    are in `initiation`. `fit` is where one person after the other is fitted, `statistics` what their rays say of the
    noise. `support[n]` views measure person n, `due[n]` should.
    """

    rays: Rays
    free: Int64[np.ndarray, " D"]
    slots: Int64[np.ndarray, " P"]
    claims: Int64[np.ndarray, "P C"]
    claiming: assignment_kernels.Room
    expected: Float64[np.ndarray, "P C 5 W"]
    near: Bool[np.ndarray, "P D"]
    chi2: Float64[np.ndarray, "P D W"]
    table: Int64[np.ndarray, "P C J"]
    mending: repair_kernels.Room
    xyz: Float64[np.ndarray, "P J 3"]
    H: Float64[np.ndarray, "P J 6"]
    used: Int64[np.ndarray, "P J"]
    triangulation: joint_kernels.Scratch
    initiation: initiation_kernels.Scratch
    support: Int64[np.ndarray, " P"]
    due: Int64[np.ndarray, " P"]
    fit: FitScratch
    statistics: ResidualStatistics

    @staticmethod
    def empty(people: int, detections: int, cameras: int, body: Body) -> Workspace:
        """Memory with nothing in it yet."""
        P, D, C, J = people, detections, cameras, len(body.parent)
        return Workspace(
            rays=Rays.empty(D, C, J),
            free=np.empty(D, np.int64),
            slots=np.empty(P, np.int64),
            claims=np.empty((P, C), np.int64),
            claiming=assignment_kernels.Room.empty(P, D, C, J),
            expected=np.empty((P, C, 5, padded(J))),
            near=np.empty((P, D), np.bool_),
            chi2=np.full((P, D, padded(J)), np.nan),
            table=np.empty((P, C, J), np.int64),
            mending=repair_kernels.Room.empty(P, C, J),
            xyz=np.empty((P, J, 3)),
            H=np.empty((P, J, 6)),
            used=np.empty((P, J), np.int64),
            triangulation=joint_kernels.Scratch.empty(P, C, J),
            initiation=initiation_kernels.Scratch.empty(C, body),
            support=np.empty(P, np.int64),
            due=np.empty(P, np.int64),
            fit=FitScratch.empty(body.graph),
            statistics=ResidualStatistics.empty(J),
        )

    def with_room(self, people: int, detections: int, body: Body) -> Workspace:
        """This workspace, or one at least twice as large, with the same in it, if it does not hold so many."""
        P, D = len(self.slots), len(self.free)
        if people <= P and detections <= D:
            return self
        P, D = (size if wanted <= size else max(wanted, 2 * size) for wanted, size in ((people, P), (detections, D)))
        larger = Workspace.empty(P, D, self.claims.shape[1], body)
        _copy(self, larger)
        return larger


class FusionArrays(NamedTuple):
    """Everything that the kernels of fusion's stages work on."""

    workspace: Workspace
    people: State
    rig: PackedRig
    bundle: RayBundle
    body: Body
    noise: NoiseTables

    @staticmethod
    def of(workspace: Workspace, people: State, rig: PackedRig, body: Body, noise: NoiseTables) -> FusionArrays:
        """These arrays, and the rays of the workspace as triangulation takes them."""
        return FusionArrays(workspace, people, rig, ray_bundle(workspace.rays, rig), body, noise)


def _copy(source: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    """Copy arrays into the first rows of larger ones."""
    for old, new in zip(source, target, strict=True):
        if isinstance(old, tuple):
            _copy(old, new)
        else:
            new[tuple(slice(n) for n in old.shape)] = old
