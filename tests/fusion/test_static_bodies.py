"""Mannequins and posters, where the number of people is limited."""

import numpy as np
import pytest

from multiview.cameras.capture_volume import Volume
from multiview.data import Keypoints2D, Views
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.fusion.state.body_model import Body
from multiview.synthetic import Studio, StudioOptions, make_studio

ENTERS = 45  # the frame in which the person comes in
MANNEQUIN_M = (1.6, 1.6, 0.0)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(StudioOptions(cameras=4, people=1, seconds=4.0, seed=3, only_walking=True, area_m=2.0))


def with_mannequin(studio: Studio, frame: int, rng: np.random.Generator) -> Views:
    """The frame with a mannequin in every view, and with the person from `ENTERS` on."""
    body = Body.of(studio.skeleton)
    standing = body.rest_pose - body.rest_pose.min(axis=0) + MANNEQUIN_M
    views, found = studio.views(frame), []
    for camera, seen in zip(studio.rig.cameras, views.keypoints, strict=True):
        xy = camera.project(standing)[None] + rng.normal(0.0, 4.0, (1, len(standing), 2))
        score = np.full(xy.shape[:2], 0.9)
        if seen is not None and frame >= ENTERS:
            xy, score = np.concatenate([xy, seen.xy]), np.concatenate([score, seen.score])
        found.append(Keypoints2D(xy, score))
    return Views(views.tick, views.time_ns, tuple(found))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 0])
def test_mannequin_gives_way_to_a_person_where_one_is_allowed(studio: Studio, limit: int) -> None:
    rng, pipeline = (
        np.random.default_rng(0),
        Pipeline(studio.rig, studio.skeleton, PipelineOptions(volume=Volume(max_people=limit))),
    )
    counts, gaps = [], []
    for frame in range(studio.frames):
        tracks = pipeline.step(with_mannequin(studio, frame, rng)).tracks
        counts.append(len(tracks))
        (person,) = studio.truth.xyz[studio.truth.frame == frame]
        gaps.append(min(np.linalg.norm(track.pose.xyz - person, axis=-1).mean() for track in tracks))
    assert max(counts) == (limit or 2)
    assert gaps[ENTERS - 1] > 0.5  # the mannequin
    assert max(gaps[ENTERS + 30 :]) < 0.05  # whoever walks has moved within a second
