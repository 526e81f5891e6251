"""However many people a camera claims to see, a tick is fused in bounded time, and what was left out is said."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from multiview.data import Keypoints2D
from multiview.fusion.pipeline import MAX_DETECTIONS, Pipeline
from multiview.synthetic import StudioOptions, make_studio


def with_false_people(seen: Keypoints2D, made: int, count: int) -> Keypoints2D:
    """And the first `count` of `made` people of low scores, anywhere."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 1000, (made, *seen.xy.shape[1:]))[:count]
    return Keypoints2D(np.concatenate([xy, seen.xy]), np.concatenate([np.full(xy.shape[:2], 0.01), seen.score]))


def test_best_people_are_those_of_the_highest_scores_in_their_order() -> None:
    score = np.array([[0.1, 0.1], [0.9, 0.9], [0.0, 0.0], [0.8, 0.2]])
    xy = np.arange(16.0).reshape(4, 2, 2)
    best = Keypoints2D(xy, score, np.broadcast_to(np.eye(2), (4, 2, 2, 2)), score).best(2)
    np.testing.assert_array_equal(best.xy, xy[[1, 3]])
    np.testing.assert_array_equal(best.score, score[[1, 3]])
    assert best.cov is not None
    assert best.cov.shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(best.visibility, score[[1, 3]])


def test_false_people_beyond_the_bound_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """Of 1,024 false people in two cameras as many are used as there is room for beside the true one."""
    studio = make_studio(StudioOptions(cameras=3, people=1, seconds=0.2).perfect())
    views = studio.views(0)

    def fused(false: int) -> list[np.ndarray]:
        keypoints = tuple(
            with_false_people(seen, 1024, false) if camera < 2 and seen is not None else seen
            for camera, seen in enumerate(views.keypoints)
        )
        pipeline = Pipeline(studio.rig, studio.skeleton)
        with caplog.at_level(logging.WARNING):
            for tick in range(2):
                pipeline.step(replace(views, tick=tick, time_ns=tick * 10**8, keypoints=keypoints))
        return [one.pose.xyz for one in pipeline.estimates]

    within = fused(MAX_DETECTIONS - 1)
    assert not caplog.records
    beyond = fused(1024)
    assert len(beyond) == len(within) >= 1
    for one, other in zip(beyond, within, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}: 1025 people in one picture; only the best {MAX_DETECTIONS} are used" for name in studio.rig.names[:2]
    ]
