"""BlazePose's decoding: anchors, regions, people and landmarks against what they were made from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.keypoints.blazepose import (
    decode_landmarks,
    decode_people,
    overlapping_tiles,
    region_of_axis,
    ssd_anchors,
)
from multiview.keypoints.blazepose_kernels import local_moments


def test_anchors_are_as_many_as_the_network_has():
    anchors = ssd_anchors(224)
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[0], anchors[1])
    np.testing.assert_allclose(anchors[2], [12 / 224, 4 / 224])
    np.testing.assert_allclose(anchors[-1], 1 - 16 / 224)


@given(st.floats(-3, 3), st.floats(10, 500))
def test_the_region_is_upright_and_padded(lean, length):
    hips = np.array([300.0, 400.0])
    top = hips + length * np.array([np.sin(lean), -np.cos(lean)])
    region = region_of_axis(hips, top)
    assert region.size == pytest.approx(2.5 * length)
    np.testing.assert_allclose(np.cos(region.rotation - lean), 1, atol=1e-9)


@pytest.mark.parametrize("size", [(1920, 1080), (1088, 1920), (640, 480), (500, 500)])
def test_tiles_cover_the_picture(size):
    tiles = overlapping_tiles(size, 3)
    for level in sorted({tile.size for tile in tiles}):
        covered = np.zeros((size[1] // 4, size[0] // 4), int)
        for tile in tiles:
            if tile.size == level:
                x0, y0 = (np.maximum(tile.centre - level / 2, 0) / 4).astype(int)
                x1, y1 = ((tile.centre + level / 2) / 4).astype(int)
                covered[y0:y1, x0:x1] += 1
        assert covered.min() > 0


def test_people_come_back_from_their_anchors():
    rng = np.random.default_rng(0)
    anchors = ssd_anchors(224)
    raw, logits = np.zeros((2254, 12)), np.full(2254, -100.0)
    people = {100: np.array([[0.3, 0.4], [0.3, 0.2]]), 1900: np.array([[0.8, 0.5], [0.82, 0.3]])}
    for k, (anchor, axis) in enumerate(people.items()):
        for near in (anchor, anchor + 1):
            raw[near, :4] = [*(axis[0] - anchors[near]) * 224, 60, 60]
            raw[near, 4:8] = ((axis - anchors[near]) * 224).ravel()
            raw[near, 8:] = rng.normal(size=4)
            logits[near] = 3 - k
    found = decode_people(raw, logits, anchors, 0.5)
    np.testing.assert_allclose(found, list(people.values()), atol=1e-9)
    assert decode_people(raw, logits, anchors, 0.99).shape == (0, 2, 2)


def plain_moments(heatmaps, at, radius):
    """What the kernel computes, map by map."""
    mean, spread, top = [], [], []
    for k, (cx, cy) in enumerate(np.floor(at)):
        y, x = np.mgrid[: heatmaps.shape[0], : heatmaps.shape[1]]
        near = (abs(x - cx) <= radius) & (abs(y - cy) <= radius)
        weight = 1 / (1 + np.exp(-heatmaps[..., k].astype(float))) * near
        if not near.any():
            mean.append([np.nan, np.nan]), spread.append(np.nan), top.append(0.0)
            continue
        mx, my = np.average(x, weights=weight), np.average(y, weights=weight)
        mean.append([mx, my])
        spread.append(np.average((x - mx) ** 2 + (y - my) ** 2, weights=weight) / 2)
        top.append(weight.max())
    return np.array(mean), np.array(spread), np.array(top)


def test_moments_of_the_heatmaps():
    """Blobs inside, at the edges, outside, and places that are no numbers."""
    rng = np.random.default_rng(4)
    heatmaps = rng.normal(-2, 2, (24, 32, 60)).astype(np.float32)
    at = rng.uniform(-6, 38, (60, 2))
    at[0], at[1], at[2] = np.nan, [np.inf, 5], [1e18, -1e18]
    mean, spread, top = np.empty((60, 2)), np.empty(60), np.empty(60)
    local_moments(heatmaps, at, 3, mean, spread, top)
    assert (top[:3] == 0).all()
    expected = plain_moments(heatmaps[..., 3:], at[3:], 3)
    seen = expected[2] > 0
    assert 20 < seen.sum() < 57
    np.testing.assert_array_equal(top[3:][~seen], 0.0)
    for got, wanted in zip((mean, spread, top), expected, strict=True):
        np.testing.assert_allclose(got[3:][seen], wanted[seen], atol=1e-9)


def test_landmarks_move_to_the_heatmap_and_know_how_sure_they_are():
    yy, xx = np.mgrid[:64, :64]
    truth = np.random.default_rng(1).uniform(8, 55, (39, 2))
    width = np.where(np.arange(39) % 2, 1.2, 2.5)
    blobs = np.exp(-((xx[..., None] - truth[:, 0]) ** 2 + (yy[..., None] - truth[:, 1]) ** 2) / (2 * width**2))
    values = np.zeros((39, 5))
    values[:, :2] = truth * 4 + 2
    values[:, 3:] = 3.0
    values[5, 3] = -3.0
    heatmaps = np.log(np.clip(0.95 * blobs, 1e-6, 1) / (1 - np.clip(0.95 * blobs, 1e-6, 0.96)))
    heatmaps[..., 7] = -5  # no peak: the regression stands
    marks = decode_landmarks(values.reshape(1, 195), heatmaps, 256)
    sharp = [k for k in range(1, 39, 2) if k != 7]
    assert np.abs(marks.xy - truth * 4)[sharp].max() < 2.0
    np.testing.assert_allclose(marks.xy[7], values[7, :2])
    sigma = np.sqrt(np.linalg.eigvalsh(marks.cov)[:, 1])
    assert np.median(sigma[0::2]) > 1.3 * np.median(sigma[1::2])
    assert sigma[5] > 2 * np.median(sigma[1::2])
    assert (np.linalg.eigvalsh(marks.cov) > 0).all()
