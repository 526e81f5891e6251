"""The viewer's arrays are where they should be, and what it draws through a camera is what that camera would see."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.data import Keypoints2D, Track
from multiview.drawing.camera_shape import default_view, frustum, level_from_world
from multiview.drawing.mesh import PeopleMesh
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.pose_table import Poses, write_poses
from multiview.studio.config import RecorderOptions, Studio, SyntheticSource
from multiview.studio.derived import frame_rate
from multiview.studio.new_take import new_take
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints
from services.runtime.display import has_display
from services.viewer.feed import PosesFeed
from services.viewer.hud import INK, Hud, TimeLine, billboards, time_at
from services.viewer.open import open_recording
from services.viewer.orbit import Orbit
from services.viewer.scene import Scene
from services.viewer.take_keypoints import TakeKeypoints
from services.viewer.text import GROUND, Billboard, billboard_mesh, text_image
from tests.figures import crowd, figure, ring


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
    target, distance = default_view(ring(radius=3.0))
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
    assert len(Scene(rig, skeleton).room_lines().pairs) > 10
    assert len(Scene(Rig(rig.cameras, world="camera"), skeleton).room_lines().pairs) == 0
    assert len(Scene(rig, skeleton).camera_lines().pairs) == 4 * 10
    assert len(Scene(rig, skeleton).camera_lines(hidden="cam02").pairs) == 3 * 10
    level = level_from_world(Rig(rig.cameras, world="camera"))
    np.testing.assert_allclose(level @ [0.0, -1.0, 0.0], [0.0, 0.0, 1.0])  # a camera's up is minus its y


@pytest.mark.parametrize("fine", [False, True])
def test_crowd_surrounds_bones_and_hides_the_unknown(fine: bool) -> None:
    skeleton, tracks = crowd()
    pose = tracks.tracks[0].pose
    wrist, elbow = skeleton.index("left_wrist"), skeleton.index("left_elbow")
    solids = PeopleMesh(skeleton, fine)
    mesh = solids.mesh(tracks.tracks[:1])
    np.testing.assert_array_equal(np.unique(mesh.triangles), np.arange(len(mesh.vertices)))
    distance = np.linalg.norm(mesh.vertices[:, None] - pose.xyz[[wrist, elbow]], axis=2)
    sides = 10 if fine else 6
    np.testing.assert_allclose(np.sort(distance[:, 0])[:sides], 0.72 * 0.036, atol=1e-9)  # the cone's end at the wrist
    xyz = pose.xyz.copy()
    xyz[wrist] = np.nan
    without = solids.mesh([msgspec.structs.replace(tracks.tracks[0], pose=msgspec.structs.replace(pose, xyz=xyz))])
    assert np.isfinite(without.vertices).all()
    assert np.linalg.norm(without.vertices - pose.xyz[wrist], axis=1).min() > 0.1
    np.testing.assert_allclose(np.linalg.norm(without.normals, axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("name", ["coco17", "coco133"])
def test_everyone_is_as_they_are_alone(name: str) -> None:
    skeleton = load_skeleton(name)
    tracks = [Track(7, figure(skeleton, (0.0, 0.0))), Track(8, figure(skeleton, (1.0, 2.0), 1.0))]
    together = PeopleMesh(skeleton).mesh(tracks)
    alone = [PeopleMesh(skeleton).mesh([track]) for track in tracks]
    for part in ("vertices", "normals", "colours"):
        np.testing.assert_array_equal(getattr(together, part), np.concatenate([getattr(m, part) for m in alone]))
    np.testing.assert_array_equal(
        together.triangles[len(alone[0].triangles) :], alone[1].triangles + len(alone[0].vertices)
    )
    assert len(PeopleMesh(skeleton).mesh([]).triangles) == 0


def test_the_coarse_balls_are_closed_and_face_outwards() -> None:
    skeleton, tracks = crowd()
    mesh = PeopleMesh(skeleton).mesh(tracks.tracks[:1])
    ball = mesh.triangles[:32]
    a, b, c = (mesh.vertices[ball[:, i]] - tracks.tracks[0].pose.xyz[0] for i in range(3))
    assert (np.einsum("ti,ti->t", np.cross(b - a, c - a), a) > 0).all()
    edges = np.sort(ball[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_uncertainty_is_the_90_percent_ellipsoid() -> None:
    skeleton, tracks = crowd()
    pose = tracks.tracks[0].pose
    cov = pose.cov.copy()
    cov[0] = np.diag([0.04, 0.01, 0.0025])
    track = msgspec.structs.replace(tracks.tracks[0], pose=msgspec.structs.replace(pose, cov=cov))
    ball = PeopleMesh(skeleton, fine=True).mesh([track], uncertainty=True).vertices[:42] - pose.xyz[0]
    normalised = np.einsum("ni,ij,nj->n", ball, np.linalg.inv(cov[0]), ball)
    np.testing.assert_allclose(normalised, 6.2514, rtol=1e-4)  # the chi-square quantile of 90 % with 3 degrees


def test_a_trail_is_the_way_that_was_walked() -> None:
    skeleton, tracks = crowd()
    scene = Scene(ring(), skeleton)
    for step in range(20):
        moved = msgspec.structs.replace(
            tracks.tracks[0].pose, xyz=tracks.tracks[0].pose.xyz + np.array([0.1 * step, 0, 0])
        )
        scene.move((msgspec.structs.replace(tracks.tracks[0], pose=moved),))
    version = scene.version
    scene.move(scene.tracks)
    assert scene.version == version  # the same instant again changes nothing
    vertices, triangles, _ = scene.trails_ribbon()
    np.testing.assert_allclose(np.ptp(vertices[:, 0]), 1.9, atol=1e-9)
    np.testing.assert_allclose(vertices[:, 2], 0.01)
    assert triangles.max() == len(vertices) - 1
    scene.move(())
    assert len(scene.trails_ribbon()[1]) == 0
    assert not scene.trails


def test_words_are_ink_on_the_ground() -> None:
    picture = text_image("Amy: 12", (1.0, 0.0, 0.0), 16)
    np.testing.assert_allclose(picture[0, 0], np.round(255 * np.array(GROUND)))
    assert picture[..., 0].max() == 255
    assert 0.05 < (picture[..., 0] > 128).mean() < 0.4
    assert text_image("Amy: 12 and Bo", (1.0, 0.0, 0.0), 16).shape[1] > picture.shape[1]


def test_a_plate_covers_its_pixels(orbit: Orbit) -> None:
    size = (1280, 720)
    orbit.turn(300.0, 10.0)
    view, focal = orbit.cam_from_world(size[1]), orbit.focal_px(*size)
    pictures = [np.full((20, 90, 3), 10, dtype=np.uint8), np.full((12, 40, 3), 200, dtype=np.uint8)]
    both = [Billboard(pictures[0], 16, 30, 0.12), Billboard(pictures[1], 700, 500, 3.0)]
    made = billboard_mesh(both, view, focal, size)
    pixels = _project(view, focal, size, made.vertices).reshape(2, 4, 2)
    np.testing.assert_allclose(pixels[0, [0, 2]], [[15.5, 29.5], [105.5, 49.5]], atol=1e-6)
    np.testing.assert_allclose(pixels[1, [0, 2]], [[699.5, 499.5], [739.5, 511.5]], atol=1e-6)
    texels = made.uvs.reshape(2, 6, 2) * made.picture.shape[1::-1]
    np.testing.assert_allclose(texels[1].min(axis=0), [0, 20], atol=1e-9)
    np.testing.assert_allclose(texels[1].max(axis=0), [40, 32], atol=1e-9)
    assert (made.picture[20:32, :40] == 200).all()


def test_a_click_on_the_time_line_is_the_time_it_shows() -> None:
    size = (1280, 720)
    hud = Hud((("frame 12", INK),), line=TimeLine(3.0, 12.0, 0.0, 12.0))
    line = max(billboards(hud, size, 1), key=lambda b: b.picture.shape[1] if len(b.picture) == 24 else 0)
    bright = line.picture[12].astype(int).sum(axis=1)
    played = int(np.flatnonzero(bright > 400).max())
    x, y = line.x + played - 4, line.y + 12  # the handle's right end is some pixels on
    found = time_at(hud, size, 1, x, y)
    assert found is not None
    assert found == pytest.approx(3.0, abs=0.05)
    assert time_at(hud, size, 1, x, y - 100) is None
    assert time_at(dataclasses.replace(hud, line=None), size, 1, x, y) is None


def test_rays_start_at_cameras_and_pass_what_they_saw() -> None:
    skeleton, tracks = crowd()
    rig = ring(2)
    person = tracks.tracks[1]
    views = {
        camera.name: Keypoints2D(camera.project(person.pose.xyz)[None], np.ones((1, 17))) for camera in rig.cameras
    }
    scene = Scene(rig, skeleton)
    assert len(scene.ray_lines().pairs) == 0
    scene.rays_of = (views, person)
    lines = scene.ray_lines()
    assert len(lines.pairs) == 2 * 17
    ends = lines.points[lines.pairs[:, 1]]
    np.testing.assert_allclose(np.sort(ends[:17], axis=0), np.sort(person.pose.xyz, axis=0), atol=1e-6)


def test_rays_of_a_take_are_what_its_cameras_saw_then(tmp_path: Path) -> None:
    studio = Studio(skeleton="coco17", source=SyntheticSource(options={"cameras": 3, "people": 1, "seconds": 0.5}))
    take = new_take(
        msgspec.structs.replace(studio, recorder=RecorderOptions(directory=str(tmp_path))), "seen", datetime.now(UTC)
    )
    rig, rate = load_rig(take.rig), frame_rate(studio)
    writer = RecordingWriter(take.next_recording())
    for number, (frame, (camera, name)) in enumerate(itertools.product(range(10), enumerate(rig.names))):
        seen = Keypoints2D(np.full((1, 17, 2), 100.0 * camera + frame), np.ones((1, 17)))
        time_ns = round(frame * 1e9 / rate)
        message = pack_keypoints(
            seen, camera=name, boot_id=1, frame=frame, time_ns=time_ns, clock="epoch", skeleton="coco17"
        )
        writer.write(Record(f"keypoints/{name}", Stamp(number, frame, time_ns), encode(message)))
    writer.close()
    keypoints = TakeKeypoints(take, take.rig, blocking=True)
    found = keypoints.at(round(4.2e9 / rate))
    assert list(found) == list(rig.names)
    np.testing.assert_allclose([found[name].xy[0, 0, 0] for name in rig.names], [4.0, 104.0, 204.0])
    assert keypoints.at(round(90e9 / rate)) == {}


def test_open_recording_shows_poses_beside_an_old_studio_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    skeleton, tracks = crowd()
    write_poses(Poses.from_tracks([tracks], skeleton), tmp_path / "poses.parquet")
    save_rig(ring(), tmp_path / "rig.toml")
    studio = '[volume]\nmax = [1.0, 1.0, 2.0]\n[source]\ntype = "synthetic"\n'
    (tmp_path / "studio.toml").write_text(studio)
    assert open_recording(tmp_path, None, 0.0, paused=True).volume is not None
    (tmp_path / "studio.toml").write_text('cast = ["amy"]\n' + studio)
    opened = open_recording(tmp_path, None, 0.0, paused=True)
    assert len(opened.feed.tracks()) == 3
    assert opened.volume is None
    assert "known_actors" in caplog.text


def test_feed_plays_seeks_and_pauses() -> None:
    skeleton, _ = crowd()
    poses = Poses.from_tracks([crowd(frame)[1] for frame in range(50)], skeleton)
    feed = PosesFeed(poses, start_s=1.0, paused=True)
    np.testing.assert_array_equal(feed.tracks()[2].pose.xyz, crowd(25)[1].tracks[2].pose.xyz)
    assert feed.tracks() is feed.tracks()
    assert len(list(feed.history())) == 25
    feed.playback.seek(1.4)
    assert "frame 35" in feed.headline()
    assert "3 people" in feed.headline()
    assert (feed.playback.now(), feed.playback.duration) == pytest.approx((1.4, 1.96), abs=1e-6)
    feed.playback.seek(-9.0)
    assert "frame 0 " in feed.headline()
    feed.playback.change_speed(0.25)
    assert "1/4 x" in feed.headline()


@pytest.mark.slow
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
