"""Triangulate points by hand: pixels of a rig's cameras to points in metres, with their covariance.

    python examples/03_triangulate_points.py

A marker on a wall, a ball, a landmark: anything that you found in two or more pictures.
"""

import numpy as np

import multiview as mv
from multiview.synthetic import StudioOptions, make_rig


def main() -> None:
    rig = make_rig(StudioOptions(cameras=4))  # mv.load_rig("rig.toml") reads your own
    truth = np.array([[0.5, 0.2, 1.0], [-0.4, 0.3, 1.6], [0.0, 0.0, 0.1]])  # m
    sigma_px = 1.0
    rng = np.random.default_rng(0)
    pixels = [camera.project(truth) + rng.normal(0, sigma_px, (len(truth), 2)) for camera in rig.cameras]

    # Normalised image coordinates, and what one pixel of noise means there.
    ideal, jacobian = zip(
        *(camera.undistort_with_jacobian(xy) for camera, xy in zip(rig.cameras, pixels, strict=True)), strict=True
    )
    J = np.stack(jacobian, axis=1)
    found = mv.triangulate(
        np.stack(ideal, axis=1),
        sigma_px**2 * J @ np.swapaxes(J, -1, -2),
        R=np.stack([camera.R for camera in rig.cameras]),
        t=np.stack([camera.t for camera in rig.cameras]),
    )
    for point, cov, true, inliers in zip(found.xyz, found.cov, truth, found.inliers, strict=True):
        error_mm, sigma_mm = 1000 * np.linalg.norm(point - true), 1000 * np.sqrt(np.trace(cov))
        print(f"{np.round(point, 4)} m from {inliers.sum()} rays: error {error_mm:.1f} mm, expected {sigma_mm:.1f} mm")


if __name__ == "__main__":
    main()
