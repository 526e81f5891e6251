"""Films show what the cameras of the rig would see."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.film import Film, Poster


@pytest.fixture(scope="module")
def studio():
    return make_studio(
        StudioOptions(cameras=2, people=1, seconds=0.2, fps=10, skeleton="halpe26", size=(640, 360), person_px=170)
    )


@pytest.fixture(scope="module")
def film(studio):
    joints = studio.truth.xyz.reshape(studio.frames, 1, 26, 3)
    return Film(studio.rig, joints, seed=1)


@pytest.mark.slow
def test_the_person_is_where_the_lens_puts_them(studio, film):
    for c, camera in enumerate(studio.rig.cameras):
        empty = film.picture(c, -1).astype(int)
        changed = np.abs(film.picture(c, 0).astype(int) - empty).sum(-1) > 40
        x, y = np.rint(camera.project(studio.truth.xyz[0])).astype(int).T
        inside = (x >= 0) & (x < 640) & (y >= 0) & (y < 360)
        assert inside.sum() > 10
        assert changed[y[inside], x[inside]].mean() > 0.75
        assert changed.mean() < 0.2


@pytest.mark.slow
def test_a_picture_depends_on_its_number_alone(studio, film):
    again = Film(studio.rig, film.joints, seed=1)
    np.testing.assert_array_equal(film.picture(1, 1), again.picture(1, 1))
    assert not np.array_equal(film.picture(1, 1), film.picture(1, 0))


def test_a_board_is_found_where_it_is(studio, film):
    board = cv2.aruco.CharucoBoard((6, 5), 0.25, 0.19, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250))
    texture = board.generateImage((6 * 48, 5 * 48))
    camera = studio.rig.cameras[0]
    away = camera.R[2] * [1, 1, 0]
    away /= np.linalg.norm(away)
    R = np.stack([np.cross([0, 0, -1.0], away), [0, 0, -1.0], away], axis=1)
    t = np.array([0, 0, 1.5]) - R @ [0.75, 0.6, 0]
    picture = film.picture(0, -1, Poster(texture, 48 / 0.25, R, t))
    found, ids, *_ = cv2.aruco.CharucoDetector(board).detectBoard(picture)
    assert len(ids) >= 15
    world = board.getChessboardCorners()[ids.ravel()] @ R.T + t
    error = np.linalg.norm(found.reshape(-1, 2) - camera.project(world.astype(float)), axis=1)
    assert np.median(error) < 0.5
    behind = np.abs(film.picture(1, -1, Poster(texture, 48 / 0.25, R @ np.diag([-1.0, 1, -1]), t)).astype(int))
    assert cv2.aruco.CharucoDetector(board).detectBoard(behind.astype(np.uint8))[1] is None
