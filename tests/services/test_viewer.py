"""The viewer's arrays are where they should be, and what it draws through a camera is what that camera would see."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from multiview.camera import Rig, save_rig
from multiview.data import Keypoints2D
from multiview.lettering import lettering
from multiview.poses import Poses, write_poses
from multiview.solids import Crowd
from services.display import has_display
from services.viewer_feed import PosesFeed
from services.viewer_orbit import Orbit, room
from services.viewer_scene import Scene, frustum, heads_up, level_from_world
from tests.figures import crowd, ring


def _project(view: np.ndarray, focal: float, size: tuple[int, int], points: np.ndarray) -> np.ndarray:
    in_view = points @ view[:3, :3].T + view[:3, 3]
    return in_view[..., :2] / in_view[..., 2:] * focal + (np.array(size) - 1) / 2


@pytest.fixture
def orbit() -> Orbit:
    return Orbit(np.array([0.3, -0.2, 1.0]), 5.0, np.eye(3))


def test_orbit_stays_level_and_looks_at_its_target(orbit: Orbit) -> None:
    for right, down in ((100.0, 40.0), (-350.0, 900.0), (20.0, -2000.0)):
        orbit.turn(right, down)
        view = orbit.cam_from_world(720)
        np.testing.assert_allclose(view[:3, :3] @ view[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(view[:3, :3]) == pytest.approx(1.0)
        assert view[0, 2] == pytest.approx(0.0, abs=1e-12)  # the picture's x axis is level
        assert view[1, 2] < 0  # and up is up
        np.testing.assert_allclose(view[:3, :3] @ orbit.target + view[:3, 3], [0.0, 0.0, 5.0], atol=1e-9)


def test_pan_moves_what_is_under_the_mouse(orbit: Orbit) -> None:
    size = (1280, 720)
    point = orbit.target.copy()
    orbit.pan(60.0, -25.0, size[1])
    moved = _project(orbit.cam_from_world(size[1]), orbit.focal_px(*size), size, point)
    np.testing.assert_allclose(moved, [639.5 + 60, 359.5 - 25], atol=1e-6)


def test_through_a_camera_the_view_is_the_cameras(orbit: Orbit) -> None:
    camera = ring().cameras[1]
    orbit.look_through(camera)
    points = crowd()[1].tracks[0].pose.xyz
    view = _project(orbit.cam_from_world(720), orbit.focal_px(*camera.size), camera.size, points)
    np.testing.assert_allclose(view, camera.project(points), atol=1e-9)


def test_room_is_where_the_cameras_look() -> None:
    target, distance = room(ring(radius=3.0))
    np.testing.assert_allclose(target, [0.0, 0.0, 1.0], atol=0.01)
    assert distance > 3.0


def test_frustum_ends_at_the_pictures_corners() -> None:
    camera = ring().cameras[2]
    points, _ = frustum(camera, 0.5)
    np.testing.assert_allclose(points[0], camera.centre)
    np.testing.assert_allclose(camera.project(points[1:5]), [[0, 0], [1279, 0], [1279, 719], [0, 719]], atol=1e-6)
    assert camera.project(points[5])[1] < 0  # the mark is on the upper side


def test_a_floor_only_where_there_is_one() -> None:
    skeleton, _ = crowd()
    rig = ring()
    with_floor = Scene(rig, skeleton).room_lines()
    without = Scene(Rig(rig.cameras, world="camera"), skeleton).room_lines()
    assert len(with_floor.pairs) > len(without.pairs) == 4 * 10
    level = level_from_world(Rig(rig.cameras, world="camera"))
    np.testing.assert_allclose(level @ [0.0, -1.0, 0.0], [0.0, 0.0, 1.0])  # a camera's up is minus its y


def test_crowd_surrounds_bones_and_hides_the_unknown() -> None:
    skeleton, tracks = crowd()
    pose = tracks.tracks[0].pose
    wrist, elbow = skeleton.index("left_wrist"), skeleton.index("left_elbow")
    solids = Crowd(skeleton, 2)
    mesh = solids.mesh(tracks.tracks[:1])
    used = np.unique(mesh.triangles)
    assert used[-1] == len(mesh.vertices) - 1
    distance = np.linalg.norm(mesh.vertices[:, None] - pose.xyz[[wrist, elbow]], axis=2)
    np.testing.assert_allclose(np.sort(distance[:, 0])[:10], 0.72 * 0.036, atol=1e-9)  # the cone's end round the wrist
    xyz = pose.xyz.copy()
    xyz[wrist] = np.nan
    without = solids.mesh([dataclasses.replace(tracks.tracks[0], pose=dataclasses.replace(pose, xyz=xyz))])
    assert np.isfinite(without.vertices).all()
    assert np.linalg.norm(without.vertices - pose.xyz[wrist], axis=1).min() > 0.1
    np.testing.assert_allclose(np.linalg.norm(without.normals, axis=1), 1.0, atol=1e-9)


def test_uncertainty_is_the_90_percent_ellipsoid() -> None:
    skeleton, tracks = crowd()
    pose = tracks.tracks[0].pose
    cov = pose.cov.copy()
    cov[0] = np.diag([0.04, 0.01, 0.0025])
    track = dataclasses.replace(tracks.tracks[0], pose=dataclasses.replace(pose, cov=cov))
    ball = Crowd(skeleton, 1).mesh([track], uncertainty=True).vertices[:42] - pose.xyz[0]
    normalised = np.einsum("ni,ij,nj->n", ball, np.linalg.inv(cov[0]), ball)
    np.testing.assert_allclose(normalised, 6.2514, rtol=1e-4)  # the chi-square quantile of 90 % with 3 degrees


def test_letters_have_their_holes() -> None:
    def area(text: str) -> float:
        points, triangles = lettering(text)
        a, b, c = (points[triangles[:, i]] for i in range(3))
        return float(np.abs(np.linalg.det(np.stack([b - a, c - a], axis=1))).sum() / 2)

    points, _ = lettering("O")
    box = np.ptp(points, axis=0).prod()
    assert 0.25 * box < area("O") < 0.6 * box
    assert area("OO") == pytest.approx(2 * area("O"))
    assert lettering("O O")[0][:, 0].max() > 2.5 * points[:, 0].max()


def test_heads_up_text_stays_in_its_corner(orbit: Orbit) -> None:
    size = (1280, 720)
    for turn in (0.0, 300.0):
        orbit.turn(turn, 10.0)
        view, focal = orbit.cam_from_world(size[1]), orbit.focal_px(*size)
        points, _, _ = heads_up(["25 fps"], view, focal, size, 1, True)
        pixels = _project(view, focal, size, points)
        assert pixels.min() > 10
        assert pixels[:, 0].max() < 100
        assert pixels[:, 1].max() < 45


def test_rays_start_at_cameras_and_pass_what_they_saw() -> None:
    skeleton, tracks = crowd()
    rig = ring(2)
    person = tracks.tracks[1]
    views = {
        camera.name: Keypoints2D(camera.project(person.pose.xyz)[None], np.ones((1, 17))) for camera in rig.cameras
    }
    scene = Scene(rig, skeleton)
    plain = len(scene.room_lines().pairs)
    scene.rays_of = (views, person)
    lines = scene.room_lines()
    assert len(lines.pairs) == plain + 2 * 17
    ends = lines.points[lines.pairs[plain:, 1]]
    np.testing.assert_allclose(np.sort(ends[:17], axis=0), np.sort(person.pose.xyz, axis=0), atol=1e-6)


def test_feed_plays_seeks_and_pauses() -> None:
    skeleton, _ = crowd()
    poses = Poses.from_tracks([crowd(frame)[1] for frame in range(50)], skeleton)
    feed = PosesFeed(poses, start_s=1.0, paused=True)
    np.testing.assert_array_equal(feed.tracks()[2].pose.xyz, crowd(25)[1].tracks[2].pose.xyz)
    feed.step(0.4)
    assert "frame 35" in feed.headline()
    assert "3 people" in feed.headline()
    feed.step(-9.0)
    assert "frame 0 " in feed.headline()


@pytest.mark.skipif(not has_display() and shutil.which("Xvfb") is None, reason="no display and no Xvfb to draw on")
def test_a_snapshot_through_a_camera_shows_people_where_it_would_see_them(tmp_path: Path) -> None:
    skeleton, tracks = crowd()
    rig = ring()
    save_rig(rig, tmp_path / "rig.toml")
    write_poses(Poses.from_tracks([tracks], skeleton), tmp_path / "poses.parquet")
    command = [sys.executable, "-m", "multiview", "viewer", str(tmp_path), "--view", "cam03"]
    result = subprocess.run([*command, "--snapshot", str(tmp_path / "seen.png")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    picture = cv2.imread(str(tmp_path / "seen.png"))
    assert picture is not None
    assert picture.shape == (720, 1280, 3)
    bright = picture.max(axis=2) > 70
    joints = [skeleton.index(name) for name in ("left_shoulder", "right_hip", "left_ankle")]
    for track in tracks.tracks:
        for x, y in np.round(rig.cameras[2].project(track.pose.xyz[joints])).astype(int):
            if 4 < x < 1275 and 4 < y < 715:
                assert bright[y - 2 : y + 3, x - 2 : x + 3].mean() > 0.7
    assert bright.mean() < 0.2
