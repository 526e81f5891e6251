"""Rotations give the positions back, do not flip, and angles are those that were put in."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.biomechanics.joint_angles import joint_angles
from multiview.body.frames import YUP_FROM_WORLD
from multiview.body.kinematics import Motion, RotationSolver, forward_kinematics, humanoid, points, world_rotations
from multiview.body.kinematics_kernels import carry_hinge
from multiview.body.skeleton import load_skeleton
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_angle, rotation_from_vector
from multiview.synthetic import StudioOptions, make_studio
from tests.figures import figure

FPS = 25.0


@pytest.fixture(scope="module")
def walk() -> tuple[tuple[str, ...], np.ndarray]:
    """A minute of someone's true joints."""
    truth = make_studio(StudioOptions(cameras=2, people=1, seconds=60.0, fps=FPS, seed=5)).truth
    return tuple(truth.joints), truth.xyz[truth.actor == truth.actor[0]]


def _solve(joints: tuple[str, ...], xyz: np.ndarray) -> tuple[Motion, dict[str, np.ndarray]]:
    person = humanoid(joints, xyz)
    motion = RotationSolver(person, joints, 1 / FPS).solve(xyz)
    return motion, forward_kinematics(person, motion)


def test_forward_kinematics_gives_the_joints_back(walk: tuple[tuple[str, ...], np.ndarray]) -> None:
    joints, xyz = walk
    motion, found = _solve(joints, xyz)
    assert motion.known.all()
    for name, place in points(joints, xyz).items():
        assert np.linalg.norm(found[name] - place, axis=1).max() < 0.008, name


def test_rotations_are_rotations_and_never_flip(walk: tuple[tuple[str, ...], np.ndarray]) -> None:
    motion, _ = _solve(*walk)
    identity = motion.local @ np.swapaxes(motion.local, -1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(motion.local), 1.0, atol=1e-9)
    step = rotation_angle(np.swapaxes(motion.local[:-1], -1, -2) @ motion.local[1:])
    assert np.degrees(step).max() < 45


def test_knees_and_elbows_only_bend(walk: tuple[tuple[str, ...], np.ndarray]) -> None:
    joints, xyz = walk
    person = humanoid(joints, xyz)
    motion, _ = _solve(joints, xyz)
    for name, hinge in (("LeftLowerLeg", 0), ("RightLowerLeg", 0), ("LeftLowerArm", 1), ("RightLowerArm", 1)):
        axis = motion.local[:, person.index(name), :, hinge]
        assert np.quantile(axis[:, hinge], 0.01) > 0.98
        assert axis[:, hinge].min() > 0.9  # while a limb that was straight finds its plane again


def test_straight_legs_turn_with_the_person() -> None:
    """Somebody stands with straight knees and turns round once in four seconds; hips lead by 11 degrees."""
    skeleton = load_skeleton("coco17")
    standing = figure(skeleton).xyz
    for side in ("left", "right"):
        ends = [skeleton.index(f"{side}_{joint}") for joint in ("hip", "ankle")]
        standing[skeleton.index(f"{side}_knee")] = standing[ends].mean(axis=0)
    turns = rotation_from_vector(np.linspace(0.0, 2 * np.pi, round(4 * FPS))[:, None] * [0.0, 0.0, 1.0])
    motion, _ = _solve(skeleton.joints, np.einsum("tij,kj->tki", turns, standing))
    person = humanoid(skeleton.joints, standing[None])
    for bone in ("LeftUpperLeg", "RightUpperLeg"):
        across = motion.local[:, person.index(bone), 0, 0]  # the cosine between the knee's axis and the hips'
        assert np.degrees(np.arccos(np.clip(across, -1, 1))).max() < 15


def test_frame_by_frame_is_the_same_as_all_at_once(walk: tuple[tuple[str, ...], np.ndarray]) -> None:
    joints, xyz = walk[0], walk[1][:40].copy()
    xyz[10:20, joints.index("left_wrist")] = np.nan
    person = humanoid(joints, walk[1])
    at_once = RotationSolver(person, joints, 1 / FPS).solve(xyz)
    live = RotationSolver(person, joints, 1 / FPS)
    one_by_one = [live.solve(xyz[i : i + 1]) for i in range(len(xyz))]
    np.testing.assert_allclose(np.concatenate([motion.local for motion in one_by_one]), at_once.local, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([motion.root for motion in one_by_one]), at_once.root)


def test_the_unknown_is_held_and_said(walk: tuple[tuple[str, ...], np.ndarray]) -> None:
    joints, xyz = walk[0], walk[1][:60].copy()
    xyz[20:30, joints.index("right_knee")] = np.nan
    person = humanoid(joints, xyz)
    motion, found = _solve(joints, xyz)
    leg = person.index("RightUpperLeg")
    np.testing.assert_array_equal(np.flatnonzero(~motion.known[:, leg]), np.arange(20, 30))
    np.testing.assert_allclose(motion.local[20:30, leg], np.broadcast_to(motion.local[19, leg], (10, 3, 3)))
    assert all(np.isfinite(place).all() for place in found.values())


