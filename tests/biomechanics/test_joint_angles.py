from __future__ import annotations

import numpy as np
import pytest

from multiview.biomechanics.joint_angles import ANGLES, NEVER_KNOWN, joint_angles, known_angles
from multiview.biomechanics.measured_angles import measured_angles, travel_direction
from multiview.biomechanics.movement import Movement, propagated_sd
from multiview.body.skeleton import load_skeleton
from multiview.errors import ConfigError
from tests.biomechanics.walking import off_deg, true_angles, walk, walker

_WORST_DEG = 2.0  # what joints alone can be off: the trunk is a line from hips to shoulders, the body bends in between


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_angles_of_a_walker_are_those_that_pose_the_body(seed: int) -> None:
    person = walker(seed, heading=0.9 * seed)
    moving = walk(person)
    found = joint_angles(moving.joints, moving.xyz, travel=travel_direction(moving))
    true = true_angles(person, moving.time_s)
    assert set(true) == set(known_angles(moving.joints)) - {name for name in ANGLES if "tilt" in name} - {
        "trunk_inclination_deg"
    }
    for name, values in true.items():
        off = off_deg(found[name], values)
        assert np.nanmax(np.abs(off)) < _WORST_DEG, name
        if "plane_of" not in name and "axial" not in name:  # the arms hang: there these two mean nothing
            assert np.isfinite(off).all(), name


def test_angles_do_not_flip_when_the_knee_is_bent_the_other_way() -> None:
    joints = load_skeleton("coco17").joints
    standing = walk(walker(), "coco17", seconds=0.1)
    for bend in (-25.0, -12.0, 0.0, 12.0, 25.0):
        xyz = standing.xyz[:1].copy()
        hip, knee, ankle = (joints.index(f"left_{name}") for name in ("hip", "knee", "ankle"))
        down = np.array([0.0, 0.0, -0.4])
        back = -np.array([np.cos(0.5), np.sin(0.5), 0.0]) * 0.4  # of someone who walks at 0.5 rad
        xyz[0, knee] = xyz[0, hip] + down
        xyz[0, ankle] = xyz[0, knee] + np.cos(np.radians(bend)) * down + np.sin(np.radians(bend)) * back
        found = joint_angles(joints, xyz)
        assert found["left_knee_flexion_deg"][0] == pytest.approx(bend, abs=0.6), bend
        assert abs(found["left_hip_rotation_deg"][0]) < 15 or abs(bend) < 10


@pytest.mark.parametrize(
    ("skeleton", "unknown"),
    [
        ("coco17", ("ankle", "wrist", "pronation")),
        ("halpe26", ("wrist", "pronation")),
        ("blazepose33", ("inversion", "ankle_rotation")),
        ("coco133", ()),
    ],
)
def test_angles_that_joints_do_not_determine_are_nan(skeleton: str, unknown: tuple[str, ...]) -> None:
    moving = walk(walker(), skeleton, seconds=1.2)
    found = joint_angles(moving.joints, moving.xyz, travel=travel_direction(moving))
    known = {name for name, values in found.items() if np.isfinite(values).any()}
    assert known == set(known_angles(moving.joints))
    assert known == {name for name in ANGLES if name not in NEVER_KNOWN and not any(u in name for u in unknown)}


def test_axial_rotation_of_a_straight_leg_is_nan() -> None:
    joints = load_skeleton("halpe26").joints
    moving = walk(walker(), "halpe26", seconds=0.1)
    xyz = moving.xyz[:1].copy()
    hip, knee, ankle = (joints.index(f"right_{name}") for name in ("hip", "knee", "ankle"))
    xyz[0, knee] = 0.5 * (xyz[0, hip] + xyz[0, ankle])
    found = joint_angles(joints, xyz)
    for name in ("hip_rotation", "ankle_inversion", "ankle_rotation"):
        assert np.isnan(found[f"right_{name}_deg"]).all()
        assert np.isfinite(found[f"left_{name}_deg"]).all()
    for name in ("hip_flexion", "hip_abduction", "knee_flexion", "ankle_dorsiflexion"):
        assert np.isfinite(found[f"right_{name}_deg"]).all()


def test_standard_deviations_are_those_of_many_noisy_copies() -> None:
    moving = walk(walker(), "halpe26", seconds=1.2)
    at = 30
    measured = measured_angles(moving)
    rng = np.random.default_rng(0)
    copies = moving.xyz[at] + 0.005 * rng.normal(size=(4000, *moving.xyz[at].shape))
    travel = np.broadcast_to(travel_direction(moving)[at], (4000, 3))
    spread = joint_angles(moving.joints, copies, travel=travel)
    for name in ("left_knee_flexion_deg", "right_hip_flexion_deg", "trunk_rotation_deg", "pelvis_obliquity_deg"):
        off = off_deg(spread[name], measured.value[name][at])
        # 4,000 copies know a deviation to 1.1 %; angles are nearly linear in 5 mm.
        assert np.sqrt(np.mean(off**2)) == pytest.approx(measured.sd[name][at], rel=0.06), name


def test_standard_deviation_rests_on_the_joints_it_needs_alone() -> None:
    xyz = np.zeros((2, 3, 3))
    cov = np.broadcast_to(np.diag([1e-6, 4e-6, 9e-6]), (2, 3, 3, 3)).copy()
    cov[:, 2] = np.nan
    sd = propagated_sd(lambda xyz, _: np.stack([xyz[:, 0, 2], xyz[:, 1, 1] - xyz[:, 2, 1]], axis=1), xyz, cov)
    np.testing.assert_allclose(sd[:, 0], 3e-3, rtol=1e-6)
    assert np.isnan(sd[:, 1]).all()


def test_angles_of_a_skeleton_without_limbs_are_refused() -> None:
    with pytest.raises(ConfigError, match="left_wrist"):
        joint_angles(("left_shoulder", "nose"), np.zeros((1, 2, 3)))


def test_travel_has_no_direction_for_who_stays() -> None:
    moving = walk(walker(), "coco17", seconds=1.0)
    still = Movement("", moving.joints, 0, moving.time_s, moving.rate, moving.xyz[[0] * 60], moving.cov, moving.filled)
    assert np.isnan(travel_direction(still)).all()
    np.testing.assert_allclose(travel_direction(moving), [[np.cos(0.5), np.sin(0.5), 0.0]] * 60, atol=0.1)
