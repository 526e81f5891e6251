"""Eyes that close and a mouth that opens, on a face whose lids are put where they are."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.body.expressions import EXPRESSIONS, FaceReader
from multiview.body.skeleton import load_skeleton
from tests.faces import JOINTS, face


def cov(sigma_m: float) -> np.ndarray:
    return np.tile(np.eye(3) * sigma_m**2, (len(JOINTS), 1, 1))


def test_face_reader_knows_which_eye_is_closed_and_how_far_the_mouth_is_open() -> None:
    for left, right, mouth, expected in ((0.3, 1, 0, (1, 0, 0)), (1, 0.3, 0, (0, 1, 0)), (1, 1, 0.75, (0, 0, 1)),
                                         (1, 1, 0.4, (0, 0, 0.5)), (0.3, 0.3, 0.75, (1, 1, 1))):  # fmt: skip
        found = FaceReader(JOINTS, 1 / 30).read(face(left, right, mouth), cov(0.0005))
        assert [found[name] for name in EXPRESSIONS] == pytest.approx(expected, abs=0.05)


def test_face_reader_learns_the_eyes_of_a_person() -> None:
    """Narrow ones that are open most of the time are open ones."""
    reader = FaceReader(JOINTS, 1 / 30)
    first = reader.read(face(open_eye=0.22), cov(0.0005))["blinkLeft"]
    for _ in range(20 * 30):
        last = reader.read(face(open_eye=0.22), cov(0.0005))["blinkLeft"]
    assert first > 0.4
    assert last < 0.1
    assert reader.read(face(left=0.3, open_eye=0.22), cov(0.0005))["blinkLeft"] > 0.9


def test_face_reader_lets_go_of_what_it_cannot_tell() -> None:
    """A face that is too far from the cameras, or not seen, is at rest after moments."""
    for seen, sigma_m in ((face(left=0.3), 0.02), (np.full((len(JOINTS), 3), np.nan), 0.0005)):
        reader = FaceReader(JOINTS, 1 / 30)
        values = [reader.read(face(left=0.3), cov(0.0005))["blinkLeft"]]
        values += [reader.read(seen, cov(sigma_m))["blinkLeft"] for _ in range(30)]
        assert values[0] > 0.9
        assert np.abs(np.diff(values)).max() < 0.2
        assert values[-1] < 0.02


def test_face_reader_has_no_expressions_without_a_face() -> None:
    joints = load_skeleton("body25").joints
    assert FaceReader(joints, 1 / 30).read(np.zeros((25, 3)), np.zeros((25, 3, 3))) == {}