def test_carry_hinge_is_its_numpy_twin() -> None:
    rng = np.random.default_rng(1)
    along = np.cumsum(rng.normal(size=(200, 3)) * 0.1, axis=0) + np.array([0.0, 0.0, 3.0])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    bend = np.cross(along, along + rng.normal(size=(200, 3)) * 0.2)
    along[50:55] = np.nan
    start = np.array([1.0, 0.0, 0.0])
    axis = start
    for t, axes in enumerate(carry_hinge(along, bend, start, 0.3)):
        d = along[t]
        if np.isfinite(d).all():
            axis = axis - (axis @ d) * d
            axis = axis / np.linalg.norm(axis)
            sine = np.linalg.norm(bend[t])
            if sine > 0.08:
                turn = np.arctan2(bend[t] @ np.cross(d, axis), bend[t] @ axis)
                turn = np.clip(turn * min((sine - 0.08) / 0.22, 1.0), -0.3, 0.3)
                axis = rotation_from_vector(turn * d) @ axis
        np.testing.assert_allclose(axes, axis, atol=1e-9)


@pytest.mark.parametrize("knee", [0.0, 5.0, 60.0, 120.0])
def test_angles_are_those_of_the_posture(knee: float) -> None:
    skeleton = load_skeleton("coco17")
    standing = figure(skeleton, (0.0, 0.0), 0.7).xyz[None]
    person = humanoid(skeleton.joints, standing)
    rest = RotationSolver(person, skeleton.joints, 1.0).solve(standing)
    local = np.tile(np.eye(3), (1, len(person.bones), 1, 1))
    local[0, 0] = rest.local[0, 0]
    about_x = np.array([1.0, 0.0, 0.0])
    local[0, person.index("LeftLowerLeg")] = rotation_from_vector(np.radians(knee) * about_x)
    local[0, person.index("RightUpperLeg")] = rotation_from_vector(np.radians(-40.0) * about_x)
    local[0, person.index("LeftLowerArm")] = rotation_from_vector(np.radians(-75.0) * np.array([0.0, 1.0, 0.0]))
    local[0, person.index("RightUpperArm")] = rotation_from_vector(np.radians(50.0) * np.array([0.0, 0.0, 1.0]))
    place = forward_kinematics(person, Motion(rest.root, local, rest.known))
    xyz = np.full_like(standing, np.nan)
    parts = {"shoulder": "UpperArm", "elbow": "LowerArm", "wrist": "Hand", "hip": "UpperLeg", "knee": "LowerLeg"}
    for part, bone in (parts | {"ankle": "Foot"}).items():
        for side in ("left", "right"):
            xyz[0, skeleton.index(f"{side}_{part}")] = place[side.title() + bone][0]
    angles = {name: float(angle[0]) for name, angle in joint_angles(skeleton.joints, xyz).items()}
    assert angles["left_knee_flexion_deg"] == pytest.approx(knee, abs=0.01)
    assert angles["right_knee_flexion_deg"] == pytest.approx(0.0, abs=0.01)
    assert angles["right_hip_flexion_deg"] == pytest.approx(40.0, abs=0.01)
    assert angles["left_hip_flexion_deg"] == pytest.approx(0.0, abs=0.01)
    assert angles["left_hip_abduction_deg"] == pytest.approx(0.0, abs=0.01)
    assert angles["left_elbow_flexion_deg"] == pytest.approx(75.0, abs=0.01)
    assert angles["left_shoulder_elevation_deg"] == pytest.approx(90.0, abs=0.01)
    assert angles["right_shoulder_elevation_deg"] == pytest.approx(40.0, abs=0.01)
    assert angles["trunk_inclination_deg"] == pytest.approx(0.0, abs=0.01)


def test_a_skeleton_without_limbs_is_refused() -> None:
    with pytest.raises(ConfigError, match="left_elbow"):
        points(("nose", "left_shoulder"), np.zeros((1, 2, 3)))


@pytest.fixture(scope="module")
def gestures() -> tuple[tuple[str, ...], np.ndarray]:
    """Twelve seconds of someone who claps, crosses their arms, and opens and closes their hands."""
    options = StudioOptions(
        cameras=2, people=1, seconds=12.0, fps=FPS, seed=2, skeleton="blazepose75", gestures=("clap", "cross", "behind")
    )
    truth = make_studio(options).truth
    return tuple(truth.joints), truth.xyz


