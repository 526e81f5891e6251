"""Single markers: corners where the truth has them, ids found out, files that cannot be refused."""

import cv2
import numpy as np
import pytest

from calib.board.markers import Markers
from calib.board.target import finder_of, identify_target, load_target, target_from_json, target_to_json
from multiview.cameras.camera import Camera
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import render


def picture(dictionary, marker, turn, place, length=0.15, noise=2.0):
    family = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary))
    cells = family.markerSize + 2
    texture = np.pad(family.generateImageMarker(marker, 20 * cells), 20, constant_values=255)
    camera = Camera(
        "a", (320, 240), np.array([[400.0, 0, 160], [0, 400, 120], [0, 0, 1]]), np.zeros(5), np.eye(3), np.zeros(3)
    )
    R, width = rotation_from_vector(np.array(turn)), length * (cells + 2) / cells
    t = np.array(place)
    corner = t - R @ np.array([width / 2, width / 2, 0])
    grey = render(camera, texture, width, R, corner, np.random.default_rng(1), noise=noise, sharper=6)
    return grey, camera.project(Markers(dictionary, length, (marker,)).points @ R.T + t)


@pytest.mark.parametrize("dictionary", ["DICT_APRILTAG_36h11", "DICT_4X4_100"])
def test_markers_are_found_to_a_tenth_of_a_pixel(dictionary):
    errors = []
    for turn, place in (((0.4, -0.3, 0.5), (0.05, -0.03, 0.8)), ((-0.5, 0.5, 3.0), (-0.1, 0.05, 1.1))):
        grey, truth = picture(dictionary, 7, turn, place)
        found = finder_of(Markers(dictionary, 0.15, (3, 7))).find(grey)
        assert found.corner.tolist() == [4, 5, 6, 7]
        errors.append(found.xy - truth)
    assert np.sqrt(np.mean(np.square(errors))) < 0.1


def test_cells_beside_an_edge_do_not_draw_it_where_they_are_small():
    """Without noise, in 25 pixels: cells of 2 to 3 pixels, white and black by turns along every edge."""
    errors = []
    for marker in range(6):
        for turn in ((0.5, -0.4, 0.3 * marker), (-0.3, 0.6, 1 + 0.4 * marker)):
            grey, truth = picture("DICT_APRILTAG_36h11", marker, turn, (0.05, -0.03, 2.4), noise=0.0)
            found = finder_of(Markers("DICT_APRILTAG_36h11", 0.15, (marker,))).find(grey)
            errors.append(found.xy - truth)
    assert np.sqrt(np.mean(np.square(errors))) < 0.04


def test_ids_and_dictionary_of_markers_are_found_out():
    grey = np.concatenate(
        [picture("DICT_APRILTAG_36h11", i, (0.2, 0.1, 0.0), (0.0, 0.0, 0.8))[0] for i in (2, 9)], axis=1
    )
    grey = np.ascontiguousarray(grey)
    found = identify_target({"cam01": [grey]}, Markers("DICT_APRILTAG_36h11", 0.15))
    assert found.board.markers == (2, 9)
    found = identify_target({"cam01": [grey]}, Markers("DICT_5X5_50", 0.15))
    assert found.board == Markers("DICT_APRILTAG_36h11", 0.15, (2, 9))
    assert "the board file says DICT_5X5_50, the images show DICT_APRILTAG_36h11" in found.remarks[0]
    found = identify_target({"cam01": [grey]}, Markers("DICT_APRILTAG_36h11", 0.15, (2, 4)))
    assert found.remarks[0].startswith("markers 4 are in none")
    assert found.remarks[1].startswith("markers 9 are seen, but are not in the board file")


def test_a_marker_that_is_there_twice_is_left_out():
    grey = picture("DICT_4X4_100", 2, (0.2, 0.1, 0.0), (0.0, 0.0, 0.8))[0]
    twice = np.ascontiguousarray(np.concatenate([grey, grey], axis=1))
    assert len(finder_of(Markers("DICT_4X4_100", 0.15, (2,))).find(twice).corner) == 0


def test_files_of_markers(tmp_path):
    path = tmp_path / "board.toml"
    path.write_text(
        'kind = "markers"\ndictionary = "DICT_4X4_100"\nmarker_length = 0.1\nmarkers = [5, 1]\nfixed = true\n'
    )
    board = load_target(path)
    assert board == Markers("DICT_4X4_100", 0.1, (1, 5), True)
    assert target_from_json(target_to_json(board)) == board
    for text, words in (("markers = [1, 1]", "an id twice"), ('dictionary = "DICT_9X9"', "is not known")):
        key = text.partition(" ")[0]
        lines = [line for line in path.read_text().splitlines() if not line.startswith(key + " ")]
        other = tmp_path / "other.toml"
        other.write_text("\n".join([*lines, text]))
        with pytest.raises(ConfigError, match=words):
            load_target(other)
