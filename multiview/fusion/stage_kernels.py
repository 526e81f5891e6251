"""The stages of one frame as the pipeline calls them, on the arrays of fusion.

`count` people are worked on, of whom the first `tracked` were predicted and the others may be born.
"""

from __future__ import annotations

from multiview.cameras.undistort_kernels import index_detections, undistort_to_rays
from multiview.fusion.association import initiation_kernels
from multiview.fusion.association.assignment_kernels import assign_detections, expect_people, find_free
from multiview.fusion.association.repair_kernels import RepairProblem, repair_table
from multiview.fusion.estimation.joint_kernels import TriangulationProblem, triangulate_people
from multiview.fusion.estimation.kalman_kernels import predict
from multiview.fusion.estimation.limb_kernels import place_unseen
from multiview.fusion.estimation.measurement_noise_kernels import learn, scale_by_size
from multiview.fusion.estimation.output_kernels import supporting_views, write_poses
from multiview.fusion.estimation.residual_kernels import accumulate
from multiview.fusion.estimation.update_kernels import fit_people
from multiview.fusion.workspace import FusionArrays
from multiview.geometry.jit import Array, kernel
from multiview.geometry.sym3_kernels import copy_row


@kernel
def undistort(arrays: FusionArrays, pixels: Array, score: Array, cov: Array, counts: Array) -> None:
    """Rays of all detections, as in `cameras.observations.RawDetections`."""
    rays, rig, noise = arrays.workspace.rays, arrays.rig, arrays.noise
    index_detections(counts, rays.first, rays.alive, rays.camera)
    undistort_to_rays(
        pixels, score, cov, rig.K, rig.dist, rig.fisheye, rig.max_radius, rig.R, noise.variance, noise.scores,
        rays.camera, rays.score, rays.xy, rays.ray, rays.info, rays.noise,
    )  # fmt: skip


@kernel
def assign(arrays: FusionArrays, tracked: int, dt: float, gate: float) -> int:
    """Predict everyone and assign them detections; how many are left `free`."""
    work, body, people, rays = arrays.workspace, arrays.body, arrays.people, arrays.workspace.rays
    found, scratch = work.association, work.assignment_scratch
    if tracked:
        slots = work.slots[:tracked]
        predict(slots, dt, people)
        expect_people(slots, people, arrays.rig, gate, found, scratch)
        assign_detections(tracked, rays, body.matching_joints, body.pairs, gate, found, scratch)
    return find_free(found.assignment[:tracked], work.free[: rays.first[-1]])


@kernel
def repair(arrays: FusionArrays, count: int, tracked: int, gate: float, sized: bool) -> None:
    """The rays that everyone's joints begin with; if `sized`, with the noise of how large people are."""
    work, body, noise, scratch = arrays.workspace, arrays.body, arrays.noise, arrays.workspace.repair_scratch
    table, found = work.table[:count], work.association
    slots, disputed = work.slots[:count], arrays.people.disputed_sides
    repair_table(RepairProblem(tracked, slots, disputed, body.pairs, gate, work.rays, found, table, scratch))
    if sized and tracked:
        scale_by_size(
            work.slots[:tracked], found.assignment, scratch.whole, table, arrays.people, body.torso, work.rays,
            arrays.rig, noise.sizes, noise.size,
        )  # fmt: skip


@kernel
def triangulate(arrays: FusionArrays, count: int, gate: float) -> None:
    """Everyone's joints, each as a point."""
    if count:
        work = arrays.workspace
        slots, table, scratch = work.slots[:count], work.table[:count], work.triangulation_scratch
        triangulate_people(
            TriangulationProblem(slots, arrays.people, arrays.bundle, gate, table, work.xyz, work.H, work.used, scratch)
        )


@kernel
def select_hypotheses(arrays: FusionArrays, n: int, gate: float) -> float:
    """The rays of newborn n; their size."""
    work = arrays.workspace
    return initiation_kernels.select_hypotheses(
        work.table[n], arrays.bundle, arrays.body, gate, work.xyz[n], work.H[n], work.used[n], work.initiation_scratch
    )


@kernel
def place_limbs(arrays: FusionArrays, n: int, size: float) -> None:
    """Put the unmeasured limbs of newborn n, who has a torso now, where they are expected."""
    work = arrays.workspace
    place_unseen(work.slots[n], work.used[n], size, arrays.body, arrays.people, work.fit.limbs)


@kernel
def reexamine(arrays: FusionArrays, n: int, young: bool, gate: float) -> float:
    """Initiate track n anew where that explains its detections far better; its size then, else 0."""
    work, people, slot = arrays.workspace, arrays.people, arrays.workspace.slots[n]
    xyz, H, used = work.xyz[n], work.H[n], work.used[n]
    for j in range(used.shape[0]):
        used[j] = 2 * people.has_estimate[slot, j]
        copy_row(people.pos[slot, j], xyz[j])
    return initiation_kernels.reexamine(
        work.association.assignment[n], work.table[n], young, work.rays, arrays.bundle, arrays.body, gate, xyz, H, used,
        work.initiation_scratch,
    )  # fmt: skip


@kernel
def fit(
    arrays: FusionArrays,
    nominal_psd: Array,
    last_residuals: Array,
    count: int,
    tracked: int,
    dt: float,
    gate: float,
    learning: bool,
) -> None:
    """Everyone's skeleton, and what their rays tell of the noise."""
    if not count:
        return
    work, people, rig, body, noise = arrays.workspace, arrays.people, arrays.rig, arrays.body, arrays.noise
    slots, table = work.slots[:count], work.table[:count]
    fit_people(
        slots, tracked, dt, table, work.rays, rig, body, nominal_psd, gate, noise.error_autocorrelation[0], people,
        work.xyz, work.H, work.used, work.fit,
    )  # fmt: skip
    if learning:
        accumulate(slots, table, work.rays, rig, noise, people, body.torso, work.used, last_residuals, work.statistics)
        learn(noise, work.statistics)


@kernel
def write_output(
    arrays: FusionArrays, count: int, tracked: int, xyz: Array, cov: Array, score: Array, views: Array, filled: Array
) -> None:
    """What leaves the frame, and how many views support each person."""
    work, rays = arrays.workspace, arrays.workspace.rays
    table = work.table[:count]
    supporting_views(table, work.association.expected[:tracked], arrays.body, arrays.rig, rays, work.support, work.due)
    write_poses(work.slots[:count], table, rays, arrays.people, xyz, cov, score, views, filled)
