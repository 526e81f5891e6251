"""Windows look alike wherever a person is, and however large: what a network is told is posture, and little else."""

import numpy as np

from multiview.learn.lifting_data import movements
from multiview.lifting.sightings import Sightings
from multiview.lifting.windows import BEFORE, FRAMES, JOINTS, MIRRORED, STEP_S, view_windows

PERSON = movements(1, 5)[0, :FRAMES].astype(float)
CENTRE = np.array([2.2, 1.0, 0.9])


def windows_of(xyz, centre):
    rays = xyz[None] - centre
    return view_windows(rays, np.ones(rays.shape[:3], dtype=bool))


def test_window_is_the_same_around_the_camera_and_at_any_scale() -> None:
    here = windows_of(PERSON, CENTRE)
    c, s = np.cos(1.2), np.sin(1.2)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    turned, doubled = windows_of(PERSON @ turn.T, turn @ CENTRE), windows_of(2 * PERSON, 2 * CENTRE)
    for other in (turned, doubled):
        np.testing.assert_allclose(other.inputs, here.inputs, atol=1e-5)
    np.testing.assert_allclose(turned.view_from_world[0], here.view_from_world[0] @ turn.T, atol=1e-12)


def test_window_of_the_mirrored_person_is_the_mirrored_window() -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    here, there = windows_of(PERSON, CENTRE), windows_of(PERSON[:, MIRRORED] * flip, CENTRE * flip)
    J = len(JOINTS)
    xy = here.inputs[..., : 2 * J].reshape(1, FRAMES, J, 2)[:, :, MIRRORED] * [-1.0, 1.0]
    np.testing.assert_allclose(there.inputs[..., : 2 * J], xy.reshape(1, FRAMES, 2 * J), atol=1e-5)
    np.testing.assert_allclose(there.uv, here.uv[:, MIRRORED] * [-1.0, 1.0], atol=1e-9)


def test_window_projects_the_person_of_its_instant() -> None:
    windows = windows_of(PERSON, CENTRE)
    inside = (PERSON[BEFORE] - CENTRE) @ windows.view_from_world[0].T
    np.testing.assert_allclose(windows.uv[0], inside[:, :2] / inside[:, 2:], atol=1e-9)
    assert abs(np.linalg.det(windows.view_from_world[0]) - 1.0) < 1e-9
    assert windows.view_from_world[0, 1, 2] < 0.0  # down is down


def test_unseen_joints_have_no_influence() -> None:
    rays = np.repeat(PERSON[None], 2, axis=0) - CENTRE
    seen = np.ones(rays.shape[:3], dtype=bool)
    seen[:, 3:9, 9], seen[:, BEFORE + 1 :] = False, False
    rays[1, ~seen[1]] = np.nan
    windows = view_windows(rays, seen)
    np.testing.assert_array_equal(windows.inputs[0], windows.inputs[1])
    assert np.isfinite(windows.inputs).all()


def sightings(times, hidden=()):
    found = Sightings()
    for n, t in enumerate(times):
        seen = np.ones(17, dtype=bool)
        seen[4] = n not in hidden
        found.add(t, np.full((17, 3), t), seen)
    return found


def test_sightings_are_interpolated_between_frames_of_any_rate() -> None:
    at = np.array([1.0])
    for rate in (30.0, 25.0, 60.0, 11.0):
        rays, seen = sightings(np.arange(0.0, 2.0 + 1e-9, 1 / rate)).about(np.round(at * rate) / rate)
        wanted = np.round(at * rate) / rate + STEP_S * (np.arange(FRAMES) - BEFORE)
        assert seen.all()
        np.testing.assert_allclose(rays[0, :, 3, 0], wanted, atol=0.1 / rate + 1e-9)


def test_sightings_end_where_there_are_no_frames_and_do_not_bridge_a_gap() -> None:
    rays, seen = sightings([*np.arange(5) / 30, *(0.5 + np.arange(9) / 30)], hidden=(7,)).about(np.array([0.5]))
    known = 0.5 + STEP_S * (np.arange(FRAMES) - BEFORE)
    there = (known < 4.2 / 30) | (known > 0.49)
    there &= (known > -0.01) & (known < 0.5 + 8.5 / 30)
    np.testing.assert_array_equal(seen[0, :, 3], there)
    assert not seen[0, BEFORE + 2, 4]
    assert (rays[~seen] == 0.0).all()
