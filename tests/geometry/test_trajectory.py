"""The motion between knots, against motions that it must reproduce."""

import numpy as np
import pytest

from multiview.geometry.rigid import rotation_from_vector
from multiview.geometry.trajectory import Knots, at

TIMES = np.array([0.0, 0.1, 0.25, 0.3, 0.42, 0.5, 0.61])


def motion(smooth, degree, time):
    """Places of a polynomial (1 m/s^degree) and a turn about one axis that is the same one."""
    knots = Knots(TIMES, np.zeros(len(TIMES), dtype=np.int64), smooth)
    way = TIMES**degree
    R, t = rotation_from_vector(np.outer(way, [0.0, 0.0, 1.0])), np.outer(way, [1.0, 2.0, 0.0])
    return at(knots, R, t, np.full(len(time), 3), time)


@pytest.mark.parametrize(("smooth", "degree"), [(False, 3), (True, 2)])
def test_trajectory_reproduces_polynomials(smooth, degree):
    time = np.linspace(0.1, 0.5, 41)
    found = motion(smooth, degree, time)
    np.testing.assert_allclose(found.t[:, 0], time**degree, atol=1e-12)
    np.testing.assert_allclose(
        found.velocity[:, [2, 3]], np.repeat(degree * time[:, None] ** (degree - 1), 2, 1), atol=1e-10
    )
    np.testing.assert_allclose(found.R, rotation_from_vector(np.outer(time**degree, [0.0, 0.0, 1.0])), atol=1e-12)


def test_trajectory_smooth_has_no_jump_of_velocity_at_a_knot():
    around = TIMES[2:5].repeat(2) + np.tile([-1e-9, 1e-9], 3)
    jumps = {
        smooth: np.diff(motion(smooth, 5, around).velocity[:, 3].reshape(3, 2), axis=1) for smooth in (False, True)
    }
    assert np.abs(jumps[True]).max() < 1e-6  # the acceleration times 2 ns
    assert np.abs(jumps[False]).max() > 1e-3


@pytest.mark.parametrize("smooth", [False, True])
def test_trajectory_moves_with_its_knots(smooth):
    """Derivatives by the knots, against differences."""
    rng = np.random.default_rng(0)
    knots = Knots(TIMES, np.zeros(len(TIMES), dtype=np.int64), smooth)
    R, t, time = (
        rotation_from_vector(0.2 * rng.normal(size=(7, 3))),
        rng.normal(size=(7, 3)),
        np.array([0.27, 0.05, 0.55]),
    )
    step = 1e-6 * rng.normal(size=(7, 6))
    before = at(knots, R, t, np.full(3, 3), time)
    after = at(knots, rotation_from_vector(step[:, :3]) @ R, t + step[:, 3:], np.full(3, 3), time)
    told = np.einsum("vnij,vnj->vi", before.by_knot, step[before.support])
    np.testing.assert_allclose(after.t - before.t, told[:, 3:], atol=1e-10)
    turned = after.R @ np.swapaxes(before.R, -1, -2)
    np.testing.assert_allclose(turned[:, [2, 0, 1], [1, 2, 0]], told[:, :3], atol=1e-10)
