"""Files for 3D viewers, read back by the viewers' own libraries."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pyarrow as pa
import pytest
from rerun.chunk import RrdReader

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.commands.export_pictures import pictures_of
from multiview.common.video_writer import VideoWriter
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.sources import open_source
from multiview.synthetic import StudioOptions, make_studio
from tests.export.read_foxglove import read_foxglove
from tests.export.takes import recorded

POSES = recorded(live=True)
RIG = make_studio(StudioOptions(cameras=3, people=1, seconds=0.1, seed=2)).rig


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Poses and rig beside each other, exported to both viewers."""
    folder = tmp_path_factory.mktemp("take")
    write_poses(POSES, folder / "poses.parquet")
    save_rig(RIG, folder / "rig.toml")
    for name in ("rrd", "foxglove"):
        assert main(["export", str(folder), "--to", name]) == 0
    return folder


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Poses from frame 7 on, and a video of one camera from frame 0 on, whose grey grows with every frame."""
    folder = tmp_path_factory.mktemp("filmed")
    poses = recorded()
    write_poses(poses.select(poses.frame < 40), folder / "poses.parquet")
    save_rig(RIG, folder / "rig.toml")
    with VideoWriter(folder / "cam01.mp4", (1280, 720), 30.0) as writer:
        for frame in range(30):
            writer.write(np.full((720, 1280, 3), 40 + 5 * frame, np.uint8), round(frame * 1e9 / 30))
    for name in ("rrd", "foxglove"):
        assert main(["export", str(folder), "--to", name, "--videos", str(folder / "cam01.mp4")]) == 0
    return folder


FILMED = range(7, 30, 3)  # ten a second of those that the poses span


def grey(jpeg: bytes) -> float:
    """Which frame a picture is, by its grey; 640 px wide."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (360, 640)
    return (float(image.mean()) - 40) / 5


def test_rerun_has_pictures_at_their_times(filmed: Path) -> None:
    read = columns(filmed / "poses.rrd", "/world/cameras/cam01/picture")
    frames = [grey(bytes(blob[0])) for blob in read["EncodedImage:blob"]]
    np.testing.assert_allclose(frames, FILMED, atol=0.5)
    np.testing.assert_allclose(np.array(read["time"]) / 1e9, (np.array(FILMED) - 7) / 30, atol=1e-6)
    camera = columns(filmed / "poses.rrd", "/world/cameras/cam01")
    K = np.reshape(camera["Pinhole:image_from_camera"][0], (3, 3)).T  # of pictures of 640 px
    scale = 640 / RIG.cameras[0].size[0]
    np.testing.assert_allclose(K[:2], scale * RIG.cameras[0].K[:2], rtol=1e-5)


def test_foxglove_has_pictures_at_their_times(filmed: Path) -> None:
    messages = list(read_foxglove(filmed / "poses.foxglove.mcap"))
    pictures = [m for m in messages if m.topic == "/cameras/cam01/picture"]
    assert {(m.schema, m.fields["format"], m.fields["frameId"]) for m in pictures} == {
        ("foxglove.CompressedImage", "jpeg", "cam01")
    }
    frames = [grey(base64.b64decode(m.fields["data"])) for m in pictures]
    np.testing.assert_allclose(frames, FILMED, atol=0.5)
    np.testing.assert_allclose([m.time_ns / 1e9 for m in pictures], np.array(FILMED) / 30, atol=1e-6)  # UTC


def test_pictures_end_at_the_bound_and_say_so(filmed: Path, caplog: pytest.LogCaptureFixture) -> None:
    sources = [open_source(str(filmed / "cam01.mp4"), "cam01")]
    one = next(iter(pictures_of(RIG, read_poses(filmed), sources)))
    sources = [open_source(str(filmed / "cam01.mp4"), "cam01")]
    some = list(pictures_of(RIG, read_poses(filmed), sources, max_bytes=3 * len(one.jpeg)))
    assert 1 <= len(some) < len(FILMED)
    assert sum(len(picture.jpeg) for picture in some) <= 3 * len(one.jpeg)
    assert "cam01: pictures end after" in caplog.text


