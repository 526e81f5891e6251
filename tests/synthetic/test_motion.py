"""Do synthetic people move as people do?"""

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton, skeleton_names
from multiview.synthetic import Studio, StudioOptions, make_studio
from multiview.synthetic.anatomy import joint_names
from multiview.synthetic.paths import MAX_TURN_RATE, simulate_paths

_SIDES = ("left", "right")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(StudioOptions(people=5, seconds=20, leaving=2, skeleton="body25", seed=4))


def positions(studio: Studio, joint: str) -> np.ndarray:
    """(T, P, 3), NaN while away."""
    xyz = np.full((studio.frames, studio.options.people, 3), np.nan)
    xyz[studio.truth.frame, studio.truth.actor] = studio.truth.xyz[:, studio.skeleton.index(joint)]
    return xyz


@pytest.mark.parametrize("name", skeleton_names())
def test_every_shipped_skeleton_can_be_simulated(name):
    assert set(load_skeleton(name).joints) <= set(joint_names())


def test_bones_of_limbs_keep_their_length_and_people_differ(studio):
    for a, b in (
        ("left_hip", "left_knee"),
        ("right_knee", "right_ankle"),
        ("left_elbow", "left_wrist"),
        ("nose", "left_ear"),
    ):
        length = np.linalg.norm(positions(studio, a) - positions(studio, b), axis=-1)
        assert np.nanstd(length, axis=0).max() < 1e-9
        assert np.nanmean(length, axis=0).std() > 0.002


def test_left_and_right_limbs_are_alike(studio):
    thigh = [np.linalg.norm(positions(studio, f"{s}_knee") - positions(studio, f"{s}_hip"), axis=-1) for s in _SIDES]
    np.testing.assert_allclose(*thigh, rtol=1e-9)


def test_people_walk_upright_on_the_floor_and_sit_down(studio):
    heel = np.fmin(positions(studio, "left_heel")[..., 2], positions(studio, "right_heel")[..., 2])
    toe = np.fmin(positions(studio, "left_big_toe")[..., 2], positions(studio, "right_big_toe")[..., 2])
    assert np.nanmax(np.abs(np.fmin(heel, toe))) < 0.05
    nose, hip = positions(studio, "nose")[..., 2], positions(studio, "mid_hip")[..., 2]
    assert (np.nanmin(nose - hip) > 0.4) & (np.nanmax(nose) < 2.0)
    assert np.nanmin(hip) < 0.55 < 0.8 < np.nanmedian(hip)


def test_motion_is_smooth_and_no_faster_than_people(studio):
    limits = {"mid_hip": (2.0, 25), "nose": (3.0, 30), "left_wrist": (5.0, 60), "left_ankle": (7.0, 100)}
    for joint, (speed, acceleration) in limits.items():
        xyz = positions(studio, joint)
        assert np.nanmax(np.linalg.norm(np.diff(xyz, axis=0), axis=-1)) * studio.fps < speed
        assert np.nanmax(np.linalg.norm(np.diff(xyz, 2, axis=0), axis=-1)) * studio.fps**2 < acceleration


@pytest.mark.parametrize("apart", [0.4, 0.2])
def test_people_meet_at_the_passing_distance_and_turn_no_faster_than_asked(apart):
    paths = simulate_paths(4, 900, 30.0, 4.0, StudioOptions(passing_m=apart), np.random.default_rng(1))
    between = np.linalg.norm(paths.position[:, None] - paths.position, axis=-1)
    between = between[np.triu_indices(4, 1)]
    assert 0.85 * apart < between.min() < 1.2 * apart
    closest = (between[:, 1:-1] < between[:, :-2]) & (between[:, 1:-1] <= between[:, 2:])
    assert (closest & (between[:, 1:-1] < apart + 0.2)).sum() >= 5
    assert np.abs(np.diff(paths.heading, axis=1)).max() * 30 <= MAX_TURN_RATE
    assert np.abs(np.diff(paths.heading, axis=1)).max() * 30 > 0.8 * MAX_TURN_RATE


def test_who_leaves_is_away_for_three_seconds_and_returns_where_they_left(studio):
    hip = positions(studio, "mid_hip")
    away = np.isnan(hip[..., 0])
    for person in (0, 1):
        gone = np.flatnonzero(away[:, person])
        assert 3.0 <= len(gone) / studio.fps < 6.0
        assert np.array_equal(gone, np.arange(gone[0], gone[-1] + 1))
        assert np.linalg.norm(hip[gone[0] - 1, person] - hip[gone[-1] + 1, person]) < 0.5
    assert not away[:, 2:].any()
