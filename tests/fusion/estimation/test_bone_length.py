"""Bone lengths of four people at once, against the same for one in plain numpy."""

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation import bone_length_kernels as k
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, State
from tests.fusion.estimation.lanes import put, side_by_side

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


def test_lengths_are_learned_as_one_by_one() -> None:
    people, xyz, H, views = bodies(np.random.default_rng(2))
    group = side_by_side(people, BODY.graph)
    for four, lanes in ((xyz, group.xyz), (H, group.H), (views, group.views)):
        put(four, lanes)
    before = people.length.copy()
    k.learn_bones(group, BODY, ERROR_AUTOCORRELATION)
    for n in range(4):
        _learn(n, people, xyz[n], H[n], views[n])
        for name in ("length", "length_variance", "length_cv"):
            np.testing.assert_allclose(getattr(group, name)[:, n], getattr(people, name)[n], rtol=1e-7, atol=1e-15)
        np.testing.assert_allclose(group.length_cv_sums[:, n], people.length_cv_sums[n].ravel(), rtol=1e-6, atol=1e-15)
    changed = people.length != before
    assert changed.any(axis=1).all()
    assert not changed.all(axis=1).any()


def _learn(n: int, people: State, xyz: np.ndarray, H: np.ndarray, views: np.ndarray) -> None:
    mean, W = people.pos[n], full(people.predicted_information[n])
    length, variance, bend, wobble = (
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
        wander = (bend[e] * length[e]) ** 2
        if spread >= (k.SURE * length[e]) ** 2 or error**2 > 25 * (spread + wander + variance[e]):
            continue
        gain = variance[e] / (variance[e] + repeats * (spread + wander))
        length[e] += gain * error
        variance[e] *= 1 - gain
        weight = (length[e] ** 2 / (spread + wander + variance[e])) ** 2
        wobble[e] *= k.FADE
        wobble[e] += weight * (error**2 - spread - variance[e]) / length[e] ** 2, weight
        start = (NONRIGID_LENGTH_CV if BODY.nonrigid[e] else LENGTH_CV) ** 2
        trust = k.PRIOR_FRAMES * repeats / start**2
        bend[e] = np.sqrt((trust * start + wobble[e, 0]) / (trust + wobble[e, 1])).clip(k.STIFFEST, k.MOST_BEND)
    for e, other in enumerate(BODY.mirror):
        pair = [e, other]
        if other <= e or not (length[pair] > 0.0).all():
            continue
        weights = 1 / variance[pair] / (1 / variance[pair]).sum()
        both = weights @ length[pair]
        if abs(length[e] - length[other]) < 0.15 * both:
            length[pair] += 0.5 * weights[::-1] * (both - length[pair])


def test_whoever_has_a_bone_of_strange_length_is_gated() -> None:
    people, _, _, views = bodies(np.random.default_rng(4))
    people.length[:] = BODY.length
    standing = np.where(np.isnan(BODY.rest_pose), 1.0, BODY.rest_pose)
    xyz = np.repeat(standing[None], 4, axis=0)
    views[:] = 3
    e = int(np.argmax(BODY.length[:JOINTS]))  # a long bone: its end is a hand or a foot's neighbour
    xyz[1, e] += 0.5
    xyz[2, e] += 0.5
    views[2, e] = 1
    group = side_by_side(people, BODY.graph)
    put(xyz, group.xyz)
    put(views, group.views)
    assert k.strange_bones(group, BODY)
    np.testing.assert_array_equal(group.off, [[0.0, 1.0, 0.0, 0.0]])
    put(views * (np.arange(4) != 1)[:, None], group.views)
    assert not k.strange_bones(group, BODY)
