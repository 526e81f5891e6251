"""What `calibrate convert` assumes of foreign files, and says: lens, unit, up; and what it says of unknown ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.formats import format_of, load_format
from multiview.__main__ import main
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError

# As OpenCV's samples/cpp/tutorial_code/calib3d/camera_calibration writes it, for a fisheye lens.
_SAMPLE = """%YAML:1.0
---
calibration_time: "Mon 02 Nov 2026 10:11:12"
nr_of_frames: 25
image_width: 1280
image_height: 960
board_width: 9
board_height: 6
square_size: 50.
fix_aspect_ratio: 1.
# flags: +fix_aspect_ratio
flags: 2
fisheye_model: {fisheye}
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 420.5, 0., 639.5, 0., 421., 479.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 4
   cols: 1
   dt: d
   data: [ -0.012, 0.021, -0.011, 0.002 ]
avg_reprojection_error: 0.31
"""
_K = np.array([[420.5, 0, 639.5], [0, 421.0, 479.5], [0, 0, 1]])
_D = np.array([-0.012, 0.021, -0.011, 0.002])
_POINTS = np.array([[[0.5, 0.2, 1.0], [-1.5, 0.4, 1.0], [2.0, -1.0, 1.0]]])


def room(up: str = "z") -> Rig:
    """Four cameras 2 m high around the origin, 4 to 5.66 m apart, looking at its middle, pictures upright."""
    cameras = []
    for i, (x, y) in enumerate(((2, 2), (-2, 2), (-2, -2), (2, -2))):
        centre, high = (np.array([x, y, 2.0]), 2) if up == "z" else (np.array([x, 2.0, y]), 1)
        vertical = np.eye(3)[high]
        ahead = np.array([0.0, 1.0 if up == "y" else 0.0, 1.0 if up == "z" else 0.0]) - centre
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, vertical)
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(ahead, right), ahead])
        K = np.array([[900.0, 0, 639.5], [0, 900, 359.5], [0, 0, 1]])
        cameras.append(Camera(f"cam0{i + 1}", (1280, 720), K, np.zeros(5), R, -R @ centre))
    return Rig(tuple(cameras), "floor")


def convert(source: Path, *options: str) -> Rig:
    target = source.with_name("converted.toml")
    assert main(["calibrate", "convert", str(source), str(target), *options]) == 0
    return load_rig(target)


def centres(rig: Rig) -> np.ndarray:
    return np.array([camera.centre for camera in rig.cameras])


@pytest.mark.parametrize("xml", [False, True])
def test_opencvs_own_sample_says_whether_the_lens_is_a_fisheye(xml: bool, tmp_path: Path) -> None:
    for fisheye in (0, 1):
        path = tmp_path / "camera.yml"
        path.write_text(_SAMPLE.format(fisheye=fisheye))
        if xml:
            storage = cv2.FileStorage(str(tmp_path / "camera.xml"), cv2.FILE_STORAGE_WRITE)
            for key, value in (("image_width", 1280), ("image_height", 960), ("fisheye_model", fisheye)):
                storage.write(key, value)
            storage.write("camera_matrix", _K)
            storage.write("distortion_coefficients", _D.reshape(4, 1))
            storage.release()
            path = tmp_path / "camera.xml"
        assert format_of(path) == "opencv_yaml"
        rig, remarks = load_format("opencv_yaml").read(path)
        project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
        expected = project(_POINTS, np.zeros(3), np.zeros(3), _K, _D)[0].reshape(-1, 2)
        np.testing.assert_allclose(rig.cameras[0].project(_POINTS[0]), expected, atol=1e-6)
        assert remarks == ["no pose in the file: the camera is at the origin"]


def test_one_camera_is_called_one_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "camera.yml").write_text(_SAMPLE.format(fisheye=0))
    convert(tmp_path / "camera.yml")
    assert "\n1 camera from opencv_yaml to multiview" in capsys.readouterr().out


def test_an_unknown_lens_is_not_taken_for_a_pinhole(tmp_path: Path) -> None:
    path = tmp_path / "camera.yml"
    path.write_text(_SAMPLE.format(fisheye=1).replace("fisheye_model: 1", 'distortion_model: "omnidirectional"'))
    with pytest.raises(ConfigError, match=r"camera 'camera' has the lens model 'omnidirectional'; known are pinhole"):
        load_format("opencv_yaml").read(path)
    path.write_text(_SAMPLE.format(fisheye=0).replace("image_width", "width"))
    with pytest.raises(ConfigError, match="no image_width and image_height"):
        load_format("opencv_yaml").read(path)


@pytest.mark.parametrize(
    ("per_metre", "stated", "options", "said"),
    [
        (1.0, "m", [], "the file says its lengths are in m"),
        (1000.0, "millimeters", [], "the file says its lengths are in mm"),
        (1 / 0.0254, "inches", [], "the file says its lengths are in in"),
        (100.0, None, [], "taken to be in cm, as the cameras spread over 565.7: --unit says another"),
        (1000.0, None, [], "taken to be in mm, as the cameras spread over 5657"),
        (1.0, "cubits", [], "the file's unit 'cubits' is unknown; lengths are taken to be in m"),
        (25.0, None, ["--unit", "0.04"], "lengths are in units of 0.04 m, as given"),
        (100.0, "mm", ["--unit", "cm"], "lengths are in units of 0.01 m, as given"),
    ],
)
@pytest.mark.parametrize("name", ["anipose", "opencv_yaml"])
def test_the_unit_and_the_distances_are_said(
    name: str,
    per_metre: float,
    stated: str | None,
    options: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name == "opencv_yaml" and stated is not None:
        pytest.skip("it has no word for a unit")
    path = tmp_path / "source.toml"
    rig = Rig(tuple(replace(camera, t=camera.t * per_metre) for camera in room().cameras))
    load_format(name).write(
        Rig(tuple(replace(c, t=c.t / 1000) for c in rig.cameras)) if name == "anipose" else rig, path
    )
    if name == "anipose":
        text = path.read_text()
        path.write_text(text.replace('units = "mm"', f'units = "{stated}"' if stated else ""))
    found = convert(path, *options)
    output = capsys.readouterr().out
    np.testing.assert_allclose(centres(found), centres(room()), atol=1e-9)
    assert said in output
    assert "the cameras are 4.00 to 5.66 m apart\n" in output


def test_an_unlikely_distance_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_format("anipose").write(room(), tmp_path / "source.toml")
    convert(tmp_path / "source.toml", "--unit", "cm")
    assert "40.00 to 56.57 m apart, which is unlikely: check the unit (--unit)" in capsys.readouterr().out
    assert (
        main(["calibrate", "convert", str(tmp_path / "source.toml"), str(tmp_path / "x.toml"), "--unit", "mile"]) == 2
    )
    assert "--unit mile: give m, cm, mm, in, ft or a positive number" in capsys.readouterr().err


def test_up_is_z_another_axis_or_unknown_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "source.qca.txt"
    load_format("qualisys").write(room(), path)
    assert convert(path).world == ""
    assert "up:" not in capsys.readouterr().out.replace(" up ", "up:")
    load_format("qualisys").write(room("y"), path)
    standing = convert(path)
    assert "z is taken to be up, but the cameras stand as if y were: see --up" in capsys.readouterr().out
    np.testing.assert_allclose(centres(standing)[:, 1], 2.0)
    turned = convert(path, "--up", "y")
    assert "the world is turned: y of the source is z" in capsys.readouterr().out
    np.testing.assert_allclose(centres(turned)[:, 2], 2.0)
    pixels = [camera.project(np.array([0.3, 0.9, -0.4])) for camera in standing.cameras]
    same = [camera.project(np.array([0.3, 0.4, 0.9])) for camera in turned.cameras]
    np.testing.assert_allclose(same, pixels, atol=1e-9)
    first = room().cameras[0]
    others = tuple(replace(c, R=c.R @ first.R.T, t=c.t - c.R @ first.R.T @ first.t) for c in room().cameras)
    load_format("qualisys").write(Rig(others, "camera"), path)
    assert convert(path).world == "camera"
    assert "up is unknown: the world is the first camera's" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file"),
        ('{"cameras": [], "version": 3}', "JSON with cameras, version"),
        ("<rig><camera/></rig>", "XML with rig, camera"),
        ("[board]\nrows = 3\n", "TOML with board"),
        ("hello\n", "a text that begins with 'hello'"),
        ("\0\1\2", "a binary file"),
        (
            "image_width: 640\nimage_height: 480\ncamera_name: left\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
            "distortion_model: plumb_bob\nrectification_matrix:\n  rows: 3\n",
            r"YAML with image_width, image_height, camera_name, camera_matrix, rows, cols ... (perhaps of ROS",
        ),
        (
            "cam0:\n  T_cam_imu:\n  distortion_model: radtan\n",
            "YAML with cam0, T_cam_imu, distortion_model (perhaps of",
        ),
    ],
)
def test_an_unknown_file_is_described(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "calibration").write_text(text)
    assert main(["calibrate", "convert", str(tmp_path / "calibration"), str(tmp_path / "rig.toml")]) == 2
    error = capsys.readouterr().err
    assert said in error.replace("\n", " ")
    assert "known format" in error
    assert not (tmp_path / "rig.toml").exists()
