"""The arrays of fusion: they grow without losing what is in them, and a copied pipeline has its own."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from multiview.data import Tracks
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.workspace import Workspace
from multiview.synthetic import Studio


def test_workspace_grows_to_twice_the_size_and_keeps_what_it_holds(small_studio: Studio) -> None:
    body = Pipeline(small_studio.rig, small_studio.skeleton).body
    work = Workspace.empty(2, 6, 3, body)
    work.xyz[:] = np.arange(work.xyz.size).reshape(work.xyz.shape)
    work.rays.first[:] = [0, 2, 4, 6]
    assert work.with_room(2, 6, body) is work
    larger = work.with_room(3, 6, body)
    assert (len(larger.slots), len(larger.free)) == (4, 6)
    np.testing.assert_array_equal(larger.xyz[:2], work.xyz)
    np.testing.assert_array_equal(larger.rays.first, work.rays.first)
    assert len(work.with_room(0, 100, body).rays.xy) == 100


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pipeline: pickle.loads(pickle.dumps(pipeline))])
def test_pipeline_copies_go_on_alike_and_apart(small_studio: Studio, copied: Callable[[Pipeline], Pipeline]) -> None:
    pipeline = Pipeline(small_studio.rig, small_studio.skeleton)
    for frame in range(5):
        pipeline.step(small_studio.views(frame))
    twin = copied(pipeline)
    ahead = [twin.step(small_studio.views(frame)) for frame in range(5, 10)]
    behind = [pipeline.step(small_studio.views(frame)) for frame in range(5, 10)]
    assert all(len(tracks.tracks) == 2 for tracks in behind)
    for one, other in zip(ahead, behind, strict=True):
        np.testing.assert_array_equal(joints(one), joints(other))


def joints(tracks: Tracks) -> np.ndarray:
    return np.array([track.pose.xyz for track in tracks.tracks])
