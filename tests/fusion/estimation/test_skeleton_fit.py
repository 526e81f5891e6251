from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import least_squares

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation.skeleton_kernels import BoneConstraints, NormalEquations, fit_skeleton
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.elimination import Elimination

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])


class Problem(NamedTuple):
    """Joints near where they are, information and gradient of their rays, and bones."""

    start: np.ndarray
    D: np.ndarray
    g: np.ndarray
    ends: np.ndarray
    bones: BoneConstraints


def problem(rng: np.random.Generator, joints: int, ends: np.ndarray) -> Problem:
    root = rng.normal(size=(joints, 3, 3))
    D = root @ root.swapaxes(1, 2) * 500 + 20 * np.eye(3)
    xyz = rng.normal(0, 0.4, (joints, 3))
    bone = (ends >= 0).all(axis=1)
    length = np.where(bone, np.linalg.norm(xyz[ends[:, 0]] - xyz[ends[:, 1]], axis=1), 0.0)
    stiffness = np.where(bone, rng.uniform(1e3, 1e5, len(ends)), 0.0)
    tether = np.where(bone[:joints] & (rng.random(joints) < 0.3), 50.0, 0.0)
    offset = xyz - xyz[ends[:joints, 1]] + rng.normal(0, 0.02, (joints, 3))
    bones = BoneConstraints(length * rng.normal(1, 0.02, len(ends)), stiffness, offset, tether)
    return Problem(xyz, D, rng.normal(0, 10, (joints, 3)), ends, bones)


def residual(
    flat: np.ndarray, start: np.ndarray, D: np.ndarray, g: np.ndarray, ends: np.ndarray, bones: BoneConstraints
) -> np.ndarray:
    """All that is minimised, bones linearised at the start, as whitened residuals."""
    move = flat.reshape(start.shape)
    parts = []
    for j in range(len(start)):
        root = np.linalg.cholesky(D[j]).T
        parts.append(root @ (move[j] - np.linalg.solve(D[j], g[j])))
    for e, (j, p) in enumerate(ends):
        if p < 0:
            continue
        bone = start[j] - start[p]
        along = bone / np.linalg.norm(bone)
        stretch = np.linalg.norm(bone) + along @ (move[j] - move[p]) - bones.length[e]
        parts.append(np.sqrt(bones.length_information[[e]]) * stretch)
        if e < len(start):
            parts.append(np.sqrt(bones.offset_information[e]) * (bone + move[j] - move[p] - bones.rest_offset[e]))
    return np.concatenate(parts)


@pytest.mark.slow
@pytest.mark.parametrize("skeleton", ["coco17", "body25", "ring"])
def test_fit_skeleton_minimum_and_covariance_are_scipys(skeleton: str) -> None:
    rng = np.random.default_rng(3)
    if skeleton == "ring":
        joints = 12
        ends = np.stack([np.arange(joints), np.array([-1, *(j - 1 for j in range(1, joints))])], axis=-1)
        ends = np.concatenate([ends, [(0, 5), (3, 9), (2, 11), (7, 10), (1, 8), (4, 6)]])
        graph = Elimination.of(joints, ends)
    else:
        body = Body.of(load_skeleton(skeleton))
        joints, ends, graph = len(body.parent), body.ends, body.graph
    equations = NormalEquations.empty(graph)  # used again: nothing of one person reaches the next
    for _ in range(4):
        args = problem(rng, joints, ends)
        xyz, cov = args.start.copy(), np.empty((joints, 6))
        equations.information[:], equations.gradient[:] = args.D[:, UPPER[0], UPPER[1]], args.g
        fit_skeleton(graph, ends, args.bones, equations, xyz, cov)
        plain = least_squares(residual, np.zeros(3 * joints), args=args, xtol=1e-14, ftol=1e-14, gtol=1e-14)
        np.testing.assert_allclose(xyz - args.start, plain.x.reshape(joints, 3), atol=1e-7)
        dense = np.linalg.inv(plain.jac.T @ plain.jac)
        for j in range(joints):
            block = dense[3 * j : 3 * j + 3, 3 * j : 3 * j + 3]
            np.testing.assert_allclose(cov[j], block[UPPER], rtol=1e-5, atol=1e-9)


def test_elimination_of_a_tree_has_no_fill_in_and_of_a_ring_little() -> None:
    tree = np.array([(0, -1), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
    assert len(Elimination.of(6, tree).blocks) == 5
    ring = np.concatenate([tree, [(3, 5)]])  # 0-1-3-5-2-0 needs two chords
    assert len(Elimination.of(6, ring).blocks) == 8


def test_body_parts_are_braced() -> None:
    body = Body.of(load_skeleton("coco17"))
    names = load_skeleton("coco17").joints
    pairs = {frozenset((names[a], names[b])) for a, b in body.ends if b >= 0}
    assert {"left_ear", "right_ear"} in pairs
    assert {"left_shoulder", "right_hip"} in pairs
    assert {"left_wrist", "right_wrist"} not in pairs
    e = next(e for e, (a, b) in enumerate(body.ends) if {names[a], names[b]} == {"left_shoulder", "right_hip"})
    assert {names[j] for j in body.ends[body.mirror[e]]} == {"right_shoulder", "left_hip"}
    assert body.length[e] > body.length[body.ends[:, 0] == names.index("left_knee")].max()
