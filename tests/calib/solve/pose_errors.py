"""How far solved cameras are from the true ones, in what the solution says of itself."""

from collections.abc import Iterator

import numpy as np

from calib.solve.solve import Calibration
from calib.solve.uncertainty import relative_pose_covariance
from multiview.cameras.camera import Rig
from multiview.geometry.rigid import vector_from_rotation


def normalised_squares(rig: Rig, found: Calibration) -> Iterator[float]:
    """Of each pose relative to the first camera: the squared error over its covariance, per degree of freedom."""
    for i in range(1, len(found.cameras)):
        (R, t), covariance = relative_pose_covariance(found, i, 0)
        a, b = rig.cameras[found.cameras[i]], rig.cameras[found.cameras[0]]
        error = np.concatenate([vector_from_rotation(R @ (a.R @ b.R.T).T), t - (a.t - a.R @ b.R.T @ b.t)])
        yield float(error @ np.linalg.solve(covariance, error) / 6)
