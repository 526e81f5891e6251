"""The lens of one camera: the model is chosen on held-out views, and what cannot be told is said."""

import numpy as np
import pytest

from calib.board.board import Board
from calib.board.poses import CameraViews, ideal_coordinates
from calib.solve.intrinsics import calibrate_lens, spread_out
from multiview.cameras.camera import Camera
from multiview.errors import CalibrationError
from multiview.geometry.rigid import alignment, rotation_from_vector

POINTS = Board((7, 5), 0.1, 0.075, "DICT_4X4_100").points
POINTS = POINTS - POINTS.mean(axis=0)

LENSES = {
    "pinhole5": (1100.0, [-0.25, 0.08, 1e-3, -5e-4, -0.01]),
    "pinhole8": (500.0, [2.0, 0.6, 1e-4, -1e-4, 0.01, 2.4, 1.1, 0.08]),
    "fisheye": (420.0, [0.04, -0.012, 0.004, -0.001]),
}


def views_all_over(name, count, rng, sigma=0.3, within=((60, 60), (1220, 660)), distances=(0.8, 1.6)):
    """Boards in every part of the picture, or of what is `within` of it, tilted, near."""
    focal, dist = LENSES[name]
    K = np.array([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])
    model = "fisheye" if name == "fisheye" else "pinhole"
    camera = Camera("a", (1280, 720), K, np.array(dist), np.eye(3), np.zeros(3), model)
    xy = np.zeros((count, len(POINTS), 2))
    seen = np.zeros(xy.shape[:2], dtype=bool)
    for v in range(count):
        ray = camera.rays(rng.uniform(*within))
        towards = rotation_from_vector(np.cross([0, 0, 1.0], ray) / max(np.hypot(*ray[:2]), 1e-9) * np.arccos(ray[2]))
        turn = towards @ rotation_from_vector(rng.normal(0, 0.4, 3))
        image = camera.project(POINTS @ turn.T + ray * rng.uniform(*distances))
        seen[v] = ((image >= 0) & (image < camera.size)).all(axis=1)
        xy[v] = np.where(seen[v][:, None], image, 0)
    return camera, CameraViews(POINTS, xy + rng.normal(0, sigma, xy.shape) * seen[..., None], seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", LENSES)
def test_the_simplest_model_that_predicts_is_chosen(name):
    camera, views = views_all_over(name, 40, np.random.default_rng(3))
    found = calibrate_lens(views, camera.size)
    # A rational lens and a fisheye describe each other to a few hundredths of a pixel; either will do.
    assert found.model == name or (name, found.model) == ("pinhole8", "fisheye")
    assert found.sigma == pytest.approx(0.3, rel=0.2)
    pixels = np.stack(np.meshgrid(np.linspace(100, 1180, 9), np.linspace(60, 660, 7)), axis=-1).reshape(-1, 2)
    ideal = ideal_coordinates(found.lens, pixels[None])[0]
    rays = np.column_stack([ideal, np.ones(len(ideal))])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    # The principal point may move against a small turn of the camera, which the boards' poses take up.
    turn, _ = alignment(rays, camera.rays(pixels))
    np.testing.assert_allclose(camera.project(rays @ turn.T), pixels, atol=2.0)


def test_a_lens_does_not_run_off_where_the_board_never_was():
    """Boards far away in the middle of the image: at its corners five free coefficients miss by thousands of px."""
    camera, views = views_all_over(
        "pinhole5", 60, np.random.default_rng(8), within=((520, 260), (760, 460)), distances=(3.5, 5.0)
    )
    found = calibrate_lens(views, camera.size, "pinhole5")
    assert found.prior is not None
    pixels = np.array([[20.0, 20], [1260, 20], [20, 700], [1260, 700], [640, 30], [30, 360]])
    missed = np.linalg.norm(found.lens.project(camera.rays(pixels)) - pixels, axis=1)
    assert missed.max() < 60  # as a principal point has that is off by 3 % of the side; 1 m in 20 m


def test_nothing_is_assumed_of_a_lens_that_is_seen_all_over():
    camera, views = views_all_over("pinhole5", 30, np.random.default_rng(9))
    assert calibrate_lens(views, camera.size, "pinhole5").prior is None


def test_few_views_keep_the_lens_simple():
    camera, views = views_all_over("pinhole5", 4, np.random.default_rng(4))
    found = calibrate_lens(views, camera.size)
    assert found.model == "pinhole5"
    assert found.lens.dist[4] == 0  # k3 was not freed
    assert found.lens.focal[:2] == pytest.approx([1100, 1100], rel=0.05)


def test_one_view_is_refused():
    camera, views = views_all_over("pinhole5", 1, np.random.default_rng(5))
    with pytest.raises(CalibrationError, match=r"too few images \(1\)"):
        calibrate_lens(views, camera.size)


def test_views_are_chosen_for_spread():
    _, views = views_all_over("pinhole5", 60, np.random.default_rng(6))
    chosen = spread_out(views[np.concatenate([np.zeros(200, dtype=int), np.arange(60)])], (1280, 720), 40)
    assert len(set(chosen.tolist())) == 40
    assert (chosen < 200).sum() <= 1  # of 200 equal views, one is enough


def test_fisheye_beyond_180_degrees_is_found_though_a_board_lies_behind():
    """A view with few corners less than 90 degrees from the axis tells nothing; the others do."""
    rng = np.random.default_rng(7)
    focal, centre = 360.0, np.array([640.0, 480.0])
    away = np.radians(np.append(rng.uniform(10, 72, 39), 101.0))  # of each board's middle from the axis
    xy = np.zeros((len(away), len(POINTS), 2))
    for v, angle in enumerate(away):
        around = rng.uniform(0, 2 * np.pi)
        towards = rotation_from_vector(angle * np.array([np.sin(around), -np.cos(around), 0]))
        x = (POINTS @ rotation_from_vector(rng.normal(0, 0.35, 3)).T + [0, 0, rng.uniform(0.6, 1.0)]) @ towards.T
        theta = np.arctan2(np.hypot(x[:, 0], x[:, 1]), x[:, 2])  # equidistant: as far from the centre as from the axis
        xy[v] = centre + focal * theta[:, None] * x[:, :2] / np.hypot(x[:, 0], x[:, 1])[:, None]
        behind = (theta > np.pi / 2).sum()
    assert behind > len(POINTS) - 6
    views = CameraViews(POINTS, xy + rng.normal(0, 0.2, xy.shape), np.ones(xy.shape[:2], dtype=bool))
    found = calibrate_lens(views, (1280, 960))
    assert found.model == "fisheye"
    assert found.sigma == pytest.approx(0.2, rel=0.2)
    assert found.lens.focal == pytest.approx([focal, focal, *centre], abs=1.5)
