"""Every foreign format: a round trip keeps the pixels, and broken files are named. Run on every file of the folder."""

import tomllib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.formats import format_names, format_of, load_format, written_formats
from multiview.__main__ import main
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector

NAMES, WRITTEN = format_names(), written_formats()
REFUSED = {
    "qualisys": ("fisheye", 8),
    "captury": ("fisheye", 8),
    "easymocap": ("fisheye",),
    "kalibr": (5, 8),
}  # or as many coefficients


def make_rig(fisheye=False, coefficients=5):
    rng = np.random.default_rng(8)
    cameras = []
    for i in range(3):
        K = np.array([[1100.3 + i, 0, 959.1], [0, 1098.7, 541.2], [0, 0, 1]])
        R = rotation_from_vector(rng.normal(size=3))
        centre = rng.normal(0, 2, 3)
        dist = rng.normal(0, 0.02, 4 if fisheye else coefficients)
        cameras.append(Camera(f"cam_{i}", (1920, 1080), K, dist, R, -R @ centre, "fisheye" if fisheye else "pinhole"))
    return Rig(tuple(cameras))


def in_world_of_first_camera(rig):
    first = rig.cameras[0]
    turned = [(camera.R @ first.R.T, camera.t - camera.R @ first.R.T @ first.t) for camera in rig.cameras]
    return Rig(tuple(replace(camera, R=R, t=t) for camera, (R, t) in zip(rig.cameras, turned, strict=True)), "camera")


def farthest_px(a, b):
    """The largest distance between images of points all over each camera's picture, 1 to 10 m away."""
    worst = 0.0
    for one, other in zip(a.cameras, b.cameras, strict=True):
        xy = np.random.default_rng(0).uniform(0, 1, (300, 2)) * one.size
        points = one.centre + one.rays(xy) * np.random.default_rng(1).uniform(1, 10, (300, 1))
        worst = max(worst, float(np.linalg.norm(one.project(points) - other.project(points), axis=1).max()))
    return worst


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("fisheye", "coefficients"), [(False, 4), (False, 5), (False, 8), (True, 4)])
def test_a_round_trip_keeps_every_pixel(name, fisheye, coefficients, tmp_path):
    rig, path = make_rig(fisheye, coefficients), tmp_path / f"rig{load_format(name).SUFFIX}"
    if ("fisheye" if fisheye else coefficients) in REFUSED.get(name, ()):
        with pytest.raises(ConfigError, match=r"camera 'cam_0'.*choose another format"):
            load_format(name).write(rig, path)
        assert not list(tmp_path.iterdir())
        return
    load_format(name).write(rig, path)
    assert load_format(name).recognises(path.read_text())
    back, _ = load_format(name).read(path)
    if name == "kalibr":  # whose world is the first camera's
        rig = in_world_of_first_camera(rig)
    assert back.names == rig.names
    assert [camera.size for camera in back.cameras] == [camera.size for camera in rig.cameras]
    assert farthest_px(rig, back) < 1e-6


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_lost_is_said(name, tmp_path):
    rig = make_rig()
    lens = {"dist": np.zeros(4)} if name == "kalibr" else {}
    rig = Rig(tuple(replace(camera, time_offset_s=0.01, **lens) for camera in rig.cameras))
    path = tmp_path / f"rig{load_format(name).SUFFIX}"
    remarks = load_format(name).write(rig, path)
    kept = load_format(name).read(path)[0].cameras[0].time_offset_s == 0.01
    assert kept or any("time offsets" in remark for remark in remarks)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "{[", "<calibration>", "%YAML:1.0\n---\ncameras:\n   - { camera_matrix: 3 }\n"])
def test_a_broken_file_is_an_error_in_one_line(name, text, tmp_path):
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_format(name).read(path)
    assert "broken" in str(caught.value)
    with pytest.raises(ConfigError):
        load_format(name).read(tmp_path / "missing")


def test_pixels_agree_with_opencvs_own_reading(tmp_path):
    rig, path = make_rig(), tmp_path / "rig.yaml"
    load_format("opencv_yaml").write(rig, path)
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    node = storage.getNode("cameras").at(1)
    K, dist, R, T = (node.getNode(k).mat() for k in ("camera_matrix", "distortion_coefficients", "R", "T"))
    camera = rig.cameras[1]
    points = camera.centre + camera.rays(np.array([[300.0, 200.0], [1500, 900]])) * 3
    expected = cv2.projectPoints(points, cv2.Rodrigues(R)[0], T, K, dist)[0][:, 0]
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-8)


def test_real_files_of_other_tools(shared_data):
    qca = shared_data / "pose2sim_single/calibration/Calib.qca.txt"
    toml = shared_data / "pose2sim_single/calibration/Calib_qualisys.toml"
    caliscope = shared_data / "caliscope_charuco/camera_array.toml"
    assert [format_of(path) for path in (qca, caliscope)] == ["qualisys", "caliscope"]
    from_qca, _ = load_format("qualisys").read(qca)
    from_toml, _ = load_format("pose2sim").read(toml)
    for a, b in zip(from_qca.cameras, from_toml.cameras, strict=True):
        assert (a.name, a.size) == (b.name, b.size)
        np.testing.assert_allclose(a.centre, b.centre, atol=1e-6)
        np.testing.assert_allclose(a.R, b.R, atol=1e-6)
        np.testing.assert_allclose(a.K, b.K, atol=1e-6)
    rig, _ = load_format("caliscope").read(caliscope)
    first = tomllib.loads(caliscope.read_text())["cameras"]["0"]
    np.testing.assert_array_equal(rig.cameras[0].K, first["matrix"])
    np.testing.assert_allclose(rig.cameras[0].R, first["rotation"], atol=1e-9)


def test_the_command_converts_there_and_back(tmp_path, capsys):
    rig = make_rig()
    save_rig(rig, tmp_path / "rig.toml")
    there, back = tmp_path / "calibration.toml", tmp_path / "back.toml"
    assert main(["calibrate", "convert", str(tmp_path / "rig.toml"), str(there), "--to", "anipose"]) == 0
    assert main(["calibrate", "convert", str(there), str(back)]) == 0
    assert farthest_px(rig, load_rig(back)) < 1e-6
    assert "lengths are in millimetres" in capsys.readouterr().out
    assert main(["calibrate", "convert", str(tmp_path / "none.toml"), str(back)]) == 2
    assert "no such file" in capsys.readouterr().err
