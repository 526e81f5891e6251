"""Fingers that bend as fingers do are left alone; those that do not come back within what a finger can do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multiview.body.hands import hand_indices
from multiview.body.skeleton import load_skeleton
from multiview.fusion.finger_limits import FingerLimits
from multiview.fusion.state.body_model import Body

SKELETON = load_skeleton("blazepose75")
BODY, LIMITS = Body.of(SKELETON), FingerLimits(SKELETON)
SIDES = ("left", "right")
FLEXION = (30.0, 50.0, 32.0)  # deg, of a finger that is bent as fingers are
LENGTHS = (0.045, 0.027, 0.021)  # m
ROOTS = {1: (0.02, 0.03), 5: (0.095, 0.025), 9: (0.095, 0.0), 13: (0.09, -0.018), 17: (0.08, -0.035)}  # along, across
SURE, UNSURE = 0.002**2, 0.03**2  # m^2
TURNED = Rotation.from_euler("xyz", (25, -70, 130), degrees=True).as_matrix()


def finger(flexion: tuple[float, ...], abduction: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """(4, 3) m, from its root, with x along the palm, y towards the thumb and z out of the back."""
    points = [np.zeros(3)]
    base = Rotation.from_euler("ZX", (abduction, turn), degrees=True)
    for k, length in enumerate(LENGTHS):
        points.append(
            points[-1] + base.apply(Rotation.from_euler("y", sum(flexion[: k + 1]), degrees=True).apply([length, 0, 0]))
        )
    return np.array(points)


def hand(side: str, **fingers: np.ndarray) -> np.ndarray:
    """(21, 3) m, bent as hands are but for the fingers that are given by the number of their root."""
    xyz = np.zeros((21, 3))
    for first, root in ROOTS.items():
        usual = finger((20.0, 20.0, 15.0), 40.0, -75.0) if first == 1 else finger(FLEXION)
        xyz[first : first + 4] = fingers.get(f"at{first}", usual) + np.array([*root, 0.0])
    return (xyz * (1, 1, -1 if side == "left" else 1)) @ TURNED.T + (1.0, 2.0, 0.9)


def joints_of(side: str) -> np.ndarray:
    joints = hand_indices(SKELETON, side)
    assert joints is not None
    return joints


def constrained(
    hands: dict[str, np.ndarray], variance: np.ndarray | float = SURE, length_sd: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """(J, 3) m and (J, 3, 3) m^2 of a pose with these hands, and each finger's bones as long as LENGTHS say."""
    count = len(SKELETON.joints)
    xyz, cov = np.zeros((1, count, 3)), np.zeros((1, count, 3, 3))
    length = np.zeros((1, len(BODY.ends)))
    for side, points in hands.items():
        own = joints_of(side)
        xyz[0, own] = points
        cov[0, own] = np.broadcast_to(variance, 21)[:, None, None] * np.eye(3)
        for first in ROOTS:
            length[0, own[first + 1 : first + 4]] = LENGTHS
    LIMITS.constrain(np.zeros(1, np.int64), length, (length_sd * length) ** 2, xyz, cov)
    return xyz[0], cov[0]


def angles(points: np.ndarray) -> np.ndarray:
    """(2,) deg, between the bones of a finger."""
    bones = np.diff(points, axis=0)
    bones /= np.linalg.norm(bones, axis=1, keepdims=True)
    return np.degrees(np.arccos((bones[1:] * bones[:-1]).sum(axis=1)))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("flexion", [(0.0, 0.0, 0.0), FLEXION, (85.0, 100.0, 66.0), (-20.0, 5.0, 3.0)])
def test_fingers_that_bend_as_fingers_do_stay(side: str, flexion: tuple[float, ...]) -> None:
    true = hand(
        side, at5=finger(flexion, 10.0), at17=finger(flexion, -12.0), at1=finger((10.0, 30.0, 40.0), 30.0, -70.0)
    )
    xyz, _ = constrained({side: true})
    assert np.abs(xyz[joints_of(side)] - true).max() < 5e-4


@pytest.mark.parametrize("side", SIDES)
def test_finger_bent_backwards_is_bent_back(side: str) -> None:
    """A middle joint that is 60 degrees beyond straight, which two views guess, comes within its range."""
    xyz, _ = constrained({side: hand(side, at9=finger((30.0, -60.0, 0.0)))}, UNSURE)
    own = xyz[joints_of(side)]
    other = 1 if side == "left" else -1
    bones = np.diff(own[9:13], axis=0)
    across = np.cross(bones[0], bones[1]) @ (own[5] - own[17])
    assert other * across > 0 or angles(own[9:13])[0] < 13.0
    np.testing.assert_allclose(np.linalg.norm(bones, axis=1), LENGTHS, rtol=1e-9)


