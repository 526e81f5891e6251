"""Up is found from walkers within what it is said to be, in any axes, and the ways to it make each other surer."""

import numpy as np
import pytest

from calib.people.bodies import Body
from calib.people.vertical import vertical_of
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic import StudioOptions, make_studio

NOISE_M = 0.004  # of a joint that five cameras see with 4 px of noise
HIPS, ANKLES = ("left_hip", "right_hip"), ("left_ankle", "right_ankle")


def walkers(seed, seconds=30.0, **options):
    """One person's joints as a rig of people finds them, z up."""
    studio = make_studio(StudioOptions(cameras=2, people=1, seconds=seconds + 1, seed=seed, **options))
    time = 0.5 + 0.1 * np.arange(int(10 * seconds))
    xyz = studio.true_at(time)[:, 0]
    velocity = (studio.true_at(time + 1e-3) - studio.true_at(time - 1e-3))[:, 0] / 2e-3
    return studio.skeleton.joints, Body(time, xyz + np.random.default_rng(seed).normal(0, NOISE_M, xyz.shape), velocity)


def turned(body, R):
    return Body(body.time, body.xyz @ R.T, body.velocity @ R.T)


def error_deg(vertical, up):
    return np.degrees(np.arccos(np.clip(vertical.up @ up, -1, 1)))


def only(joints, body, names):
    """What is left of a body whose other joints no camera saw."""
    kept = [joints.index(name) for name in names]
    return names, Body(body.time, body.xyz[:, kept], body.velocity[:, kept])


@pytest.mark.parametrize("seed", range(5))
def test_up_of_a_walker_is_right_in_any_axes_and_as_sure_as_said(seed):
    joints, body = walkers(seed, only_walking=True)
    R = rotation_from_vector(np.array([0.4, -1.1, 0.3]))
    found = vertical_of([turned(body, R)], joints, R @ [0.2, -0.1, 1.0])
    assert error_deg(found, R @ [0, 0, 1.0]) < min(0.3, 3 * found.sigma_deg)
    assert found.sigma_deg < 0.3


def test_hips_and_feet_tell_up_alone_and_together_better():
    alone, together = [], []
    for seed in range(8):
        joints, body = walkers(seed, only_walking=True)
        upright = np.array([0.1, 0.1, 1.0])
        ways = [vertical_of([part], names, upright) for names, part in (
            only(joints, body, HIPS), only(joints, body, ANKLES), only(joints, body, HIPS + ANKLES))]  # fmt: skip
        assert ways[2].sigma_deg < min(ways[0].sigma_deg, ways[1].sigma_deg)
        errors = [error_deg(way, np.array([0, 0, 1.0])) for way in ways]
        alone.append(np.mean(np.square(errors[:2])))
        together.append(errors[2] ** 2)
    assert np.mean(together) < np.mean(alone)


def test_hips_of_somebody_who_sits_down_and_gets_up_do_not_tell_up():
    joints, body = walkers(0, only_walking=True)
    names, hips = only(joints, body, HIPS)
    still = Body(hips.time, hips.xyz, np.zeros_like(hips.velocity))
    assert vertical_of([still], names, np.array([0, 0, 1.0])) is None


def test_ways_that_contradict_each_other_make_up_less_sure():
    joints, body = walkers(1, only_walking=True)
    names, part = only(joints, body, HIPS + ANKLES)
    agreeing = vertical_of([part], names, np.array([0, 0, 1.0]))
    uphill = part.xyz.copy()
    uphill[:, :2, 2] += 0.05 * uphill[:, :2, 0]  # three degrees
    apart = vertical_of([Body(part.time, uphill, part.velocity)], names, np.array([0, 0, 1.0]))
    assert apart.sigma_deg > 3 * agreeing.sigma_deg
