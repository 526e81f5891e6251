"""A camera that is turned a little is found, and named, and nobody is accused wrongly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from multiview.data import Keypoints2D, Views
from multiview.knocked import KnockDetector
from multiview.pipeline import Pipeline
from multiview.synthetic import Options, make_studio

STUDIO = make_studio(Options(cameras=5, people=3, seconds=16.0, fps=25.0, seed=3))


def turned(keypoints: Keypoints2D, camera: int, degrees: float) -> Keypoints2D:
    """What the camera would see, turned about its own vertical axis."""
    lens = replace(STUDIO.rig.cameras[camera], R=np.eye(3), t=np.zeros(3))
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    ideal = lens.undistort(keypoints.xy)
    rays = np.concatenate([ideal, np.ones((*ideal.shape[:-1], 1))], axis=-1) @ turn.T
    return replace(keypoints, xy=lens.project(rays))


@pytest.mark.parametrize("camera", [None, 1, 4])
def test_the_turned_camera_is_found_within_five_seconds(camera: int | None) -> None:
    pipeline, detector = Pipeline(STUDIO.rig, STUDIO.skeleton), KnockDetector(STUDIO.rig, STUDIO.fps)
    begins, noticed = 200, None
    for frame in range(STUDIO.frames):
        views = STUDIO.views(frame)
        keypoints = list(views.keypoints)
        if camera is not None and frame >= begins and keypoints[camera] is not None:
            keypoints[camera] = turned(keypoints[camera], camera, 0.5)
        for knocked in detector.knocked:
            keypoints[knocked] = None
        seen = Views(views.tick, views.time_ns, tuple(keypoints))
        detector.look(seen, pipeline.step(seen))
        if detector.knocked and noticed is None:
            noticed = frame
    if camera is None:
        assert detector.knocked == {}
    else:
        assert set(detector.knocked) == {camera}
        assert noticed is not None
        assert begins < noticed <= begins + 5 * STUDIO.fps
