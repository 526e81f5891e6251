"""Random movements are bodies: bones keep their length, nobody sinks into the floor, nothing jumps."""

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.synthetic.random_motion import random_movement

HALPE = load_skeleton("halpe26")


@pytest.mark.parametrize("seed", range(12))
def test_random_movement_keeps_bones_and_floor_and_is_smooth(seed: int) -> None:
    xyz, build = random_movement(np.random.default_rng(seed), 60, 60.0, HALPE.joints)
    for a, b in (("left_hip", "left_knee"), ("right_elbow", "right_wrist"), ("left_shoulder", "left_elbow")):
        bone = np.linalg.norm(xyz[:, HALPE.index(a)] - xyz[:, HALPE.index(b)], axis=-1)
        np.testing.assert_allclose(bone, bone[0], rtol=1e-9)
    assert -0.12 * build.height < xyz[..., 2].min() < 1.0  # eyes and small toes may be below what somebody rests on
    assert np.linalg.norm(np.diff(xyz, axis=0), axis=-1).max() * 60.0 < 40.0  # m/s, of a foot that kicks in a fast turn


def test_random_movements_bend_knees_one_way_only() -> None:
    for seed in range(12):
        xyz, _ = random_movement(np.random.default_rng(seed), 30, 30.0, HALPE.joints)
        at = {name: xyz[:, HALPE.index(name)] for name in HALPE.joints}
        for side in ("left", "right"):
            thigh, shank = at[f"{side}_knee"] - at[f"{side}_hip"], at[f"{side}_ankle"] - at[f"{side}_knee"]
            foot = at[f"{side}_big_toe"] - at[f"{side}_heel"]
            along = shank / np.linalg.norm(shank, axis=-1, keepdims=True)
            ahead = foot - (foot * along).sum(axis=-1, keepdims=True) * along
            assert ((ahead * thigh).sum(axis=-1) > -1e-9).all()  # the shank goes backwards from the thigh


def test_random_movements_contain_what_people_do() -> None:
    """Upright, upside down and lying; knees that are bent, hands above the head, and feet that leave the floor."""
    rng, up, knee, hand, foot = np.random.default_rng(0), [], [], [], []
    for _ in range(150):
        xyz, _ = random_movement(rng, 15, 15.0, HALPE.joints)
        at = {name: xyz[:, HALPE.index(name)] for name in HALPE.joints}
        spine = at["neck"] - (at["left_hip"] + at["right_hip"]) / 2
        up.append(spine[..., 2] / np.linalg.norm(spine, axis=-1))
        knee.append(np.linalg.norm(at["left_hip"] - at["left_ankle"], axis=-1))
        hand.append(at["left_wrist"][..., 2] - at["head_top"][..., 2])
        foot.append(xyz[..., 2].min(axis=-1))
    upright = np.concatenate(up)
    assert (upright > 0.9).mean() > 0.2
    assert (np.abs(upright) < 0.3).mean() > 0.05
    assert (upright < -0.7).mean() > 0.01
    assert (np.concatenate(knee) < 0.5).mean() > 0.03
    assert (np.concatenate(hand) > 0.0).mean() > 0.05
    assert (np.concatenate(foot) > 0.1).mean() > 0.03
