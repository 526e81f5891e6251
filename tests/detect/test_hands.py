"""Hands of real people: on their wrists, within the budget, and never without their networks."""

import cv2
import numpy as np
import pytest

from multiview.body.hands import hand_indices
from multiview.data import Keypoints2D, VideoFrame
from multiview.detect import detector_skeleton, make_detector
from multiview.detect._hands import LOOK_MS, AskedHand
from multiview.detect.blazepose import Detector, Options, cards_of
from multiview.errors import ConfigError
from multiview.models.card import load_card, model_file


@pytest.fixture(scope="module", autouse=True)
def weights():
    for name in cards_of(Options(hands=True)):
        try:
            for file in load_card(name)[1].files:
                model_file(name, file)
        except ConfigError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def pictures(shared_data) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(shared_data / "pose2sim_single" / "videos" / "cam03.mp4"))
    found = [np.asarray(video.read()[1]) for _ in range(4)]
    video.release()
    return found


def seen_hands(detector: Detector, keypoints: Keypoints2D) -> list[int]:
    """How many landmarks of each hand there are, left and right, of the first person."""
    sides = (hand_indices(detector.skeleton, side) for side in ("left", "right"))
    return [int((keypoints.score[0, hand] > 0).sum()) for hand in sides if hand is not None]


def detect(detector: Detector, pictures: list[np.ndarray]) -> list[Keypoints2D]:
    return [detector.detect([VideoFrame(p, i, i, "one")])[0] for i, p in enumerate(pictures)]


def test_hands_grow_on_wrists(pictures):
    detector = Detector(Options(tiles=1, hands=True))
    assert detector.skeleton.name == "blazepose75" == detector_skeleton("blazepose", {"hands": True})
    found = detect(detector, pictures)[-1]
    names = detector.skeleton.joints
    assert max(seen_hands(detector, found)) == 21
    for side in ("left", "right"):
        root = found.xy[0, names.index(f"{side}_hand_root")]
        if np.isfinite(root).all():
            wrist, elbow = (found.xy[0, names.index(f"{side}_{joint}")] for joint in ("wrist", "elbow"))
            assert np.linalg.norm(root - wrist) < 0.35 * np.linalg.norm(wrist - elbow)
    assert found.cov is not None
    assert np.isfinite(found.cov[found.score > 0]).all()
    assert np.isnan(found.xy[found.score == 0]).all()


def test_hands_leave_the_body_as_it_is(pictures):
    with_hands = detect(Detector(Options(tiles=1, hands=True)), pictures[:2])[-1]
    body = detect(Detector(Options(tiles=1)), pictures[:2])[-1]
    np.testing.assert_array_equal(with_hands.xy[:, :33], body.xy)
    np.testing.assert_array_equal(with_hands.score[:, :33], body.score)


def test_hands_take_turns_within_the_budget(pictures):
    """One look a tick: each hand is seen in some tick, never both in one."""
    detector = Detector(Options(tiles=1, hands=True, hands_lite=True, hands_budget_ms=LOOK_MS["lite"], max_people=1))
    looked = [sum(n > 0 for n in seen_hands(detector, found)) for found in detect(detector, pictures)]
    assert max(looked) == 1


def test_hands_without_their_network_say_what_to_fetch(monkeypatch, tmp_path):
    source = model_file("blazepose", load_card("blazepose")[1].files[0]).parent
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "blazepose").symlink_to(source)
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="run `multiview models fetch mediapipe-hands`"):
        make_detector("blazepose", {"hands": True})


def test_hands_are_looked_at_in_the_same_frames_and_on_the_same_side_by_all_cameras(pictures):
    """A third of a look a frame: two workers that began at other frames look in every third, left and right in turn."""
    budget = LOOK_MS["lite"] / 3
    looked = []
    for first in (0, 4):
        detector = Detector(Options(tiles=1, hands=True, hands_lite=True, hands_budget_ms=budget, max_people=1))
        looks: dict[int, list[int]] = {}
        for index in range(first, 19):
            sides: list[int] = []
            _note_looks(detector, sides)
            detector.detect([VideoFrame(pictures[index % len(pictures)], index, index, "one")])
            if index > 9 and sides:
                looks[index] = sides
        looked.append(looks)
    assert looked[0] == looked[1]
    assert list(looked[0]) == [12, 15, 18]
    assert list(looked[0].values()) in ([[0], [1], [0]], [[1], [0], [1]])


def _note_looks(detector: Detector, sides: list[int]) -> None:
    """Instead of looking, the finder notes at which side, at the price of a look."""
    finder = detector._hands
    assert finder is not None

    def one(asked: AskedHand) -> None:
        sides.append(asked.side)
        finder._credit_ms -= finder.look_ms

    finder._one = one  # type: ignore[method-assign]
