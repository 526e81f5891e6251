"""Where people are expected in a picture is where their joints will be."""

from __future__ import annotations

import numpy as np

from multiview.cameras.camera import Camera
from multiview.cameras.projected_regions import expected_regions

CAMERA = Camera(
    "cam01",
    (640, 480),
    np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]),
    np.array([0.05, -0.02, 0.001, 0.0, 0.0]),
    np.eye(3),
    np.zeros(3),
)
BODY = np.array([[0.0, -0.8, 0.0], [-0.3, -0.2, 0.1], [0.3, -0.2, -0.1], [-0.2, 0.8, 0.0], [0.2, 0.8, 0.0]])


def test_boxes_enclose_the_joints_and_move_with_them():
    velocity = np.array([1.0, 0.2, -0.5])
    xyz = BODY + np.array([0.3, 0.0, 4.0])
    regions = expected_regions(CAMERA, xyz[None], np.broadcast_to(velocity, (1, 5, 3)))
    assert regions.rows.tolist() == [0]
    for seconds in (0.0, 0.1, -0.05):
        joints = CAMERA.project(xyz + seconds * velocity)
        expected = np.concatenate([joints.min(axis=0), joints.max(axis=0)])
        np.testing.assert_allclose(regions.after(seconds)[0], expected, atol=5.0)
    joints = CAMERA.project(xyz)
    np.testing.assert_allclose(regions.boxes[0], np.concatenate([joints.min(axis=0), joints.max(axis=0)]))


def test_who_is_not_in_the_picture_is_not_expected_there():
    places = np.array([[0.0, 0, 4], [0, 0, -4], [6, 0, 4], [2.5, 0, 4], [0.5, 0, 4]])
    xyz = BODY + places[:, None]
    xyz[4, :2] = np.nan  # three joints known
    regions = expected_regions(CAMERA, xyz, np.zeros_like(xyz))
    assert regions.rows.tolist() == [0, 3]
    assert expected_regions(CAMERA, xyz[:0], xyz[:0]).boxes.shape == (0, 4)
