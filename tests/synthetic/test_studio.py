import numpy as np
import pytest

from multiview.errors import ConfigError
from multiview.synthetic import Studio, StudioOptions, make_studio


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(StudioOptions(cameras=4, people=3, seconds=3, leaving=1, frame_drops=0.05, seed=5))


def test_perfect_studio_sees_exactly_the_truth():
    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=1, skeleton="body25").perfect())
    for frame in (0, 17, 29):
        rows = studio.truth.frame == frame
        for camera, seen in enumerate(studio.views(frame).keypoints):
            labels = studio.labels(camera, frame)
            pixels = studio.rig.cameras[camera].project(studio.truth.xyz[rows])
            truth = dict(zip(studio.truth.actor[rows], pixels, strict=True))
            for xy, actor in zip(seen.xy, labels.actor, strict=True):
                known = ~np.isnan(xy[:, 0])
                assert known.mean() > 0.5
                np.testing.assert_allclose(xy[known], truth[actor][known], atol=1e-3)


def test_another_process_gives_the_same_numbers_without_the_other_cameras(studio):
    again = make_studio(studio.options)
    for camera, frame in ((3, 80), (0, 4), (3, 5)):
        a, b = again.keypoints(camera, frame), studio.keypoints(camera, frame)
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a.xy, b.xy)
            np.testing.assert_array_equal(a.score, b.score)
    np.testing.assert_array_equal(again.truth.xyz, studio.truth.xyz)


def test_missing_joints_have_nan_and_score_0_together_and_values_are_float32(studio):
    lost = 0
    for frame in range(studio.frames):
        for seen in studio.views(frame).keypoints:
            if seen is None:
                lost += 1
                continue
            np.testing.assert_array_equal(np.isnan(seen.xy).all(axis=-1), seen.score == 0)
            np.testing.assert_array_equal(seen.xy, seen.xy.astype(np.float32))
            assert ((seen.score >= 0) & (seen.score <= 1)).all()
    assert 0.02 < lost / (4 * studio.frames) < 0.1


def test_a_contradiction_is_refused():
    for options in (
        StudioOptions(cameras=0),
        StudioOptions(outliers=1.5),
        StudioOptions(correlation=1.0),
        StudioOptions(phase_ms=500.0),
    ):
        with pytest.raises(ConfigError, match="synthetic studio"):
            make_studio(options)
