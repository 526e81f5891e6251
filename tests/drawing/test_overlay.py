"""Pictures show what they should where they should."""

from __future__ import annotations

import msgspec
import numpy as np

from multiview.common.palette import person_colour
from multiview.data import Keypoints2D, Track
from multiview.drawing.overlay import draw_floor, draw_keypoints, draw_skeletons, empty_picture
from multiview.drawing.top_view import draw_top_view, floor_extent
from tests.figures import crowd, ring


def _near(picture: np.ndarray, place: np.ndarray, radius: int = 3) -> np.ndarray:
    x, y = np.round(place).astype(int)
    return picture[y - radius : y + radius + 1, x - radius : x + radius + 1].reshape(-1, 3).astype(int)


def test_a_joint_is_drawn_where_it_projects_in_its_persons_colour() -> None:
    skeleton, tracks = crowd()
    camera = ring().cameras[0]
    picture = empty_picture(*camera.size)
    draw_skeletons(picture, camera, skeleton, tracks.tracks[:1])
    nose = camera.project(tracks.tracks[0].pose.xyz[skeleton.index("nose")])
    colour = np.array(person_colour(0))[::-1] * 255
    assert np.abs(_near(picture, nose) - colour).max(axis=1).min() < 3


def test_a_filled_joint_is_hollow() -> None:
    skeleton, tracks = crowd()
    camera, pose = ring().cameras[1], tracks.tracks[0].pose
    wrist = skeleton.index("left_wrist")
    filled = np.zeros(len(skeleton.joints), dtype=bool)
    filled[wrist] = True
    centre = camera.project(pose.xyz[wrist])
    brightness = []
    for marks in (filled, ~filled & False):
        picture = empty_picture(*camera.size)
        draw_skeletons(picture, camera, skeleton, [Track(0, msgspec.structs.replace(pose, filled=marks))])
        brightness.append(_near(picture, centre, 1).mean())
    assert brightness[0] < 0.5 * brightness[1]


def test_unknown_joints_and_people_behind_the_camera_are_left_out() -> None:
    skeleton, tracks = crowd()
    camera = ring().cameras[0]
    ground = empty_picture(*camera.size)
    for offset in (np.nan, 1.0):  # unknown; behind the camera, outside every picture
        pose = msgspec.structs.replace(
            tracks.tracks[0].pose, xyz=tracks.tracks[0].pose.xyz + offset * 10 * camera.centre
        )
        picture = ground.copy()
        draw_skeletons(picture, camera, skeleton, [Track(0, pose)])
        np.testing.assert_array_equal(picture, ground)


def test_keypoints_and_floor_change_the_picture_only_where_they_are() -> None:
    camera = ring().cameras[0]
    ground = empty_picture(*camera.size)
    picture = ground.copy()
    draw_keypoints(picture, Keypoints2D(np.array([[[100.0, 80.0], [np.nan, np.nan]]]), np.array([[0.9, 0.0]])))
    changed = np.argwhere((picture != ground).any(axis=2))
    assert len(changed) > 5
    assert np.abs(changed - [80, 100]).max() <= 5
    draw_floor(picture, camera, np.array([[-1.0, -1.0], [1.0, 1.0]]))
    origin = camera.project(np.zeros(3))
    assert _near(picture, origin).max() > 80


def test_top_view_puts_people_on_the_map() -> None:
    skeleton, tracks = crowd()
    rig = ring()
    extent = floor_extent(rig, np.zeros((0, 2)))
    empty = draw_top_view(rig, skeleton, [], extent=extent, width=600)
    picture = draw_top_view(rig, skeleton, tracks.tracks[1:2], {1: np.array([[-2.0, 0.0], [-1.0, 0.5]])}, extent, 600)
    rows, columns = np.nonzero((picture != empty).any(axis=2))
    scale = 600 / (extent[1, 0] - extent[0, 0])
    x, y = columns / scale + extent[0, 0], (picture.shape[0] - rows) / scale + extent[0, 1]
    hips = tracks.tracks[1].pose.xyz[skeleton.index("left_hip")]
    assert x.min() < -1.95
    assert np.hypot(x - hips[0], y - hips[1]).min() < 0.15
    assert np.hypot(x, y).max() < 2.5
