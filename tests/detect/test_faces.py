"""Faces of real people: on their heads, and never without their network."""

import cv2
import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.detect import detector_skeleton, make_detector
from multiview.detect._faces import FaceFinder, FaceMemory
from multiview.detect.blazepose import Detector, Options, cards_of
from multiview.errors import ConfigError
from multiview.models.card import load_card, model_file


@pytest.fixture(scope="module", autouse=True)
def weights():
    for name in cards_of(Options(face=True)):
        try:
            for file in load_card(name)[1].files:
                model_file(name, file)
        except ConfigError as error:
            pytest.skip(str(error))


def detect(detector: Detector, picture: np.ndarray, frames: int = 3):
    found = [detector.detect([VideoFrame(picture, i, i, "one")])[0] for i in range(frames)]
    return found[-1]


@pytest.fixture(scope="module")
def picture(shared_data) -> np.ndarray:
    video = cv2.VideoCapture(str(shared_data / "pose2sim_single" / "videos" / "cam03.mp4"))
    found = np.asarray(video.read()[1])
    video.release()
    return found


def test_skeleton_is_that_of_the_face():
    assert detector_skeleton("blazepose", {"face": True}) == "blazepose87"
    assert detector_skeleton("blazepose", {"face": True, "face_points": 68}) == "blazepose143"
    assert detector_skeleton("blazepose", {"face": True, "hands": True}) == "blazepose87"


@pytest.mark.parametrize("points", [12, 68])
def test_face_leaves_the_body_as_it_is_and_lies_on_the_head(picture, points):
    detector = Detector(Options(tiles=1, face=True, face_points=points))
    found, body = detect(detector, picture), detect(Detector(Options(tiles=1)), picture)
    np.testing.assert_array_equal(found.xy[:, :33], body.xy)
    assert found.xy.shape[1] == len(detector.skeleton.joints) == 75 + points
    assert (found.score[:, 33:75] == 0).all()
    for person in range(found.people):
        seen = found.score[person, 75:] > 0
        assert seen.all() or not seen.any()
        if seen.any():
            tip = found.xy[person, detector.skeleton.index("face_30")]
            ears = found.xy[person, 7:9]
            assert np.linalg.norm(tip - found.xy[person, 0]) < np.ptp(found.xy[person, :11, 1])
            assert np.isfinite(ears).all()


def test_faces_far_away_or_unknown_are_not_looked_for(picture, monkeypatch):
    finder = FaceFinder(1)
    monkeypatch.setattr(finder, "_look", lambda *_: pytest.fail("looked"))
    head = np.random.default_rng(0).uniform(0, 4, (11, 2)) + 300
    assert finder.find(picture, FaceMemory(), head) is None
    assert finder.find(picture, FaceMemory(), np.full((11, 2), np.nan)) is None


def test_faces_without_their_network_say_what_to_fetch(monkeypatch, tmp_path):
    source = model_file("blazepose", load_card("blazepose")[1].files[0]).parent
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "blazepose").symlink_to(source)
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="run `multiview models fetch mediapipe-face`"):
        make_detector("blazepose", {"face": True})
