import numpy as np

from multiview.cameras.camera import Camera, Rig
from multiview.cameras.observations import PackedRig, pack
from multiview.data import Keypoints2D, Views

K = np.array([[900.0, 0, 640], [0, 910, 360], [0, 0, 1]])
TURN = np.array([[0.8, 0, -0.6], [0, 1, 0], [0.6, 0, 0.8]])
LENSES = (
    ("plain", "pinhole", np.zeros(5)),
    ("brown", "pinhole", np.array([-0.2, 0.05, 0.001, -0.002, 0.01])),
    ("rational", "pinhole", np.array([0.3, -0.1, 0.001, 0.0, 0.02, 0.5, -0.05, 0.01, 1e-3, 0, -1e-3, 0])),
    ("fisheye", "fisheye", np.array([0.02, -0.01, 0.003, -0.001])),
)


def test_rays_are_the_cameras_own_and_carry_the_noise_over() -> None:
    cameras = tuple(Camera(name, (1280, 720), K, dist, TURN, np.ones(3), model) for name, model, dist in LENSES)
    xy = np.random.default_rng(7).uniform([100, 100], [1180, 620], (2, 4, 2))
    score = np.full((2, 4), 0.8)
    xy[1, 2], score[1, 2] = np.nan, 0.0
    views = Views(0, 0, tuple(Keypoints2D(xy, score) for _ in cameras))
    rays = pack(views, PackedRig.of(Rig(cameras)), 4, np.full((4, 2), 9.0), np.array([0.2, 0.9]))
    for c, camera in enumerate(cameras):
        rows = slice(rays.first[c], rays.first[c + 1])
        expected, jacobian = camera.undistort_with_jacobian(xy)
        np.testing.assert_allclose(rays.xy[rows], expected, atol=1e-9)
        np.testing.assert_allclose(rays.ray[rows], camera.rays(xy), atol=1e-9)
        noise = 9.0 * jacobian @ np.swapaxes(jacobian, -1, -2)
        known = score > 0
        np.testing.assert_allclose(
            rays.noise[rows][known], noise[known][:, [0, 0, 1], [0, 1, 1]], rtol=1e-6, atol=1e-15
        )
        inverse = np.linalg.inv(noise[known])
        np.testing.assert_allclose(rays.info[rows][known], inverse[:, [0, 0, 1], [0, 1, 1]], rtol=1e-6, atol=1e-3)
        assert rays.info[rows][~known].max() == 0


def test_what_a_detector_knows_of_its_noise_goes_before_what_scores_say() -> None:
    cameras = tuple(Camera(name, (1280, 720), K, dist, TURN, np.ones(3), model) for name, model, dist in LENSES)
    rng = np.random.default_rng(8)
    xy, score = rng.uniform([100, 100], [1180, 620], (2, 4, 2)), np.full((2, 4), 0.8)
    spread = rng.normal(0.0, 4.0, (2, 4, 2, 2))
    cov = spread @ np.swapaxes(spread, -1, -2) + np.eye(2)
    cov[0, 1] = np.nan
    views = Views(0, 0, tuple(Keypoints2D(xy, score, None if c == 1 else cov) for c in range(len(cameras))))
    rays = pack(views, PackedRig.of(Rig(cameras)), 4, np.full((4, 2), 9.0), np.array([0.2, 0.9]))
    for c, camera in enumerate(cameras):
        rows = slice(rays.first[c], rays.first[c + 1])
        _, jacobian = camera.undistort_with_jacobian(xy)
        own = np.where(np.isnan(cov), 9.0 * np.eye(2), cov) if c != 1 else np.broadcast_to(9.0 * np.eye(2), cov.shape)
        noise = jacobian @ own @ np.swapaxes(jacobian, -1, -2)
        np.testing.assert_allclose(rays.noise[rows], noise[:, :, [0, 0, 1], [0, 1, 1]], rtol=1e-6, atol=1e-15)
        np.testing.assert_allclose(rays.info[rows], np.linalg.inv(noise)[:, :, [0, 0, 1], [0, 1, 1]], rtol=1e-6)


def test_a_camera_that_gave_nothing_is_not_one_that_saw_nobody() -> None:
    cameras = tuple(Camera(name, (1280, 720), K, dist, TURN, np.ones(3), model) for name, model, dist in LENSES[:2])
    rays = pack(
        Views(0, 0, (None, Keypoints2D.nobody(4))), PackedRig.of(Rig(cameras)), 4, np.ones((4, 2)), np.array([0.2, 0.9])
    )
    assert rays.alive.tolist() == [False, True]
    assert len(rays.camera) == 0
