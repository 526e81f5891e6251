import numba
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from multiview.cameras.observations import Rays, pack
from multiview.fusion.association.assignment_kernels import CHANCE, FITS, assign, claim_people, distances
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.state.measurement_noise import SCORES
from multiview.fusion.workspace import Workspace
from multiview.synthetic import StudioOptions, make_studio


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (6, 6), (4, 1)])
def test_assignment_is_the_best_there_is(shape: tuple[int, int]) -> None:
    for seed in range(20):
        benefit = np.random.default_rng(seed).normal(0, 1, shape)
        chosen = np.empty(len(benefit), np.int64)
        assign(benefit, chosen)
        used = chosen[chosen >= 0]
        assert len(set(used.tolist())) == len(used)
        optional = np.maximum(benefit, 0)
        best = optional[linear_sum_assignment(optional, maximize=True)].sum()
        assert sum(benefit[row, column] for row, column in enumerate(chosen) if column >= 0) == pytest.approx(best)


@numba.njit
def measure(expected: np.ndarray, seen: np.ndarray, chi2: np.ndarray, d: int, worth: np.ndarray, n: int) -> None:
    distances(expected, seen, expected.shape[1], chi2, d, worth, n)


def test_distances_are_the_plain_formula_and_unknown_joints_are_neutral() -> None:
    rng = np.random.default_rng(6)
    expected, seen = rng.normal(size=(2, 5, 4))
    for rows in (expected, seen):
        rows[[2, 4]] = rng.uniform(1, 2, (2, 4))
        rows[3] = rng.uniform(-0.5, 0.5, 4)
    seen[:, 2] = np.nan
    chi2, worth = np.empty((2, 4)), np.empty((3, 4))
    measure(expected, seen, chi2, 1, worth, 2)
    chi2, worth = chi2[1], worth[2]
    for j in range(2):
        both = (expected + seen)[:, j]
        off = (seen - expected)[:2, j]
        assert chi2[j] == pytest.approx(off @ np.linalg.inv(both[[[2, 3], [3, 4]]]) @ off)
        assert worth[j] == pytest.approx(9 / (9 + chi2[j]) - 0.3)
    assert np.isnan(chi2[2])
    assert worth[2] == 0


def fused(seed: int) -> tuple[Pipeline, Rays, np.ndarray]:
    """A pipeline that knows three people, the next frame's rays, and who is to be expected in them."""
    studio = make_studio(StudioOptions(cameras=4, people=3, seconds=1.0, seed=seed))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    for frame in range(8):
        pipeline.step(studio.views(frame))
    rays = pack(studio.views(8), pipeline.packed, len(studio.skeleton.joints), pipeline.noise.variance, SCORES)
    return pipeline, rays, np.array(pipeline.tracker.active())


def claimed(pipeline: Pipeline, rays: Rays, slots: np.ndarray) -> Workspace:
    """A frame in which those who are expected have claimed detections."""
    room = Workspace.empty(len(slots), len(rays.camera), len(pipeline.rig), pipeline.body)
    state, body, gate = pipeline.tracker.people.state, pipeline.body, pipeline.gate
    found = room.expected, room.near, room.chi2, room.claims, room.claiming
    claim_people(slots, 1 / 30, state, pipeline.packed, rays, body.matching_joints, body.pairs, gate, *found)
    return room


@pytest.mark.parametrize("seed", range(4))
def test_claims_are_those_of_all_pairs_compared_one_by_one(seed: int) -> None:
    """Boxes and rows are for speed: the plain projection of every joint to every detection gives the same."""
    pipeline, rays, slots = fused(seed)
    people, core = len(slots), pipeline.body.matching_joints
    state, rig, gate = pipeline.tracker.people.state, pipeline.packed, pipeline.gate
    room = claimed(pipeline, rays, slots)
    for c in range(len(pipeline.rig)):
        own = np.arange(rays.first[c], rays.first[c + 1])
        benefit, exchanged = np.zeros((2, people, len(own)))
        for n, slot in enumerate(slots):
            pp = state.cov_pp[slot][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
            cam = state.pos[slot] @ rig.R[c].T + rig.t[c]
            uv = cam[:, :2] / cam[:, 2:]
            jacobian = (rig.R[c, :2] - uv[:, :, None] * rig.R[c, 2]) / cam[:, 2:, None]
            S = jacobian @ pp @ jacobian.swapaxes(1, 2)
            for i, d in enumerate(own):
                for joints, table in ((np.arange(len(uv)), benefit), (pipeline.skeleton.mirrored, exchanged)):
                    known = rays.info[d, joints, 0] > 0
                    off = rays.xy[d, joints] - uv
                    sums = S + rays.noise[d, joints][:, [0, 1, 1, 2]].reshape(-1, 2, 2)
                    plain = np.full(len(uv), np.inf)
                    plain[known] = np.einsum("ji,jik,jk->j", off[known], np.linalg.inv(sums[known]), off[known])
                    table[n, i] = sum(9 / (9 + plain[j]) - CHANCE for j in core if known[j])
                    if not room.near[n, d]:
                        assert plain.min() > gate
                        assert table[n, i] <= 0
                    elif table is benefit:
                        np.testing.assert_allclose(room.chi2[n, d, : len(uv)][known], plain[known], rtol=1e-6)
        for i, d in enumerate(own):
            if benefit[:, i].max() < FITS * (1 - CHANCE) * (rays.info[d, core, 0] > 0).sum():
                benefit[:, i] = np.maximum(benefit[:, i], exchanged[:, i])
        row, column = linear_sum_assignment(np.maximum(benefit, 0), maximize=True)
        best = np.full(people, -1)
        best[row] = np.where(benefit[row, column] > 0, own[column], -1)
        assert room.claims[:, c].tolist() == best.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_a_detection_with_its_sides_exchanged_is_still_whose_it_is(seed: int) -> None:
    pipeline, rays, slots = fused(seed)
    before = claimed(pipeline, rays, slots).claims.copy()
    for array in (rays.xy, rays.score, rays.info, rays.noise):
        array[:] = array[:, pipeline.skeleton.mirrored]
    assert (before >= 0).sum() >= 9
    np.testing.assert_array_equal(claimed(pipeline, rays, slots).claims, before)
