"""Hands that a view has taken for each other come back to their own wrists; those that are right stay."""

import msgspec
import numpy as np

from multiview.body.hands import hand_indices
from multiview.body.skeleton import load_skeleton
from multiview.cameras.observations import stack_detections
from multiview.data import Keypoints2D, Views
from multiview.fusion.hand_sides import HandSides
from multiview.synthetic import StudioOptions, make_studio

SKELETON = load_skeleton("blazepose75")
OPTIONS = StudioOptions(cameras=2, people=2, seconds=1.0, skeleton="blazepose75", seed=3)
LEFT, RIGHT = (hand_indices(SKELETON, side) for side in ("left", "right"))


def seen(**options: float) -> Keypoints2D:
    studio = make_studio(msgspec.structs.replace(OPTIONS, **options).perfect())
    keypoints = studio.keypoints(0, 15)
    assert keypoints is not None
    assert keypoints.people == 2
    cov = np.arange(keypoints.xy.shape[1])[None, :, None, None] * np.ones((2, 1, 1, 1)) * np.eye(2)
    return Keypoints2D(keypoints.xy, np.where(np.isnan(keypoints.xy[..., 0]), 0.0, 0.9), cov)


def put_right(keypoints: Keypoints2D) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    detections = stack_detections(Views(0, 0, (keypoints, None)), len(SKELETON.joints))
    sides = HandSides.of(SKELETON)
    assert sides is not None
    sides.put_right(detections)
    return detections.xy, detections.score, detections.cov


def exchanged(keypoints: Keypoints2D, person: int) -> Keypoints2D:
    xy, cov = keypoints.xy.copy(), keypoints.cov.copy()
    both, others = np.concatenate([LEFT, RIGHT]), np.concatenate([RIGHT, LEFT])
    xy[person, both], cov[person, both] = keypoints.xy[person, others], keypoints.cov[person, others]
    return Keypoints2D(xy, keypoints.score, cov)


def test_hand_sides_exchanges_whole_hands_of_whom_they_were_exchanged():
    right = seen()
    for wrong in (right, exchanged(right, 0), exchanged(right, 1)):
        before = wrong.xy.copy()
        xy, _, cov = put_right(wrong)
        np.testing.assert_array_equal(xy, right.xy)
        np.testing.assert_array_equal(cov[..., 0], right.cov[..., 0, 0])
        np.testing.assert_array_equal(wrong.xy, before)  # what came in is not changed


def test_hand_sides_leaves_hands_of_which_one_is_missing():
    right = seen()
    wrong = exchanged(right, 0)
    wrong.xy[0, LEFT] = np.nan
    np.testing.assert_array_equal(put_right(wrong)[0], wrong.xy)


def test_hand_sides_are_none_of_a_skeleton_without_hands():
    assert HandSides.of(load_skeleton("blazepose33")) is None
