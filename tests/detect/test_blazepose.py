"""BlazePose on real pictures: the subject in every view, people side by side apart, frames that change size."""

import cv2
import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.detect.blazepose import Detector, Options, _region_at
from multiview.errors import ConfigError
from multiview.keypoints.blazepose import Region
from multiview.models.card import load_card, model_file


@pytest.fixture(scope="module")
def detector():
    name, card = load_card("blazepose")
    try:
        for file in card.files:
            model_file(name, file)
    except ConfigError as error:
        pytest.skip(str(error))
    return Detector(Options(tiles=1))


@pytest.fixture(scope="module")
def pictures(shared_data):
    found = []
    for camera in ("cam01", "cam03"):
        video = cv2.VideoCapture(str(shared_data / "pose2sim_single" / "videos" / f"{camera}.mp4"))
        found.append(np.asarray(video.read()[1]))
        video.release()
    return found


def test_the_subject_stands_where_a_subject_stands(detector, pictures):
    for picture, ankle in zip(pictures, ([[345, 945], [420, 1040]], [[480, 1080], [640, 1170]]), strict=True):
        keypoints = detector.detect([VideoFrame(picture, 0, 0, "one")])[0]
        assert keypoints.people == 1
        names = detector.skeleton.joints
        xy = dict(zip(names, keypoints.xy[0], strict=True))
        assert xy["nose"][1] < xy["left_hip"][1] < xy["left_knee"][1] < xy["left_ankle"][1]
        feet = np.stack([xy["left_ankle"], xy["right_ankle"]])
        assert (feet > np.min(ankle, axis=0) - 120).all()
        assert (feet < np.max(ankle, axis=0) + 120).all()
        assert np.isfinite(keypoints.cov[keypoints.score > 0]).all()
        assert (keypoints.score <= 1).all()
        assert (keypoints.visibility <= 1).all()


def test_people_side_by_side_are_apart(detector, pictures):
    left, right = (cv2.resize(p[200:1400, 100:1000], (450, 600)) for p in pictures)
    both = np.hstack([left, right])
    for index in range(3):
        keypoints = detector.detect([VideoFrame(both, index, 0, "side by side")])[0]
        assert keypoints.people == 2
        spans = sorted((np.nanmin(xy[:, 0]), np.nanmax(xy[:, 0])) for xy in keypoints.xy)
        assert spans[0][1] < 460
        assert spans[1][0] > 440


def test_a_camera_that_changes_its_size_starts_anew(detector, pictures):
    large = detector.detect([VideoFrame(pictures[0], 0, 0, "zoom")])[0]
    half = cv2.resize(pictures[0], None, fx=0.5, fy=0.5)
    small = detector.detect([VideoFrame(half, 1, 1, "zoom")])[0]
    assert np.nanmedian(np.abs(small.xy[0] * 2 - large.xy[0])) < 15


def test_who_is_expected_is_found_without_a_search(detector, pictures):
    """The first frame is empty and has been searched; the person who is then there is where fusion says."""
    blind = Detector(Options(tiles=1, search_every=10**6, search_every_expected=10**6))
    blind.detect([VideoFrame(np.zeros_like(pictures[0]), 0, 0, "one")])
    blind._cameras["one"].next_tile = 0
    truth = detector.detect([VideoFrame(pictures[0], 0, 0, "expected")])[0].xy[0]
    low, high = np.nanmin(truth, axis=0), np.nanmax(truth, axis=0)
    blind._search = lambda image, tile, people: people
    for move in (0.0, 30.0, -30.0):
        blind._cameras["one"].people.clear()
        blind.expect("one", np.concatenate([low, high])[None] + move)
        found = blind.detect([VideoFrame(pictures[0], 1, 1, "one")])[0]
        assert found.people == 1
        assert np.nanmedian(np.abs(found.xy[0] - truth)) < 15
    assert blind.detect([VideoFrame(pictures[0], 2, 2, "one")])[0].people == 1  # followed from there


def test_an_empty_room_has_nobody(detector):
    keypoints = detector.detect([VideoFrame(np.full((480, 640, 3), 90, np.uint8), 0, 0, "empty")])[0]
    assert keypoints.people == 0
    assert keypoints.xy.shape == (0, 33, 2)


@pytest.mark.slow
def test_runs_that_begin_at_different_frames_come_to_agree(shared_data):
    """To the bit, and stay so: else segments of a video could not be joined to what the whole gives."""
    video, found = cv2.VideoCapture(str(shared_data / "pose2sim_single" / "videos" / "cam01.mp4")), []
    while (read := video.read())[0] and len(found) < 45:
        found.append(np.asarray(read[1]))
    video.release()
    try:
        whole, part = Detector(Options(tiles=1)), Detector(Options(tiles=1))
    except ConfigError as error:
        pytest.skip(str(error))
    off = []
    for index, picture in enumerate(found):
        one = whole.detect([VideoFrame(picture, index, 0, "one")])[0]
        if index >= 5:
            other = part.detect([VideoFrame(picture, index, 0, "one")])[0]
            off.append(float(np.nanmax(np.abs(one.xy[0] - other.xy[0]))) if one.people and other.people else np.inf)
    assert off[0] > 0.5  # the test would notice
    assert max(off[30:]) < 0.5


def test_regions_are_rounded_in_few_frames_and_little():
    region = Region(np.array([612.3, 388.8]), 431.7, 0.21)
    assert all(_region_at(index, region) is region for index in range(1, 10))
    rounded = _region_at(10, region)
    assert np.abs(rounded.centre - region.centre).max() <= 0.5 * rounded.size / 12
    assert 1.12**-0.5 <= rounded.size / region.size <= 1.12**0.5
    assert abs(rounded.rotation - region.rotation) <= np.deg2rad(4.0)
    beside = region._replace(centre=region.centre + 1.0, size=430.0, rotation=0.22)
    assert str(_region_at(10, beside)) == str(rounded)
