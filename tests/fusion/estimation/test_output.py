"""What leaves fusion, and how many views support it, as plain numpy says it."""

import numpy as np
import pytest

from multiview.fusion import stage_kernels as kernels
from multiview.fusion.estimation.output_kernels import FILLED_SCORE, MIN_JOINTS
from multiview.fusion.pipeline import Pipeline
from multiview.synthetic import StudioOptions, make_studio

UNKNOWN, HIDDEN = 3, 5  # joints


@pytest.fixture(scope="module")
def crowd() -> Pipeline:
    """Three people who were followed for some frames; some rays, and two joints of person 1, are taken away."""
    studio = make_studio(StudioOptions(cameras=4, people=3, seconds=1.0))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    for tick in range(8):
        pipeline.step(studio.views(tick))
    frame = pipeline.workspace
    taken = np.random.default_rng(0).random(frame.table[:3].shape) < 0.3
    frame.table[:3][taken] = -1
    frame.table[1, :, HIDDEN], frame.table[2, 0, 2:] = -1, -1
    pipeline.tracker.people.state.has_estimate[frame.slots[1], UNKNOWN] = False
    frame.rays.alive[3] = False
    return pipeline


def test_what_leaves_the_frame_is_numpys(crowd: Pipeline) -> None:
    frame, state, body, rig = crowd.workspace, crowd.tracker.people.state, crowd.body, crowd.packed
    people, cameras, joints, tracked = 3, 4, frame.table.shape[2], 2
    xyz, cov = np.empty((people, joints, 3)), np.empty((people, joints, 3, 3))
    score, views = np.empty((people, joints)), np.empty((people, joints), np.int64)
    filled = np.empty((people, joints), np.bool_)
    kernels.write_output(crowd.arrays, people, tracked, xyz, cov, score, views, filled)
    scores, core = frame.rays.score.ravel(), body.matching_joints
    for n, m in enumerate(frame.slots[:people]):
        table, known = frame.table[n], state.has_estimate[m]
        count = np.where(known, (table >= 0).sum(axis=0), 0)
        mean = np.where(table >= 0, scores[table], 0.0).sum(axis=0) / np.maximum(count, 1)
        np.testing.assert_array_equal(views[n], count)
        np.testing.assert_allclose(score[n], np.where(known, np.where(count, mean, FILLED_SCORE), 0.0))
        np.testing.assert_array_equal(filled[n], known & (count < 2))
        np.testing.assert_array_equal(xyz[n], np.where(known[:, None], state.pos[m], np.nan))
        full = state.cov_pp[m][:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
        np.testing.assert_array_equal(cov[n], np.where(known[:, None, None], full, np.nan))
        measured = (table[:, core] >= 0).sum(axis=1) >= MIN_JOINTS
        middle = frame.association.expected[n, :, :2, body.torso].mean(axis=0)
        inside = ((rig.image_bounds[:, :2] < middle) & (middle < rig.image_bounds[:, 2:])).all(axis=1)
        assert frame.support[n] == measured.sum()
        assert frame.due[n] == (inside[: cameras - 1].sum() if n < tracked else 0)
    assert frame.support[2] < cameras
    assert np.isnan(xyz[1, UNKNOWN]).all()
