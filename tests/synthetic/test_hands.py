"""Do synthetic hands have the shape of hands, and do they do what they are told?"""

import numpy as np
import pytest

from multiview.body.hands import FINGERS, hand_indices
from multiview.body.skeleton import load_skeleton
from multiview.synthetic import Studio, StudioOptions, make_studio

OPTIONS = StudioOptions(cameras=2, people=1, seconds=10, skeleton="blazepose75", gestures=("clap", "cross", "behind"))
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(OPTIONS)


def hand(studio: Studio, side: str) -> np.ndarray:
    indices = hand_indices(studio.skeleton, side)
    assert indices is not None
    return studio.truth.xyz[:, indices]


def at(studio: Studio, joint: str) -> np.ndarray:
    return studio.truth.xyz[:, studio.skeleton.index(joint)]


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def palm(xyz: np.ndarray, side: str) -> np.ndarray:
    """Where the palm looks, by the roots of forefinger and little finger."""
    back = np.cross(xyz[:, 5] - xyz[:, 0], xyz[:, 17] - xyz[:, 0])
    return unit(back if side == "right" else -back)


@pytest.mark.parametrize("side", SIDES)
def test_fingers_keep_their_lengths(studio, side):
    xyz = hand(studio, side)
    for finger in range(5):
        length = np.linalg.norm(np.diff(xyz[:, 1 + 4 * finger : 5 + 4 * finger], axis=1), axis=-1)
        assert length.std(axis=0).max() < 1e-9
        assert (length.mean(axis=0) > 0.012).all()
        assert (np.diff(length.mean(axis=0)[:2]) < 0).all()
    np.testing.assert_allclose(
        *(np.linalg.norm(hand(studio, s)[0, 6] - hand(studio, s)[0, 5]) for s in SIDES), rtol=1e-9
    )


@pytest.mark.parametrize("side", SIDES)
def test_fingers_bend_towards_the_palm_and_lie_in_order(studio, side):
    """A fist and a pointing hand come up, and no finger is bent backwards."""
    xyz = hand(studio, side)
    inwards = palm(xyz, side)
    bent = {}
    for f, finger in enumerate(FINGERS[1:], start=1):
        first, last = (xyz[:, 1 + 4 * f + i + 1] - xyz[:, 1 + 4 * f + i] for i in (0, 2))
        bent[finger] = np.degrees(np.arccos(np.clip((unit(first) * unit(last)).sum(-1), -1, 1)))
        folded = bent[finger] > 60
        assert folded.any()
        tip = xyz[:, 4 + 4 * f] - xyz[:, 1 + 4 * f]
        assert ((tip * inwards).sum(-1)[folded] > 0).all()
    assert ((bent["forefinger"] < 30) & (bent["ring_finger"] > 80)).any()
    across = unit(xyz[:, 5] - xyz[:, 17])
    first, last = xyz[:, 2] - xyz[:, 1], xyz[:, 4] - xyz[:, 3]
    fist = bent["forefinger"] > 60
    assert ((unit(last) - unit(first)) * across).sum(-1)[fist].max() < -0.4  # a thumb bends across the palm
    order = [(xyz[:, 1 + 4 * f] * across).sum(-1) for f in range(1, 5)]
    assert (np.diff(order, axis=0) < 0).all()
    assert ((xyz[:, 2] - xyz[:, 9]) * across).sum(-1).min() > 0  # the thumb is on the forefinger's side


def test_hands_clap_cross_and_meet_behind_the_back(studio):
    body = unit(
        np.cross(
            at(studio, "left_shoulder") - at(studio, "right_shoulder"),
            at(studio, "left_shoulder") - at(studio, "left_hip"),
        )
    )
    middle = (at(studio, "left_shoulder") + at(studio, "right_shoulder")) / 2
    left = unit(at(studio, "left_shoulder") - at(studio, "right_shoulder"))
    wrists = {side: at(studio, f"{side}_wrist") - middle for side in SIDES}
    forward = {side: (wrists[side] * body).sum(-1) for side in SIDES}
    apart = np.linalg.norm(wrists["left"] - wrists["right"], axis=-1)
    facing = (palm(hand(studio, "left"), "left") * palm(hand(studio, "right"), "right")).sum(-1)
    before = (forward["left"] > 0.1) & (forward["right"] > 0.1)
    assert (before & (apart < 0.09) & (facing < -0.8)).any()  # the palms meet
    assert (before & (((wrists["left"] - wrists["right"]) * left).sum(-1) < -0.1)).any()  # the arms cross
    assert ((forward["left"] < -0.1) & (forward["right"] < -0.1) & (apart < 0.12)).any()  # behind the back


def test_gestures_and_fingers_change_nothing_else(studio):
    """The same body, whatever its hands do: but for the arms, and even these between gestures."""
    body = make_studio(StudioOptions(cameras=2, people=1, seconds=10, skeleton="blazepose33")).truth.xyz
    with_hands = studio.truth.xyz[:, :33]
    arms = [
        name.endswith(("elbow", "wrist", "pinky", "index", "thumb")) for name in load_skeleton("blazepose33").joints
    ]
    np.testing.assert_array_equal(with_hands[:, ~np.array(arms)], body[:, ~np.array(arms)])
    still = make_studio(StudioOptions(cameras=2, people=1, seconds=10, skeleton="blazepose75")).truth.xyz
    np.testing.assert_array_equal(still[:, :33], body)
    assert (np.abs(with_hands - body).max(axis=(1, 2)) < 1e-9).any()


def test_hand_swaps_exchange_fingers_of_near_hands_only():
    studio = make_studio(
        StudioOptions(
            cameras=1,
            people=1,
            seconds=5,
            skeleton="blazepose75",
            gestures=("clap",),
            hand_swaps=0.5,
            swaps=0.0,
            outliers=0.0,
            merged=0.0,
            false_positives=0.0,
        )
    )
    seen = studio.observations(0)
    camera, xyz = studio.rig.cameras[0], studio.truth.xyz
    exchanged = (seen.joint_actor[:, 0] < 0).any(axis=1)
    assert 0.1 < exchanged.mean() < 0.5
    left, right = (hand_indices(studio.skeleton, side) for side in SIDES)
    xy = camera.project(xyz)
    off = {
        name: np.nanmedian(np.linalg.norm(seen.xy[exchanged, 0][:, left] - xy[exchanged][:, other], axis=-1))
        for name, other in (("own", left), ("other", right))
    }
    assert off["other"] < off["own"]
    assert not (seen.joint_actor[:, 0][:, :33] < 0).any()
