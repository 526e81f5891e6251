"""The stages of one frame as the pipeline calls them: each opens the handles, and has the stage's kernel do the work.

`count` people are worked on, of whom the first `tracked` were predicted and the others may be born.
"""

from __future__ import annotations

from multiview.cameras.observations import PackedRig
from multiview.cameras.sight_kernels import sight_of
from multiview.cameras.undistort_kernels import cast, number
from multiview.fusion.association.assignment_kernels import claim_people, find_free
from multiview.fusion.association.initiation_kernels import choose_rays
from multiview.fusion.association.repair_kernels import repair
from multiview.fusion.estimation.joint_kernels import Work, triangulate_people
from multiview.fusion.estimation.measurement_noise_kernels import learn, scale_by_size
from multiview.fusion.estimation.output_kernels import output, supporting_views
from multiview.fusion.estimation.residual_kernels import residuals
from multiview.fusion.estimation.update_kernels import fit_people
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.measurement_noise import NoiseTables
from multiview.fusion.state.track_state import State
from multiview.fusion.workspace import Frame
from multiview.geometry.handles import opener
from multiview.geometry.jit import Array, kernel

frame_of, state_of, rig_of, body_of, noise_of = (
    opener(Frame), opener(State), opener(PackedRig), opener(Body), opener(NoiseTables),
)  # fmt: skip


@kernel
def undistort(pixels: Array, score: Array, cov: Array, counts: Array, frame: Array, rig: Array, noise: Array) -> None:
    """Rays of what all detectors said, as in `rays.Said`."""
    g, n, rays = rig_of(rig), noise_of(noise), frame_of(frame).rays
    number(counts, rays.first, rays.alive, rays.camera)
    cast(
        pixels, score, cov, g.K, g.dist, g.fisheye, g.reach, g.R, n.variance, n.scores,
        rays.camera, rays.score, rays.xy, rays.ray, rays.info, rays.noise,
    )  # fmt: skip


@kernel
def assign(frame: Array, people: Array, rig: Array, body: Array, tracked: int, dt: float, gate: float) -> int:
    """Predicted people claim detections; how many are left `free`."""
    f = frame_of(frame)
    rays, claims = f.rays, f.claims[:tracked]
    if tracked:
        b = body_of(body)
        claim_people(
            f.slots[:tracked], dt, state_of(people), rig_of(rig), rays, b.matching_joints, b.pairs, gate,
            f.expected[:tracked], f.near, f.chi2, claims, f.claiming,
        )  # fmt: skip
    return find_free(claims, f.free[: rays.first[-1]])


@kernel
def mend(
    frame: Array,
    people: Array,
    rig: Array,
    body: Array,
    noise: Array,
    count: int,
    tracked: int,
    gate: float,
    sized: bool,
) -> None:
    """The rays that everyone's joints begin with; if `sized`, with the noise of how large people are."""
    f, b, n = frame_of(frame), body_of(body), noise_of(noise)
    repair(f.claims[:count], b.pairs, f.expected, f.near[:tracked], f.chi2, f.rays, gate, f.table[:count], f.mending)
    if sized and tracked:
        scale_by_size(
            f.slots[:tracked], f.claims, f.mending.whole, f.table, state_of(people), b.torso, f.rays, rig_of(rig),
            n.sizes, n.size,
        )  # fmt: skip


@kernel
def triangulate(frame: Array, people: Array, rig: Array, count: int, gate: float) -> None:
    """Everyone's joints, each as a point."""
    f = frame_of(frame)
    if count:
        triangulate_people(Work(f, state_of(people), sight_of(f.rays, rig_of(rig)), gate, count))


@kernel
def choose(frame: Array, rig: Array, body: Array, n: int, gate: float) -> float:
    """The rays of newborn n; their size."""
    f = frame_of(frame)
    return choose_rays(f.table[n], f.rays, rig_of(rig), body_of(body), gate, f.xyz[n], f.H[n], f.used[n])


@kernel
def fit(
    frame: Array, people: Array, rig: Array, body: Array, noise: Array, acceleration_psd: Array, last: Array,
    count: int, tracked: int, dt: float, gate: float, learning: bool,
) -> None:  # fmt: skip
    """Everyone's skeleton, and what their rays tell of the noise."""
    if not count:
        return
    f, state, g, b, tables = frame_of(frame), state_of(people), rig_of(rig), body_of(body), noise_of(noise)
    slots, table = f.slots[:count], f.table[:count]
    fit_people(
        slots, tracked, dt, table, f.rays, g, b, acceleration_psd, gate, tables.error_autocorrelation[0], state,
        f.xyz, f.H, f.used, f.group,
    )  # fmt: skip
    if learning:
        residuals(slots, table, f.rays, g, tables.scores, tables.sizes, state, b.torso, f.used, last, f.misses)
        learn(tables, f.misses.sums, f.misses.sizes, f.misses.products)


@kernel
def give(
    frame: Array, people: Array, rig: Array, body: Array, count: int, tracked: int,
    xyz: Array, cov: Array, score: Array, views: Array, filled: Array,
) -> None:  # fmt: skip
    """What leaves the frame, and how many views support each person."""
    f = frame_of(frame)
    supporting_views(f.table[:count], f.expected[:tracked], body_of(body), rig_of(rig), f.rays, f.support, f.due)
    output(f.slots[:count], f.table, f.rays, state_of(people), xyz, cov, score, views, filled)
