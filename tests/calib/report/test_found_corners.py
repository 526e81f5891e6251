"""The report shows pictures with the corners that were found in them, where they truly are."""

import re
from base64 import b64decode
from dataclasses import replace

import cv2
import msgspec
import numpy as np
import pytest

from calib.board.board import Board
from calib.board.finder import Finder
from calib.corners.corners import Corners, read_corners, write_corners
from calib.corners.sample_pictures import SamplePictures
from calib.report.found_corners import found_corners
from calib.solve.solve import solve
from multiview.cameras.camera import Camera
from multiview.errors import SourceError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import measure, placed_at_random, render, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100", legacy=False, inverted=False)
CAMERA = Camera("cam01", (960, 720), np.array([[900.0, 0, 480], [0, 900, 360], [0, 0, 1]]), np.zeros(5), np.eye(3),
                np.zeros(3))  # fmt: skip
PLACES = [(-0.35, -0.2), (0.35, 0.2), (-0.3, -0.2), (0.35, -0.2)]  # of the board's middle, m
QUARTERS = 3


@pytest.fixture(scope="module")
def sampled():
    """Pictures of a board in three quarters of the image, and the true places of its corners."""
    rng, finder, samples = np.random.default_rng(0), Finder(BOARD), SamplePictures("cam01")
    size, truth = np.array(BOARD.squares) * BOARD.square_length, {}
    for frame, (x, y) in enumerate(PLACES):
        R = rotation_from_vector(np.array([0.2, 0.1 * frame, 0.0]))
        t = np.array([x, y, 1.8]) - R @ np.array([*size / 2, 0])
        grey = render(CAMERA, BOARD.picture(120), size[0], R, t, rng)
        truth[frame] = CAMERA.project(BOARD.points @ R.T + t)
        found = finder.find(grey)
        kept = np.arange(len(found.corner)) < len(found.corner) - 3 * (frame == 0)  # the first one is the poorer
        samples.offer(frame, grey, replace(found, corner=found.corner[kept], xy=found.xy[kept]))
    return samples.chosen(), truth


def test_samples_are_the_pictures_with_the_most_corners_of_each_quarter(sampled):
    pictures, truth = sampled
    assert [one.frame for one in pictures] == [1, 2, 3]
    for one in pictures:
        image = cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image.shape == (360, 480)
        np.testing.assert_allclose(one.xy, truth[one.frame][list(one.corner)], atol=0.3)


def calibrated(pictures):
    """Of two cameras; the first one's table has these pictures, and a wrong corner in the first of them."""
    rng = np.random.default_rng(4)
    rig = ring(2, focal=1100, rng=rng)
    m = measure(rig, BOARD.points, [placed_at_random(40, rng)] * 2, rng, 0.3, 0.0)
    sizes = tuple(camera.size for camera in rig.cameras)
    frames = [f for f in range(40) if np.sum((m.camera == 0) & (m.frame == f)) == len(BOARD.points)]
    pictures = tuple(msgspec.structs.replace(one, frame=f) for one, f in zip(pictures, frames, strict=False))
    wrong = np.flatnonzero((m.camera == 0) & (m.frame == frames[0]) & np.isin(m.corner, pictures[0].corner))[5]
    xy = m.xy.copy()
    xy[wrong] += 80.0
    corners = Corners(rig.names, sizes, m.camera, m.frame, m.frame / 30, m.corner, xy, BOARD, pictures)
    corners = corners.only(~((corners.camera == 0) & (corners.frame == frames[1])))  # that instant was not chosen
    return solve(corners, BOARD, "pinhole5", offsets=False), corners


@pytest.mark.slow
def test_report_marks_corners_as_used_rejected_or_not_chosen(sampled):
    calibration, corners = calibrated(sampled[0])
    pictures = corners.pictures
    html = found_corners(calibration, corners)
    seen = {(f, c) for f, c, own in zip(corners.frame, corners.corner, corners.camera == 0, strict=True) if own}
    shown = re.findall(r"<svg.*?</svg>", html)
    assert len(shown) == QUARTERS
    for one, svg in zip(pictures, shown, strict=True):
        in_table = sum((one.frame, c) in seen for c in one.corner)
        assert svg.count("<path") == (one is pictures[0])
        assert svg.count('fill="none" stroke="#16a34a"') == in_table - svg.count("<path")
        assert svg.count("<circle") == len(one.corner) - svg.count("<path")
        data = re.search(r'href="data:image/jpeg;base64,([^"]+)"', svg)
        assert data is not None
        assert b64decode(data.group(1)) == one.jpeg


def test_pictures_travel_in_the_table_of_corners(sampled, tmp_path):
    pictures, _ = sampled
    count = len(pictures[0].corner)
    columns = (np.zeros(count, int), np.ones(count, int), np.zeros(count), np.arange(count), np.zeros((count, 2)))
    corners = Corners(("cam01",), ((960, 720),), *columns, BOARD, pictures)
    write_corners(corners, tmp_path / "corners.parquet")
    read = read_corners(tmp_path / "corners.parquet")
    assert read.pictures == pictures
    assert read.board == BOARD
    write_corners(replace(corners, pictures=(replace_corner(pictures[0]),)), tmp_path / "short.parquet")
    with pytest.raises(
        SourceError, match=r"short\.parquet: metadata multiview\.pictures: .*; detect the corners again"
    ):
        read_corners(tmp_path / "short.parquet")


def replace_corner(one):
    """A picture that says fewer places than corners."""
    return type(one)(one.camera, one.frame, one.jpeg, one.corner, one.xy[:-1])
