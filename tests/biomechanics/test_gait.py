"""Contacts, steps and centre of mass of a walker who knows them: exact joints, and joints fused from four cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from multiview.biomechanics.centre_of_mass import SEGMENT_MASSES, centre_of_mass, joint_weights
from multiview.biomechanics.contacts import Contacts, Floor, find_contacts, find_floor
from multiview.biomechanics.gait import analyse_gait
from multiview.biomechanics.measured_angles import measured_angles
from multiview.biomechanics.movement import Movement, movement
from multiview.body.skeleton import load_skeleton
from multiview.errors import ConfigError, SourceError
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.smoother import Smoothed
from multiview.recordings.pose_table import Poses
from multiview.synthetic import StudioOptions
from multiview.synthetic import walker as truth
from multiview.synthetic.studio import make_walker_studio
from multiview.synthetic.walker import Walker
from tests.biomechanics.walking import off_deg, true_angles, walk, walker


def off_frames(person: Walker, moving: Movement, contacts: Contacts) -> np.ndarray:
    """(contacts, 2): how late each true strike and off was found, in frames; NaN where it was not found."""
    rows = []
    for true in person.contacts(moving.time_s[0] + 0.1, moving.time_s[-1] - 0.1):
        near = [c for c in contacts.each if c.side == true.side and abs(c.strike_s - true.strike_s) < 0.3]
        found = near[0] if near else None
        rows.append((found.strike_s - true.strike_s, found.off_s - true.off_s) if found else (np.nan, np.nan))
    return np.array(rows) * moving.rate


@pytest.mark.parametrize("fps", [30.0, 60.0, 100.0])
def test_contacts_are_found_within_two_frames(fps: float) -> None:
    person = walker(2)
    moving = walk(person, "halpe26", 4.0, fps)
    off = off_frames(person, moving, find_contacts(moving))
    assert len(off) >= 5
    assert np.abs(off).max() < 2, "each of them"


@pytest.mark.parametrize("skeleton", ["coco133", "halpe26", "body25", "blazepose33"])
def test_contacts_of_heel_and_toe_are_the_walkers(skeleton: str) -> None:
    person = walker(3)
    moving = walk(person, skeleton, 4.0)
    found = find_contacts(moving)
    for side in ("left", "right"):
        for point, true in person.planted(side, moving.time_s).items():
            assert (found.on[f"{side}_{point}"] == true).mean() > 0.9


def test_contacts_of_ankles_alone_have_no_end() -> None:
    person = walker(2)
    moving = walk(person, "coco17", 4.0, 30.0)
    off = off_frames(person, moving, find_contacts(moving))
    assert np.abs(off[:, 0]).max() < 2
    assert np.isnan(off[:, 1]).all(), "an ankle rises long before the toes leave"


def test_contacts_scale_with_the_person() -> None:
    person = walker(2)
    moving = walk(person, "halpe26", 4.0)
    small = replace(moving, xyz=0.6 * moving.xyz, time_s=np.sqrt(0.6) * moving.time_s, rate=moving.rate / np.sqrt(0.6))
    large, little = find_contacts(moving), find_contacts(small)
    for name, on in large.on.items():
        assert (little.on[name] == on).mean() > 0.98, name


def test_contacts_need_the_floor_where_it_is_given() -> None:
    moving = walk(walker(2), "halpe26", 3.0)
    up = np.array([0.0, 0.0, 1.0])
    assert len(find_contacts(moving, Floor(up, 0.0, True)).each) == len(find_contacts(moving).each)
    assert find_contacts(moving, Floor(up, -0.5, True)).each == (), "a foot half a metre above it"


def test_floor_is_found_in_a_world_that_lies_on_its_side() -> None:
    moving = walk(walker(2, heading=0.0), "halpe26", 4.0)
    turned = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    floor = find_floor(replace(moving, xyz=moving.xyz @ turned.T + 3.0))
    assert floor.up @ turned[:, 2] > np.cos(np.radians(3)), "the body is upright to 3 degrees"


def test_nobody_still_has_no_floor() -> None:
    moving = walk(walker(2), "halpe26", 1.0)
    with pytest.raises(SourceError, match="no foot is ever still"):
        find_floor(replace(moving, xyz=moving.xyz + 9.0 * moving.time_s[:, None, None]))


def test_steps_are_the_walkers() -> None:
    person = walker(2)
    moving = walk(person, "halpe26", 5.0)
    gait = analyse_gait(moving, find_contacts(moving))
    found = gait.parameters
    assert found["step_length"].n >= 6
    assert max(abs(step.length_m - person.stride_m / 2) for step in gait.steps) < 0.015
    # Of the heels, which toes turned outwards by 6 degrees bring nearer to each other.
    width = person.step_width_m - 2 * 0.033 * person.build.height * np.sin(np.radians(6.0))
    assert found["step_width"].mean == pytest.approx(width, abs=0.003)
    frame = 1 / moving.rate
    assert found["stride_time"].mean == pytest.approx(person.cycle_s, abs=frame / 2)
    assert found["cadence"].mean == pytest.approx(120 / person.cycle_s, abs=120 / person.cycle_s**2 * frame / 2)
    assert found["speed"].mean == pytest.approx(person.speed_m_s, abs=0.01)
    assert found["stance"].mean == pytest.approx(62, abs=100 * 2 * frame / person.cycle_s)
    assert found["double_support"].mean == pytest.approx(24, abs=100 * 4 * frame / person.cycle_s)
    assert found["left_step_length"].n + found["right_step_length"].n == found["step_length"].n


def test_who_stands_takes_no_steps() -> None:
    moving = walk(walker(2), "halpe26", 2.0)
    still = replace(moving, xyz=np.repeat(moving.xyz[:1], len(moving.xyz), axis=0))
    gait = analyse_gait(still, find_contacts(still))
    assert gait.steps == ()
    assert np.isnan(gait.parameters["cadence"].mean)


@pytest.mark.parametrize("skeleton", ["coco133", "halpe26", "coco17"])
@pytest.mark.parametrize("sex", ["male", "unknown"])
def test_centre_of_mass_is_that_of_the_bodys_parts(skeleton: str, sex: str) -> None:
    for seed in (1, 2):
        person = walker(seed)
        moving = walk(person, skeleton, 1.2)
        found = centre_of_mass(moving, sex)
        true = truth.centre_of_mass(person.build, person.posture(moving.time_s))
        assert np.linalg.norm(found.xyz - true, axis=1).max() < 0.010
    weights = joint_weights(moving.joints, sex)
    np.testing.assert_allclose(np.sqrt(found.cov[0, 0, 0]), 0.005 * np.sqrt((weights**2).sum()), rtol=1e-9)


def test_masses_of_the_segments_are_a_whole_body() -> None:
    for sex in (0, 1):
        one = sum(s.mass[sex] * (1 if name in ("head", "trunk") else 2) for name, s in SEGMENT_MASSES.items())
        assert one == pytest.approx(1.0, abs=2e-4)  # the table rounds to 0.01 %


def test_centre_of_mass_needs_limbs() -> None:
    with pytest.raises(ConfigError, match="left_shoulder"):
        joint_weights(("nose", "left_ear", "right_ear"))


@pytest.mark.slow
def test_everything_holds_for_poses_fused_from_four_cameras() -> None:
    person = replace(walker(2), start=-2.6 * np.array([np.cos(0.5), np.sin(0.5)]))
    studio = make_walker_studio(StudioOptions(cameras=4, people=1, seconds=4.4, seed=2, skeleton="halpe26"), person)
    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton), 10**6)
    for frame in range(studio.frames):
        smoothed.step(studio.views(frame))
    poses = Poses.from_tracks(smoothed.finish(), load_skeleton("halpe26"))
    (number,) = poses.people
    moving = movement(poses, int(number))
    contacts = find_contacts(moving)
    off = off_frames(person, moving, contacts)
    assert np.mean(np.abs(off).max(axis=1) < 2) >= 0.95
    assert all(abs(step.length_m - person.stride_m / 2) < 0.015 for step in analyse_gait(moving, contacts).steps)
    centre = centre_of_mass(moving, "male").xyz - truth.centre_of_mass(person.build, person.posture(moving.time_s))
    assert np.linalg.norm(centre, axis=1).max() < 0.010
    angles, true = measured_angles(moving), true_angles(person, moving.time_s)
    ratios = []
    for name in ("hip_flexion", "knee_flexion", "elbow_flexion", "shoulder_flexion", "hip_abduction"):
        for side in ("left", "right"):
            off = off_deg(angles.value[f"{side}_{name}_deg"], true[f"{side}_{name}_deg"])
            ratios.append(np.sqrt(np.nanmean((off / angles.sd[f"{side}_{name}_deg"]) ** 2)))
    assert 0.5 < np.mean(ratios) < 1.6, "standard deviations are about as large as the errors"
