"""The arrays that fusion works on: scratch memory for one frame, used again in the next, beside what it remembers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.fusion.association import assignment_kernels, initiation_kernels, repair_kernels
from multiview.fusion.association.assignment_kernels import Association
from multiview.fusion.estimation import joint_kernels
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.measurement_noise import NoiseTables, ResidualStatistics
from multiview.fusion.state.track_state import State
from multiview.geometry.triangulate_kernels import RayBundle

__all__ = ["FusionArrays", "Workspace"]


class Workspace(NamedTuple):
    """Scratch memory for P people and D detections; W is J, padded. Only the first rows of each array have a meaning.

    `slots[n]` is person n's place in the state, `association` who is which detection, `free` the detections that are
    assigned to nobody. `table[n, c, j]` is the row (detection * J + joint) of the ray on which joint j rests, or -1;
    `xyz`, `H` and `used` are its estimate as in `joint_kernels`. `support[n]` views measure person n, `due[n]` should.
    `statistics` are what the rays say of the noise. Each stage works in a scratch memory of its own.
    """

    rays: Rays
    free: Int64[np.ndarray, " D"]
    slots: Int64[np.ndarray, " P"]
    association: Association
    table: Int64[np.ndarray, "P C J"]
    xyz: Float64[np.ndarray, "P J 3"]
    H: Float64[np.ndarray, "P J 6"]
    used: Int64[np.ndarray, "P J"]
    support: Int64[np.ndarray, " P"]
    due: Int64[np.ndarray, " P"]
    statistics: ResidualStatistics
    assignment_scratch: assignment_kernels.Scratch
    repair_scratch: repair_kernels.Scratch
    triangulation_scratch: joint_kernels.Scratch
    initiation_scratch: initiation_kernels.Scratch
    fit: FitScratch

    @staticmethod
    def empty(people: int, detections: int, cameras: int, body: Body) -> Workspace:
        """Memory with nothing in it yet."""
        P, D, C, J = people, detections, cameras, len(body.parent)
        return Workspace(
            rays=Rays.empty(D, C, J),
            free=np.zeros(D, np.int64),
            slots=np.zeros(P, np.int64),
            association=Association.empty(P, D, C, J),
            table=np.full((P, C, J), -1),
            xyz=np.zeros((P, J, 3)),
            H=np.zeros((P, J, 6)),
            used=np.zeros((P, J), np.int64),
            support=np.zeros(P, np.int64),
            due=np.zeros(P, np.int64),
            statistics=ResidualStatistics.empty(J),
            assignment_scratch=assignment_kernels.Scratch.empty(P, D, C, J),
            repair_scratch=repair_kernels.Scratch.empty(P, C, J),
            triangulation_scratch=joint_kernels.Scratch.empty(P, C, J),
            initiation_scratch=initiation_kernels.Scratch.empty(C, body),
            fit=FitScratch.empty(body.graph, body.limbs),
        )

    def with_room(self, people: int, detections: int, body: Body) -> Workspace:
        """This workspace, or one at least twice as large, with the same in it, if it does not hold so many."""
        P, D = len(self.slots), len(self.free)
        if people <= P and detections <= D:
            return self
        P, D = (size if wanted <= size else max(wanted, 2 * size) for wanted, size in ((people, P), (detections, D)))
        larger = Workspace.empty(P, D, self.table.shape[1], body)
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
