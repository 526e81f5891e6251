import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from multiview.cameras.observations import PackedRig, Rays, pack
from multiview.fusion.association.assignment_kernels import (
    NULL_SCORE,
    SWAP_SCORE,
    Association,
    Scratch,
    assign,
    assign_detections,
    expect_people,
    squared_distances,
    total_score,
)
from multiview.fusion.estimation.kalman_kernels import predict
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.state.measurement_noise import SCORES
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, kernel
from multiview.synthetic import StudioOptions, make_studio


@kernel
def solve(score: Array, chosen: Array) -> None:
    assign(score, chosen)


@kernel
def compare(expected: Array, detection: Array, chi2: Array, core: Array) -> float:
    squared_distances(expected, detection, chi2)
    return total_score(chi2, core)


@kernel
def assign_all(
    slots: Array, dt: float, people: State, rig: PackedRig, rays: Rays, core: Array, pairs: Array, gate: float,
    found: Association, scratch: Scratch,
) -> None:  # fmt: skip
    predict(slots, dt, people)
    expect_people(slots, people, rig, gate, found, scratch)
    assign_detections(slots.shape[0], rays, core, pairs, gate, found, scratch)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (6, 6), (4, 1)])
def test_assign_finds_the_largest_sum(shape: tuple[int, int]) -> None:
    for seed in range(20):
        benefit = np.random.default_rng(seed).normal(0, 1, shape)
        chosen = np.empty(len(benefit), np.int64)
        solve(benefit, chosen)
        used = chosen[chosen >= 0]
        assert len(set(used.tolist())) == len(used)
        optional = np.maximum(benefit, 0)
        best = optional[linear_sum_assignment(optional, maximize=True)].sum()
        assert sum(benefit[row, column] for row, column in enumerate(chosen) if column >= 0) == pytest.approx(best)


def test_squared_distances_are_the_plain_formula_and_unknown_joints_are_neutral() -> None:
    rng = np.random.default_rng(6)
    expected, detection = rng.normal(size=(2, 5, 4))
    for rows in (expected, detection):
        rows[[2, 4]] = rng.uniform(1, 2, (2, 4))
        rows[3] = rng.uniform(-0.5, 0.5, 4)
    detection[:, 2] = np.nan
    chi2 = np.empty(4)
    total = compare(expected, detection, chi2, np.array([0, 2, 3]))
    for j in (0, 1, 3):
        both = (expected + detection)[:, j]
        off = (detection - expected)[:2, j]
        assert chi2[j] == pytest.approx(off @ np.linalg.inv(both[[[2, 3], [3, 4]]]) @ off)
    assert np.isnan(chi2[2])
    assert total == pytest.approx((9 / (9 + chi2[[0, 3]]) - 0.3).sum())


def fused(seed: int) -> tuple[Pipeline, Rays, np.ndarray]:
    """A pipeline that knows three people, the next frame's rays, and who is to be expected in them."""
    studio = make_studio(StudioOptions(cameras=4, people=3, seconds=1.0, seed=seed))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    for frame in range(8):
        pipeline.step(studio.views(frame))
    rays = pack(studio.views(8), pipeline.packed, len(studio.skeleton.joints), pipeline.noise.variance, SCORES)
    return pipeline, rays, np.array(pipeline.tracker.active())


def assigned(pipeline: Pipeline, rays: Rays, slots: np.ndarray) -> Association:
    """The association of those who are expected."""
    size = len(slots), len(rays.camera), len(pipeline.rig), len(pipeline.body.parent)
    found, body = Association.empty(*size), pipeline.body
    assign_all(
        slots, 1 / 30, pipeline.tracker.people.state, pipeline.packed, rays, body.matching_joints, body.pairs,
        pipeline.gate, found, Scratch.empty(*size),
    )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(4))
def test_assignment_is_that_of_all_pairs_compared_one_by_one(seed: int) -> None:
    """Boxes and rows are for speed: the plain projection of every joint to every detection gives the same."""
    pipeline, rays, slots = fused(seed)
    people, core = len(slots), pipeline.body.matching_joints
    state, rig, gate = pipeline.tracker.people.state, pipeline.packed, pipeline.gate
    found = assigned(pipeline, rays, slots)
    for c in range(len(pipeline.rig)):
        own = np.arange(rays.first[c], rays.first[c + 1])
        benefit, swapped = np.zeros((2, people, len(own)))
        for n, slot in enumerate(slots):
            pp = state.cov_pp[slot][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
            cam = state.pos[slot] @ rig.R[c].T + rig.t[c]
            uv = cam[:, :2] / cam[:, 2:]
            jacobian = (rig.R[c, :2] - uv[:, :, None] * rig.R[c, 2]) / cam[:, 2:, None]
            S = jacobian @ pp @ jacobian.swapaxes(1, 2)
            for i, d in enumerate(own):
                for joints, table in ((np.arange(len(uv)), benefit), (pipeline.skeleton.mirrored, swapped)):
                    known = rays.info[d, joints, 0] > 0
                    off = rays.xy[d, joints] - uv
                    sums = S + rays.noise[d, joints][:, [0, 1, 1, 2]].reshape(-1, 2, 2)
                    plain = np.full(len(uv), np.inf)
                    plain[known] = np.einsum("ji,jik,jk->j", off[known], np.linalg.inv(sums[known]), off[known])
                    table[n, i] = sum(9 / (9 + plain[j]) - NULL_SCORE for j in core if known[j])
                    if not found.gated[n, d]:
                        assert plain.min() > gate
                        assert table[n, i] <= 0
                    elif table is benefit:
                        np.testing.assert_allclose(found.chi2[n, d, : len(uv)][known], plain[known], rtol=1e-6)
        for i, d in enumerate(own):
            if benefit[:, i].max() < SWAP_SCORE * (rays.info[d, core, 0] > 0).sum():
                benefit[:, i] = np.maximum(benefit[:, i], swapped[:, i])
        row, column = linear_sum_assignment(np.maximum(benefit, 0), maximize=True)
        best = np.full(people, -1)
        best[row] = np.where(benefit[row, column] > 0, own[column], -1)
        assert found.assignment[:, c].tolist() == best.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_assignment_of_a_swapped_detection_stays(seed: int) -> None:
    pipeline, rays, slots = fused(seed)
    before = assigned(pipeline, rays, slots).assignment.copy()
    for array in (rays.xy, rays.score, rays.info, rays.noise):
        array[:] = array[:, pipeline.skeleton.mirrored]
    assert (before >= 0).sum() >= 9
    np.testing.assert_array_equal(assigned(pipeline, rays, slots).assignment, before)