def test_finger_bent_sideways_lies_in_its_plane() -> None:
    """The middle joint of a finger is a hinge: the tip comes back from a side that it cannot be on."""
    sideways = finger((10.0, 30.0, 20.0))
    sideways[2:, 1] += (0.01, 0.02)
    xyz, _ = constrained({"right": hand("right", at9=sideways)}, UNSURE)
    points = xyz[joints_of("right")][9:13] - (1.0, 2.0, 0.9)
    points = points @ TURNED
    normal = np.cross(points[1] - points[0], points[3] - points[0])
    assert abs((points[2] - points[0]) @ normal / np.linalg.norm(normal)) < 1e-9
    assert np.ptp(points[:, 1]) < 0.5 * np.ptp(sideways[:, 1])


def test_tip_that_nothing_measures_bends_by_two_thirds() -> None:
    variance = np.full(21, SURE)
    variance[[8, 12]] = 1.0
    bent = finger((20.0, 60.0, 0.0))
    xyz, cov = constrained({"right": hand("right", at5=bent, at9=bent)}, variance)
    for first in (5, 9):
        points = joints_of("right")[first : first + 4]
        middle, outer = angles(xyz[points])
        assert outer == pytest.approx(2 / 3 * middle, abs=0.5)
        assert np.trace(cov[points[3]]) < 3 * 0.021**2


def test_fingers_errors_shrink_and_are_stated_honestly() -> None:
    """Of joints with white errors of 6 mm, in hands of all shapes: what is given out is nearer, and says how near."""
    rng = np.random.default_rng(3)
    sd, before, after, nees = 0.006, [], [], []
    own = joints_of("left")
    for _ in range(60):
        shapes = {
            f"at{first}": finger((b := rng.uniform(0, 80), 1.1 * b, 0.7 * b + rng.normal(0, 8)), rng.normal(0, 6))
            for first in (5, 9, 13, 17)
        }
        true = hand("left", **shapes)
        seen = true + rng.normal(0, sd, true.shape)
        xyz, cov = constrained({"left": seen}, sd**2)
        off = (xyz[own] - true)[5:]
        before.append(((seen - true)[5:] ** 2).sum(-1))
        after.append((off**2).sum(-1))
        nees.append((off * np.linalg.solve(cov[own][5:] + 1e-10 * np.eye(3), off[..., None])[..., 0]).sum(-1) / 3)
    assert np.sqrt(np.mean(after) / np.mean(before)) < 0.85
    assert 0.5 < np.mean(nees) < 1.1  # independent errors: those of fusion are tied by bones, and this is known


def test_fingers_of_unknown_bones_or_joints_are_left_alone() -> None:
    broken = hand("left", at5=finger((0.0, -80.0, -60.0)))
    xyz, _ = constrained({"left": broken}, length_sd=0.5)
    assert xyz[joints_of("left")].tobytes() == broken.tobytes()
    broken[7] = np.nan
    xyz, _ = constrained({"left": broken})
    np.testing.assert_array_equal(xyz[joints_of("left")][5:9], broken[5:9])


def test_left_hands_are_right_hands_in_a_mirror() -> None:
    rng = np.random.default_rng(5)
    noisy = hand("right") + rng.normal(0, 0.01, (21, 3))
    mirror = np.array([-1.0, 1.0, 1.0])
    xyz, cov = constrained({"right": noisy, "left": noisy * mirror}, UNSURE)
    np.testing.assert_allclose(xyz[joints_of("left")], xyz[joints_of("right")] * mirror, atol=1e-9)
    np.testing.assert_allclose(cov[joints_of("left")], cov[joints_of("right")] * np.outer(mirror, mirror), atol=1e-12)


def test_skeletons_without_hands_have_no_fingers() -> None:
    limits = FingerLimits(load_skeleton("coco17"))
    xyz, cov = np.ones((2, 17, 3)), np.ones((2, 17, 3, 3))
    limits.constrain(np.arange(2), np.ones((2, 17)), np.ones((2, 17)), xyz, cov)
    assert (xyz == 1).all()
    assert (cov == 1).all()
