from dataclasses import replace

import numpy as np
import pytest

from multiview.cameras.camera import Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import rotation_from_vector
from multiview.selfcalib.refine_rig import JointObservations, refine_rig
from multiview.synthetic import Studio, StudioOptions, make_studio


def test_refine_rig_corrects_displaced_cameras() -> None:
    rng = np.random.default_rng(10)
    true = make_studio(StudioOptions(cameras=4, people=1, seconds=0.1, distortion=False)).rig
    xyz = rng.uniform([-1.2, -1.2, 0.1], [1.2, 1.2, 1.8], (800, 3))
    focal = np.array([camera.K[0, 0] for camera in true.cameras])
    xy = np.stack([camera.undistort(camera.project(xyz)) for camera in true.cameras], axis=1)
    xy += rng.normal(size=xy.shape) * (2.0 / focal)[:, None]
    xy[rng.random((800, 4)) < 0.2] = np.nan
    wrong = rng.random((800, 4)) < 0.02
    xy[wrong] += 0.1
    displaced = Rig(
        tuple(
            replace(
                camera, R=rotation_from_vector(rng.normal(0, 0.008, 3)) @ camera.R, t=camera.t + rng.normal(0, 0.02, 3)
            )
            for camera in true.cameras
        )
    )
    sigma = np.broadcast_to((2.0 / focal)[:, None], xy.shape).copy()
    found = refine_rig(displaced, JointObservations(xyz + rng.normal(0, 0.02, xyz.shape), xy, sigma))
    assert found.before_px.max() > 3
    # A residual of two normal coordinates of 2 px has its median at 1.18 x 2 px, less what the point takes.
    assert (found.after_px < 2.4).all()

    def baselines(rig: Rig) -> np.ndarray:
        """Distances between cameras: what no choice of the world changes."""
        centre = np.stack([camera.centre for camera in rig.cameras])
        return np.linalg.norm(centre[:, None] - centre, axis=-1)[np.triu_indices(4, 1)]

    shape = baselines(found.rig) / baselines(found.rig).mean() - baselines(true) / baselines(true).mean()
    before = baselines(displaced) / baselines(displaced).mean() - baselines(true) / baselines(true).mean()
    assert np.abs(shape).max() < 0.35 * np.abs(before).max()


def test_refine_rig_needs_enough_joints(small_studio: Studio) -> None:
    nothing = JointObservations(np.empty((0, 3)), np.empty((0, 3, 2)), np.empty((0, 3, 2)))
    with pytest.raises(CalibrationError, match="too few"):
        refine_rig(small_studio.rig, nothing)