def test_videos_are_refused_where_a_format_shows_none(filmed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(filmed), "--to", "csv", "--videos", str(filmed / "cam01.mp4")]) == 2
    assert "csv files show no videos: leave --videos out" in capsys.readouterr().err


def test_export_shows_the_rig_that_an_edit_refined(tmp_path: Path) -> None:
    """Its poses were made with that one."""
    poses = recorded()
    write_poses(poses, tmp_path / "poses.parquet")
    save_rig(RIG, tmp_path / "rig.toml")
    moved = Rig(tuple(replace(camera, t=camera.t + 0.1) for camera in RIG.cameras), RIG.world)
    with patch("multiview.editing.take_poses.take_rig", lambda folder: folder / "edited" / "rig.toml"):
        (tmp_path / "edited").mkdir()
        save_rig(moved, tmp_path / "edited/rig.toml")
        assert main(["export", str(tmp_path), "--to", "rrd"]) == 0
    read = columns(tmp_path / "poses.rrd", "/world/cameras/cam01")
    np.testing.assert_allclose(np.reshape(read["Transform3D:translation"][0], 3), moved.cameras[0].centre, atol=1e-5)


def columns(path: Path, entity: str) -> dict[str, list]:
    """All columns of one of Rerun's entities; times in ns."""
    found: dict[str, list] = {}
    for chunk in RrdReader(path).stream():
        if chunk.entity_path == entity:
            batch = chunk.to_record_batch()
            for name in batch.schema.names:
                column = batch[name]
                column = column.cast(pa.int64()) if pa.types.is_temporal(column.type) else column
                found.setdefault(name, []).extend(column.to_pylist())
    return found


def person(number: int) -> Poses:
    return POSES.select(POSES.person == number)


def test_rerun_has_every_joint_of_every_frame(take: Path) -> None:
    read = columns(take / "poses.rrd", "/world/people/person5")
    own, frames = person(5), np.unique(POSES.frame)
    assert read["frame"] == frames.tolist()  # also where person 5 is away
    seconds = (np.unique(POSES.time_ns) - POSES.time_ns[0]) / 1e9
    np.testing.assert_allclose(np.array(read["time"]) / 1e9, seconds, atol=1e-8)
    rows = dict(zip(own.frame.tolist(), range(len(own)), strict=True))
    for frame, points, joints in zip(
        read["frame"], read["Points3D:positions"], read["Points3D:keypoint_ids"], strict=True
    ):
        if frame not in rows:
            assert not points
            continue
        known = np.isfinite(own.xyz[rows[frame]]).all(axis=-1)
        assert joints == np.flatnonzero(known).tolist()
        np.testing.assert_allclose(points, own.xyz[rows[frame]][known], atol=1e-5)


def test_rerun_has_bones_cameras_and_deviations(take: Path) -> None:
    context = columns(take / "poses.rrd", "/world")["AnnotationContext:context"][0][0][0]
    described = context["class_description"]
    assert described["info"]["label"] == "person4"
    pairs = {(pair["keypoint0"], pair["keypoint1"]) for pair in described["keypoint_connections"]}
    assert pairs == set(load_skeleton("body25").bones)
    for camera in RIG.cameras:
        read = columns(take / "poses.rrd", f"/world/cameras/{camera.name}")
        np.testing.assert_allclose(np.reshape(read["Transform3D:translation"][0], 3), camera.centre, atol=1e-5)
        world_from_cam = np.reshape(read["Transform3D:mat3x3"][0], (3, 3)).T  # column by column
        np.testing.assert_allclose(world_from_cam, camera.R.T, atol=1e-6)
        K = np.reshape(read["Pinhole:image_from_camera"][0], (3, 3)).T
        np.testing.assert_allclose(K, camera.K, rtol=1e-6)
    read = columns(take / "poses.rrd", "/figures/person4/sigma_mm")
    own = person(4)
    sigma = 1e3 * np.nanmedian(own.sigma, axis=1)
    np.testing.assert_allclose(np.ravel(read["Scalars:scalars"]), sigma, rtol=1e-6)


