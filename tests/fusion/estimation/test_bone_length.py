"""Bone lengths against the same in plain numpy."""

from copy import deepcopy

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation import bone_length_kernels as k
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, State

BODY = Body.of(load_skeleton("body25"))
JOINTS, BONES = len(BODY.parent), len(BODY.ends)
UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])
ERROR_AUTOCORRELATION = 0.6


def full(six: np.ndarray) -> np.ndarray:
    """Symmetric matrices of six numbers each."""
    return six[..., [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]


def bodies(rng: np.random.Generator) -> tuple[State, np.ndarray, np.ndarray, np.ndarray]:
    """Four people about to be measured: predictions, and points (4, J, 3) with information (4, J, 6) from `views`.

    Some bones are unknown, some are twice as long as they were; not all joints are seen.
    """
    people = State.empty(4, JOINTS, BONES)
    standing = np.where(np.isnan(BODY.rest_pose), 1.0, BODY.rest_pose)
    people.pos[:] = standing + rng.normal(0, 0.01, (4, JOINTS, 3))
    people.predicted_information[:] = np.array([1, 0, 0, 1, 0, 1]) / rng.uniform(0.02, 0.2, (4, JOINTS, 1)) ** 2
    real = (BODY.ends >= 0).all(axis=1)
    length = np.where(real, np.linalg.norm(standing[BODY.ends[:, 0]] - standing[BODY.ends[:, 1]], axis=1), 0.0)
    people.length[:] = length * rng.choice([0.0, 0.5, 0.97, 1.0, 1.03], (4, BONES), p=[0.1, 0.1, 0.3, 0.3, 0.2])
    people.length_variance[:] = (rng.uniform(0.02, 0.1, (4, BONES)) * length) ** 2
    people.length_cv[:] = np.where(BODY.nonrigid, NONRIGID_LENGTH_CV, LENGTH_CV)
    people.length_cv_sums[:] = rng.uniform(0, 1e-3, (4, BONES, 2))
    root = rng.normal(size=(4, JOINTS, 3, 3)) * 100
    rays = root @ root.swapaxes(-1, -2) + 1e3 * np.eye(3)
    xyz = standing + rng.normal(0, 0.01, (4, JOINTS, 3))
    views = rng.choice([0, 1, 2, 4], (4, JOINTS), p=[0.05, 0.05, 0.3, 0.6])
    return people, xyz, rays[..., UPPER[0], UPPER[1]] + people.predicted_information, views


def test_learn_bones_is_numpys_kalman_update() -> None:
    people, xyz, H, views = bodies(np.random.default_rng(2))
    before, learned, fit = people.length.copy(), deepcopy(people), FitScratch.empty(BODY.graph, BODY.limbs)
    for n in range(4):
        k.learn_bones(n, BODY, ERROR_AUTOCORRELATION, learned, xyz[n], H[n], views[n], fit)
        _learn(n, people, xyz[n], H[n], views[n])
    for name in ("length", "length_variance", "length_cv"):
        np.testing.assert_allclose(getattr(learned, name), getattr(people, name), rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(learned.length_cv_sums, people.length_cv_sums, rtol=1e-6, atol=1e-15)
    changed = people.length != before
    assert changed.any(axis=1).all()
    assert not changed.all(axis=1).any()


def _learn(n: int, people: State, xyz: np.ndarray, H: np.ndarray, views: np.ndarray) -> None:
    mean, W = people.pos[n], full(people.predicted_information[n])
    length, variance, cv, sums = (
        people.length[n],
        people.length_variance[n],
        people.length_cv[n],
        people.length_cv_sums[n],
    )
    C = np.linalg.inv(full(H) - W)
    alone = xyz + np.einsum("jab,jbc,jc->ja", C, W, xyz - mean)
    repeats = (1 + ERROR_AUTOCORRELATION) / (1 - ERROR_AUTOCORRELATION)
    for e, (j, p) in enumerate(BODY.ends):
        if p < 0 or min(views[j], views[p]) < 2:
            continue
        bone = alone[j] - alone[p]
        now = np.linalg.norm(bone)
        spread = bone @ (C[j] + C[p]) @ bone / now**2
        if length[e] == 0.0:
            length[e], variance[e] = now, 0.25 * now**2
            continue
        error = (now**2 - np.trace(C[j] + C[p]) - length[e] ** 2) / (2 * length[e])
        variation = (cv[e] * length[e]) ** 2
        if spread >= (k.MAX_SD * length[e]) ** 2 or error**2 > k.MAX_ERROR_SQ * (spread + variation + variance[e]):
            continue
        gain = variance[e] / (variance[e] + repeats * (spread + variation))
        length[e] += gain * error
        variance[e] *= 1 - gain
        weight = (length[e] ** 2 / (spread + variation + variance[e])) ** 2
        sums[e] *= k.FADE
        sums[e] += weight * (error**2 - spread - variance[e]) / length[e] ** 2, weight
        start = (NONRIGID_LENGTH_CV if BODY.nonrigid[e] else LENGTH_CV) ** 2
        trust = k.PRIOR_FRAMES * repeats / start**2
        cv[e] = np.sqrt((trust * start + sums[e, 0]) / (trust + sums[e, 1])).clip(k.MIN_CV, k.MAX_CV)
    for e, other in enumerate(BODY.mirror):
        pair = [e, other]
        if other <= e or not (length[pair] > 0.0).all():
            continue
        weights = 1 / variance[pair] / (1 / variance[pair]).sum()
        both = weights @ length[pair]
        if abs(length[e] - length[other]) < k.ALIKE * both:
            length[pair] += 0.5 * weights[::-1] * (both - length[pair])


def test_bone_length_outliers_are_bones_of_joints_that_two_views_measure() -> None:
    people, _, _, views = bodies(np.random.default_rng(4))
    people.length[:] = BODY.length
    standing = np.where(np.isnan(BODY.rest_pose), 1.0, BODY.rest_pose)
    xyz = np.repeat(standing[None], 4, axis=0)
    views[:] = 3
    e = int(np.argmax(BODY.length[:JOINTS]))  # a long bone: its end is a hand or a foot's neighbour
    xyz[1, e] += 0.5
    xyz[2, e] += 0.5
    views[2, e] = 1
    found = [k.bone_length_outliers(n, BODY, people, xyz[n], views[n]) for n in range(4)]
    assert found == [False, True, False, False]
    assert not k.bone_length_outliers(1, BODY, people, xyz[1], 0 * views[1])
