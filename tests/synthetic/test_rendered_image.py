"""Rendered people: the labels say what the pixels show."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.synthetic.body import JOINTS, PARTS, J
from multiview.synthetic.postures import sample_postures
from multiview.synthetic.rendered_image import ABSENT, HIDDEN, VISIBLE, sample_image, sample_person_image

PART_OF = {
    "left_wrist": "left_forearm",
    "right_wrist": "right_forearm",
    "left_ankle": "left_shank",
    "right_ankle": "right_shank",
}


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(7)
    return [sample_person_image(rng, (96, 128)) for _ in range(60)]


def test_a_seed_gives_the_same_picture():
    one, two = (sample_person_image(np.random.default_rng(3), (96, 128)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.xy, two.xy)


@pytest.mark.slow
@pytest.mark.parametrize("joint", PART_OF)
def test_a_visible_joint_shows_its_own_limb_on_its_own_side(photos, joint):
    j = JOINTS.index(joint)
    shown = []
    for photo in photos:
        if photo.visibility[0, j] == VISIBLE:
            x, y = np.rint(photo.xy[0, j]).astype(int)
            shown.append(photo.parts[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] == PARTS.index(PART_OF[joint]))
    assert len(shown) > 15
    assert np.mean([window.any() for window in shown]) > 0.9


def test_every_flag_occurs_and_an_absent_joint_is_outside(photos):
    flags = np.concatenate([photo.visibility.ravel() for photo in photos])
    assert {ABSENT, HIDDEN, VISIBLE} == set(np.unique(flags))
    for photo in photos:
        outside = ((photo.xy < -0.5) | (photo.xy > [95.5, 127.5])).any(-1)
        assert (photo.visibility[outside] == ABSENT).all()
        assert (photo.visibility[~outside] != ABSENT).all()


def test_a_cut_off_picture_has_no_joints_in_its_black_border():
    rng = np.random.default_rng(1)
    for _ in range(20):
        photo = sample_person_image(rng, (96, 128), cut_off=1.0)
        x, y = np.rint(photo.xy[0, photo.visibility[0] > ABSENT]).astype(int).T
        assert photo.image[y, x].any(axis=-1).mean() > 0.9


def test_the_face_shows_exactly_when_the_person_looks_at_the_camera(photos):
    face = PARTS.index("face")
    for photo in photos:
        nose, ears = photo.xyz[0, J["nose"]], photo.xyz[0, [J["left_ear"], J["right_ear"]]].mean(0)
        toward = float((nose - ears) @ -ears / np.linalg.norm(nose - ears) / np.linalg.norm(ears))
        if toward < -0.7:
            assert photo.visibility[0, J["nose"]] != VISIBLE
        if toward > 0.7 and photo.visibility[0, J["nose"]] == VISIBLE:
            assert (photo.parts == face).any()


def test_bodies_are_human():
    xyz, stature = sample_postures(np.random.default_rng(0), 200, held_out=True)
    length = lambda a, b: np.linalg.norm(xyz[:, J[a]] - xyz[:, J[b]], axis=-1) / stature
    for a, b, least, most in [
        ("left_knee", "left_ankle", 0.19, 0.3),
        ("right_hip", "right_knee", 0.19, 0.3),
        ("left_shoulder", "left_elbow", 0.14, 0.22),
        ("left_ear", "right_ear", 0.08, 0.1),
    ]:
        assert least < length(a, b).min()
        assert length(a, b).max() < most
    np.testing.assert_allclose(xyz[..., 2].min(axis=1), 0.02, atol=1e-9)


def test_a_whole_picture_has_boxes_that_hold_the_joints():
    rng = np.random.default_rng(5)
    for _ in range(10):
        photo = sample_image(rng, (192, 128))
        low, high = photo.box[:, None, :2], photo.box[:, None, :2] + photo.box[:, None, 2:]
        assert ((photo.xy >= low) & (photo.xy <= high)).all()
