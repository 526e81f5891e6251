"""A newborn's joints: the choice of hypotheses is the best one, and what rays alone get wrong is put right."""

from itertools import product

import numpy as np
import pytest

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.observations import PackedRig, pack
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.data import Keypoints2D, Views
from multiview.fusion.association.hypothesis_kernels import Hypotheses
from multiview.fusion.association.initiation_kernels import Scratch, best_hypotheses, select_hypotheses
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, POPULATION_LENGTH_CV
from multiview.geometry.jit import kernel
from multiview.geometry.point_batch_kernels import Batch, L
from multiview.geometry.triangulate_kernels import RayBundle, triangulate_all
from multiview.synthetic.rigs import looking_at

GATE = 4.5**2
SIGMA_PX = 3.0
SKELETON = load_skeleton("coco17")
BODY = Body.of(SKELETON)
TRUE = BODY.rest_pose


@kernel
def select(rows, bundle, body, gate, xyz, H, used, scratch):
    return select_hypotheses(rows, bundle, body, gate, xyz, H, used, scratch)


@kernel
def choose_best(rows, bundle, body, size, gate, out, scratch):
    return best_hypotheses(rows, bundle, body, size, gate, out, scratch)


def rig_of(angles_deg):
    """Cameras of 1280 x 720 on a circle of 4 m, 1.2 m up: epipolar lines are nearly level, as in most rooms."""
    cameras = []
    for n, angle in enumerate(np.deg2rad(angles_deg)):
        centre = np.array([4 * np.sin(angle), 4 * np.cos(angle), 1.2])
        R, t = looking_at(centre, np.array([0.0, 0.0, 1.0]))
        K = np.array([[900.0, 0, 639.5], [0, 900.0, 359.5], [0, 0, 1]])
        cameras.append(Camera(f"cam{n}", (1280, 720), K, np.zeros(5), R, t))
    return Rig(tuple(cameras))


def born(rig, pixels):
    """What the rays alone say, then what `select_hypotheses` makes of it: (xyz, views), (xyz, rows, views)."""
    score = np.where(np.isnan(pixels[..., 0]), 0.0, 0.9)
    seen = tuple(Keypoints2D(xy[None], s[None]) for xy, s in zip(pixels, score, strict=True))
    packed, joints = PackedRig.of(rig), len(SKELETON.joints)
    rays = pack(Views(0, 0, seen), packed, joints, np.full((joints, 2), SIGMA_PX**2), np.array([0.0, 1.0]))
    rows = np.where(score > 0, np.arange(len(rig))[:, None] * joints + np.arange(joints), -1)
    alone, bundle = rows.copy(), ray_bundle(rays, packed)
    xyz, H = np.empty((joints, 3)), np.empty((joints, 6))
    triangulate_all(alone, bundle, GATE, Batch.empty(len(rig)), np.zeros((4, L)), xyz, H)
    views = (alone >= 0).sum(axis=0)
    before = xyz.copy(), views.copy()
    select(rows, bundle, BODY, GATE, xyz, H, views, Scratch.empty(len(rig), BODY))
    return before, (xyz, rows, views)


