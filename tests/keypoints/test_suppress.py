"""IoU, NMS and OKS against direct loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from multiview.keypoints.suppress import box_iou, box_nms, boxes_of, oks, oks_nms

box = st.tuples(*[st.integers(0, 30)] * 4).map(
    lambda v: [min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])]
)


@given(st.lists(box, min_size=1, max_size=6))
def test_iou_counts_pixels(boxes):
    masks = []
    for x1, y1, x2, y2 in boxes:
        mask = np.zeros((31, 31), bool)
        mask[y1:y2, x1:x2] = True
        masks.append(mask)
    expected = [[(a & b).sum() / max((a | b).sum(), 1) for b in masks] for a in masks]
    b = np.array(boxes, float)
    np.testing.assert_allclose(box_iou(b, b), expected, atol=1e-12)


@given(st.lists(st.tuples(box, st.floats(0, 1)), min_size=1, max_size=8))
def test_nms_keeps_the_best_of_every_cluster(items):
    boxes, scores = np.array([i[0] for i in items], float), np.array([i[1] for i in items])
    iou = box_iou(boxes, boxes)
    kept = box_nms(boxes, scores, 0.5)
    for k, i in enumerate(kept):
        assert all(iou[i, j] <= 0.5 for j in kept[:k])
    for i in set(range(len(boxes))) - set(kept.tolist()):
        assert any(iou[i, j] > 0.5 and scores[j] >= scores[i] for j in kept)


def test_oks_is_cocos_formula():
    rng = np.random.default_rng(0)
    a, b, sigmas, area = (
        rng.uniform(0, 100, (2, 5, 2)),
        rng.uniform(0, 100, (3, 5, 2)),
        rng.uniform(0.02, 0.1, 5),
        np.array([900.0, 2500.0]),
    )
    b[1, 2] = np.nan
    got = oks(a, b, area, sigmas)
    for i in range(2):
        for j in range(3):
            terms = []
            for k in range(5):
                d2 = ((a[i, k] - b[j, k]) ** 2).sum()
                if np.isfinite(d2):
                    terms.append(np.exp(-d2 / (2 * area[i] * (2 * sigmas[k]) ** 2)))
            np.testing.assert_allclose(got[i, j], np.mean(terms))


def test_oks_nms_merges_doubles_and_keeps_neighbours():
    rng = np.random.default_rng(1)
    person = rng.uniform(0, 200, (17, 2))
    xy = np.stack([person, person + rng.normal(0, 1, (17, 2)), person + np.array([60, 0])])
    np.testing.assert_array_equal(oks_nms(xy, np.array([0.8, 0.9, 0.5]), np.full(17, 0.08)), [1, 2])


def test_nobody():
    assert len(box_nms(np.zeros((0, 4)), np.zeros(0))) == 0
    assert len(oks_nms(np.zeros((0, 17, 2)), np.zeros(0), np.full(17, 0.1))) == 0
    np.testing.assert_array_equal(boxes_of(np.full((1, 17, 2), np.nan)), np.zeros((1, 4)))