def test_foxglove_has_every_joint_of_every_frame_at_its_time(take: Path) -> None:
    updates = [m for m in read_foxglove(take / "poses.foxglove.mcap") if m.topic == "/people"]
    assert {m.schema for m in updates} == {"foxglove.SceneUpdate"}
    assert [m.time_ns for m in updates] == np.unique(POSES.utc_ns).tolist()
    bones = load_skeleton("body25").bones
    for update, frame in zip(updates, np.unique(POSES.frame), strict=True):
        here = POSES.select(POSES.frame == frame)
        assert [entity["id"] for entity in update.fields["entities"]] == [str(number) for number in here.person]
        for entity, xyz, filled in zip(update.fields["entities"], here.xyz, here.filled, strict=True):
            known = np.isfinite(xyz).all(axis=-1)
            places = [[ball["pose"]["position"][axis] for axis in "xyz"] for ball in entity["spheres"]]
            np.testing.assert_allclose(places, xyz[known], atol=1e-9)
            (names,) = [pair["value"] for pair in entity["metadata"] if pair["key"] == "joints"]
            assert names.split(",") == [POSES.joints[j] for j in np.flatnonzero(known)]
            pale = [ball["color"]["a"] < 1 for ball in entity["spheres"]]
            assert pale == filled[known].tolist()
            assert len(entity["lines"][0]["points"]) == 2 * sum(known[a] and known[b] for a, b in bones)


def test_foxglove_takes_away_who_has_left(take: Path) -> None:
    updates = [m.fields for m in read_foxglove(take / "poses.foxglove.mcap") if m.topic == "/people"]
    deleted = [i for i, update in enumerate(updates) if any(d["id"] == "5" for d in update["deletions"])]
    there = np.isin(np.unique(POSES.frame), person(5).frame)
    assert deleted == (np.flatnonzero(there[:-1] & ~there[1:]) + 1).tolist()
    assert deleted


def test_foxglove_projects_as_the_rig_does(take: Path) -> None:
    messages = list(read_foxglove(take / "poses.foxglove.mcap"))
    (transforms,) = [m.fields["transforms"] for m in messages if m.schema == "foxglove.FrameTransforms"]
    point = POSES.xyz[0, 0]
    for camera, transform in zip(RIG.cameras, transforms, strict=True):
        (lens,) = [m.fields for m in messages if m.topic == f"/cameras/{camera.name}"]
        place = np.array([transform["translation"][axis] for axis in "xyz"])
        x, y, z, w = (transform["rotation"][axis] for axis in "xyzw")
        # The rotation by a unit quaternion, written out: world_from_cam, whose transpose takes the point to the camera.
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        seen = R.T @ (point - place)
        u, v = seen[:2] / seen[2]
        k1, k2, p1, p2, k3 = lens["D"]
        r2 = u * u + v * v
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3  # plumb_bob
        distorted = np.array(
            [u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u), v * radial + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v]
        )
        assert lens["distortionModel"] == "plumb_bob"
        K = np.reshape(lens["K"], (3, 3))
        np.testing.assert_allclose(K[:2, :2] @ distorted + K[:2, 2], camera.project(point), atol=1e-6)


def test_export_without_a_rig_or_a_known_skeleton_shows_the_joints(tmp_path: Path) -> None:
    poses = person(4)
    table = Poses(**{name: getattr(poses, name) for name in poses.__dataclass_fields__} | {"skeleton": "unheard-of"})
    write_poses(table, tmp_path / "poses.parquet")
    for name in ("rrd", "foxglove"):
        assert main(["export", str(tmp_path), "--to", name]) == 0
    updates = list(read_foxglove(tmp_path / "poses.foxglove.mcap"))
    assert {update.topic for update in updates} == {"/people"}
    assert not updates[0].fields["entities"][0]["lines"][0]["points"]
    assert columns(tmp_path / "poses.rrd", "/world/people/person4")["Points3D:positions"][0]


def test_a_camera_that_foxglove_cannot_hold_is_said(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    prism = replace(RIG.cameras[0], dist=np.array([0.1, 0, 0, 0, 0, 0, 0, 0, 0.01, 0, 0, 0]))
    save_rig(Rig((prism, *RIG.cameras[1:]), RIG.world), tmp_path / "rig.toml")
    write_poses(person(4), tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "foxglove"]) == 0
    assert f"no lens like that of {prism.name}" in caplog.text
