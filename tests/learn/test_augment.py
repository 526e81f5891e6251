"""Augmentation: the keypoints go where the pixels go, and the skeleton stays a skeleton."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiview.body.skeleton import load_skeleton
from multiview.learn.augment import Augmentation, augment
from multiview.learn.pose_task import SYMMETRIC_PARTS
from multiview.learn.sample import ABSENT, HIDDEN, VISIBLE, Sample

COCO = load_skeleton("coco17")
GEOMETRY = Augmentation(cutout=0.0, degrade=0.0)


def marked(rng: np.random.Generator) -> Sample:
    """A picture of 17 soft dots, each of its own brightness ratio between the channels, at the joints."""
    xy = rng.uniform(40, 160, (17, 2))
    y, x = np.mgrid[:200, :200]
    image = np.zeros((200, 200, 3))
    blob = np.exp(-((x - xy[0, 0]) ** 2 + (y - xy[0, 1]) ** 2) / (2 * 3.0**2))
    image[..., 0] = 255 * blob
    parts = np.zeros((200, 200), np.uint8)
    box = np.concatenate([xy.min(0) - 5, xy.max(0) + 5])
    return Sample(image.astype(np.uint8), xy, np.full(17, VISIBLE), box, parts)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_keypoints_follow_the_pixels(seed):
    rng = np.random.default_rng(seed)
    sample = marked(rng)
    options = msgspec.structs.replace(GEOMETRY, low_res=float(seed % 2))
    crop = augment(sample, rng, (192, 256), options, ())
    x, y = crop.xy[0]
    if crop.visibility[0] == ABSENT or not (12 < x < 180 and 12 < y < 244):
        return
    weight = crop.image[..., 0].astype(float)
    v, u = np.mgrid[:256, :192]
    found = np.array([(weight * u).sum(), (weight * v).sum()]) / weight.sum()
    assert np.linalg.norm(found - crop.xy[0]) < 0.5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_skeleton_stays_valid(seed):
    """Lengths keep their ratios, no joint is made up, and a mirrored person has left and right exchanged."""
    rng = np.random.default_rng(seed)
    sample = marked(rng)
    options = Augmentation(flip=1.0 if seed % 2 else 0.0, cutout=0.0, degrade=0.0)
    crop = augment(sample, rng, (96, 128), options, COCO.symmetric_pairs)
    before = sample.xy[COCO.mirrored] if seed % 2 else sample.xy
    ratio = np.linalg.norm(crop.xy[1:] - crop.xy[:-1], axis=1) / np.linalg.norm(before[1:] - before[:-1], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    area = lambda p: float(np.linalg.det(np.stack([p[5] - p[0], p[11] - p[0]])))
    assert np.sign(area(crop.xy)) == (-1 if seed % 2 else 1) * np.sign(area(before))
    inside = ((crop.xy >= -0.5) & (crop.xy <= np.array([95.5, 127.5]))).all(1)
    np.testing.assert_array_equal(crop.visibility > ABSENT, inside)


def test_a_mirrored_person_has_mirrored_parts():
    rng = np.random.default_rng(0)
    sample = marked(rng)
    a, b = SYMMETRIC_PARTS[0]
    sample.part_labels[:] = a
    crop = augment(
        sample, rng, (96, 128), Augmentation(flip=1.0, shift=0.0, scale=0.0), COCO.symmetric_pairs, SYMMETRIC_PARTS
    )
    assert b in crop.part_labels
    assert a not in crop.part_labels


def test_cutout_hides_what_it_covers():
    rng = np.random.default_rng(0)
    options = Augmentation(cutout=1.0, degrade=0.0, flip=0.0)
    crops = [augment(marked(rng), rng, (96, 128), options, COCO.symmetric_pairs) for _ in range(20)]
    assert any((crop.visibility == HIDDEN).any() for crop in crops)
    assert all(set(np.unique(crop.visibility)) <= {ABSENT, HIDDEN, VISIBLE} for crop in crops)


@pytest.mark.parametrize("name", ["rotation_deg", "scale", "shift"])
def test_nothing_varies_when_told_not_to(name):
    still = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    sample = marked(np.random.default_rng(1))
    one, two = (augment(sample, np.random.default_rng(s), (96, 128), still, ()) for s in (1, 2))
    np.testing.assert_array_equal(one.image, two.image)
    options = dict.fromkeys(Augmentation.__struct_fields__, 0.0) | {name: 40.0 if name == "rotation_deg" else 0.3}
    varied = augment(sample, np.random.default_rng(3), (96, 128), Augmentation(**options), ())
    assert not np.array_equal(varied.xy, one.xy)