def test_forward_kinematics_gives_the_fingers_back(gestures: tuple[tuple[str, ...], np.ndarray]) -> None:
    """Hands that have no error come back exactly, and a hand below a forearm that is twisted likewise."""
    joints, xyz = gestures
    motion, found = _solve(joints, xyz)
    assert motion.known.all()
    places = points(joints, xyz)
    fingers = [name for name in places if name.endswith(("Metacarpal", "Proximal", "Intermediate", "Distal", "Tip"))]
    assert len(fingers) == 40
    hands = {side: found[f"{side}Hand"] - places[f"{side}Hand"] for side in ("Left", "Right")}
    for name in fingers:
        side = "Left" if name.startswith("Left") else "Right"
        assert np.linalg.norm(found[name] - places[name] - hands[side], axis=1).max() < 1e-6, name
        assert np.linalg.norm(found[name] - places[name], axis=1).max() < 0.008, name


def test_fingers_bend_about_their_hinges_and_never_flip(gestures: tuple[tuple[str, ...], np.ndarray]) -> None:
    """Outer joints of fingers only bend, towards the palm; no bone is rotated by more than a hand can in 40 ms."""
    joints, xyz = gestures
    person = humanoid(joints, xyz)
    motion, _ = _solve(joints, xyz)
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for bone in ("IndexIntermediate", "MiddleDistal", "LittleIntermediate"):
            local = motion.local[:, person.index(f"{side}{bone}")]
            assert local[:, 2, 2].min() > 0.99  # the hinge axis is z, but for how the finger is spread
            bent = np.degrees(np.arctan2(-sign * local[:, 1, 0], local[:, 0, 0]))
            assert bent.min() > -12
            assert bent.max() > 50
    step = rotation_angle(np.swapaxes(motion.local[:-1], -1, -2) @ motion.local[1:])
    assert np.degrees(step).max() < 75


def test_hands_of_unknown_joints_are_held(gestures: tuple[tuple[str, ...], np.ndarray]) -> None:
    joints, xyz = gestures
    gone = xyz.copy()
    gone[100:, [joints.index(f"left_forefinger{i}") for i in (1, 2, 3, 4)]] = np.nan
    motion, _ = _solve(joints, gone)
    index = humanoid(joints, gone).index("LeftIndexProximal")
    assert not motion.known[100:, index].any()
    np.testing.assert_array_equal(motion.local[100:, index], np.broadcast_to(motion.local[99, index], (200, 3, 3)))


def _nodding(seconds: float) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Somebody who stands and moves the head, and has a face: joints, places m, and the head's rotation."""
    skeleton = load_skeleton("blazepose87")
    time_s = np.arange(round(seconds * FPS)) / FPS
    turn = np.stack([0.3 * np.sin(3 * time_s), 0.6 * np.sin(1.7 * time_s), 0.2 * np.cos(2.3 * time_s)], axis=1)
    R = YUP_FROM_WORLD.T @ rotation_from_vector(turn)
    on_head = {"nose": (0, 0, 0.10), "face_30": (0, -0.01, 0.115), "face_27": (0, 0.03, 0.09)}
    for side, x in (("left", 1), ("right", -1)):
        on_head |= {f"{side}_ear": (0.075 * x, 0, 0), f"{side}_eye": (0.032 * x, 0.035, 0.08)}
    for i, x in ((36, -0.045), (39, -0.015), (42, 0.015), (45, 0.045)):
        on_head[f"face_{i}"] = (x, 0.035, 0.075)
    standing = figure(skeleton).xyz
    xyz = np.tile(standing, (len(time_s), 1, 1))
    ears = (standing[skeleton.index("left_ear")] + standing[skeleton.index("right_ear")]) / 2
    for name, place in on_head.items():
        if name in skeleton.joints:
            xyz[:, skeleton.index(name)] = ears + R @ np.array(place, dtype=float)
    return skeleton.joints, xyz, R


def test_head_turns_with_the_face_and_without_ears() -> None:
    """Ears that are 15 mm off leave the head where the face is, and so do ears that nobody sees."""
    joints, xyz, R = _nodding(20.0)
    person = humanoid(joints, xyz)
    rng, noisy = np.random.default_rng(2), xyz.copy()
    ears = [joints.index(f"{side}_ear") for side in ("left", "right")]
    noisy[:, ears] += rng.normal(0, 0.015, (len(xyz), 2, 3))
    noisy[::3, ears[0]] = np.nan
    for given, bound in ((xyz, 0.1), (noisy, 6.0)):
        motion = RotationSolver(person, joints, 1 / FPS).solve(given)
        found = world_rotations(person, motion)[:, person.index("Head")]
        off = np.degrees(rotation_angle(np.swapaxes(found, 1, 2) @ R))
        assert np.sqrt(np.mean(off**2)) < bound
    no_face = [j for j, name in enumerate(joints) if name.startswith("face_")]
    noisy[:, no_face] = np.nan
    motion = RotationSolver(person, joints, 1 / FPS).solve(noisy)
    off = np.degrees(rotation_angle(np.swapaxes(world_rotations(person, motion)[:, person.index("Head")], 1, 2) @ R))
    assert np.sqrt(np.mean(off**2)) > 8.0