def clean(rig, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([camera.project(TRUE) for camera in rig.cameras]) + rng.normal(0, SIGMA_PX, (len(rig), 17, 2))


def test_a_body_that_nothing_disturbs_keeps_every_ray():
    (alone, _), (xyz, rows, views) = born(rig_of([20, 80, 200, 290]), clean(rig_of([20, 80, 200, 290])))
    assert (views == 4).all()
    assert (rows >= 0).all()
    np.testing.assert_allclose(xyz, alone, atol=1e-4)


def test_a_ray_that_is_wrong_along_the_epipolar_line_is_found_by_the_bones():
    rig = rig_of([20, 80])
    pixels = clean(rig)
    knee, shoulder = SKELETON.index("left_knee"), SKELETON.index("right_shoulder")
    for joint in (knee, shoulder):  # half a metre further along the first camera's ray
        ray = TRUE[joint] - rig.cameras[0].centre
        pixels[1, joint] = rig.cameras[1].project(TRUE[joint] + 0.5 * ray / np.linalg.norm(ray))
    (alone, count), (xyz, _, views) = born(rig, pixels)
    wrong = np.isin(np.arange(17), (knee, shoulder))
    assert (count[wrong] == 2).all(), "rays alone cannot tell"
    assert (np.linalg.norm(alone - TRUE, axis=1)[wrong] > 0.3).all()
    assert (views[wrong] == 0).all()
    assert (views[~wrong] == 2).all()
    assert np.linalg.norm(xyz - TRUE, axis=1)[~wrong].max() < 0.1


def test_a_joint_is_compared_with_the_nearest_that_was_measured():
    """The elbow between them is not: a wrist a metre and a half from its shoulder is wrong all the same."""
    rig = rig_of([20, 80])
    pixels = clean(rig)
    elbow, wrist = SKELETON.index("left_elbow"), SKELETON.index("left_wrist")
    pixels[:, elbow] = np.nan
    ray = TRUE[wrist] - rig.cameras[0].centre
    pixels[1, wrist] = rig.cameras[1].project(TRUE[wrist] + 1.5 * ray / np.linalg.norm(ray))
    (_, count), (_, _, views) = born(rig, pixels)
    assert count[wrist] == 2
    assert views[wrist] == 0
    assert views.sum() == 2 * 15


@pytest.mark.parametrize("angles", [(20, 80), (20, 80, 200)])
@pytest.mark.parametrize("swapped", [0, 1])
def test_a_view_with_left_and_right_exchanged_is_set_right(angles, swapped):
    rig = rig_of(angles)
    for seed in range(5):
        pixels = clean(rig, seed)
        pixels[swapped] = pixels[swapped, SKELETON.mirrored]
        _, (xyz, _, views) = born(rig, pixels)
        assert (views == len(angles)).sum() >= 16
        assert np.linalg.norm(xyz - TRUE, axis=1)[views >= 2].max() < 0.15  # noise; ears alone are that far apart


@pytest.mark.slow
def test_the_choice_is_the_best_of_all():
    names = ("left_hip", "left_knee", "left_ankle", "left_shoulder", "left_elbow", "left_wrist")
    bones = ((0, 1), (1, 2), (0, 3), (3, 4), (4, 5))
    body = Body.of(Skeleton("side", names, bones, (), np.full(6, 0.1)))
    rig = PackedRig.of(rig_of([0, 50, 100, 150]))
    differences = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        # Every joint is two places at once: two cameras see one, two the other, and some rays are lost.
        places = body.rest_pose + rng.normal(0, [[[0.02]], [[0.15]]], (2, 6, 3))
        X = places[[0, 0, 1, 1]]
        in_camera = np.einsum("cij,cnj->cni", rig.R, X) + rig.t[:, None]
        xy = (in_camera[..., :2] / in_camera[..., 2:] + rng.normal(0, 0.003, (4, 6, 2))).reshape(-1, 2)
        ray = np.einsum("cji,cnj->cni", rig.R, np.concatenate([xy.reshape(4, 6, 2), np.ones((4, 6, 1))], axis=-1))
        ray = (ray / np.linalg.norm(ray, axis=-1, keepdims=True)).reshape(-1, 3)
        bundle = RayBundle(xy, np.tile([1 / 0.003**2, 0.0, 1 / 0.003**2], (24, 1)), ray, rig.R, rig.t, rig.centre)
        rows = np.where(rng.random((4, 6)) < 0.15, -1, np.arange(24).reshape(4, 6))
        out = Hypotheses.empty(6, 4)
        least = choose_best(rows, bundle, body, 1.0, GATE, out, Scratch.empty(4, body))
        choices = list(product(*(range(n + 1) for n in out.number)))
        costs = [cost_of(choice, body, out) for choice in choices]
        assert least == pytest.approx(min(costs), rel=1e-9)
        assert cost_of(tuple(out.choice), body, out) == pytest.approx(least, rel=1e-9)
        differences += tuple(out.choice) != tuple(out.cost[j, : n + 1].argmin() for j, n in enumerate(out.number))
    assert differences > 5, "bones had nothing to decide"


def cost_of(choice, body, out):
    """The cost of one choice, written down plainly."""
    total = sum(out.cost[j, k] for j, k in enumerate(choice))
    for j, k in enumerate(choice):
        ancestor, length = body.parent[j], body.length[j]
        while ancestor >= 0 and choice[ancestor] == out.number[ancestor]:
            ancestor, length = body.parent[ancestor], length + body.length[ancestor]
        if k == out.number[j] or ancestor < 0:
            continue
        bone = out.point[j, k] - out.point[ancestor, choice[ancestor]]
        now = np.linalg.norm(bone)
        if now < length and ancestor != body.parent[j]:
            continue
        bend = NONRIGID_LENGTH_CV if body.nonrigid[j] else LENGTH_CV
        variance = (POPULATION_LENGTH_CV**2 + bend**2) * length**2 + 0.02**2
        for v in (out.information[j, k], out.information[ancestor, choice[ancestor]]):
            variance += bone @ np.linalg.solve(v[[[0, 1, 2], [1, 3, 4], [2, 4, 5]]], bone) / now**2
        total += (now - length) ** 2 / variance
    return total
