"""Calibrations of other programs: files made by them, or by hand as they document them, project the same points."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.formats import format_of, load_format
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError
from tests.calib.foreign_files import (
    DIST,
    TURNED,
    TURNED_T,
    K,
    biocv_text,
    by_turned,
    captury_text,
    matlab_lens,
    matlab_stereo,
    mcal,
    write_easymocap,
    xcp,
)

FILES = Path(__file__).parent / "files"
POINTS = np.random.default_rng(3).uniform(-1, 1, (20, 3))
# A camera of its own: 4 m along -y of the world, 1 m high, looking along +y; so x is right and -z is down.
R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
CENTRE = np.array([0.2, -4.0, 1.0])
T = -R @ CENTRE


def by_opencv(dist: np.ndarray = DIST, matrix: np.ndarray = K) -> np.ndarray:
    return cv2.projectPoints(POINTS, cv2.Rodrigues(R)[0], T, matrix, dist)[0][:, 0]


def by_fisheye(dist: np.ndarray) -> np.ndarray:
    return cv2.fisheye.projectPoints(POINTS[:, None], cv2.Rodrigues(R)[0], T, K, dist)[0][:, 0]


def read(path: Path) -> Rig:
    return load_format(format_of(path)).read(path)[0]


@pytest.mark.parametrize("path", ["text/cameras.txt", "binary/cameras.bin", "text", "binary"])
def test_a_model_of_colmap_projects_as_colmap_does(path: str) -> None:
    """There the centre of the first pixel is (0.5, 0.5)."""
    truth = json.loads((FILES / "colmap/projected.json").read_text())
    assert format_of(FILES / "colmap" / path) == "colmap"
    rig = read(FILES / "colmap" / path)
    assert [camera.model for camera in rig.cameras] == ["pinhole", "fisheye", "pinhole"]
    for name, camera in zip(rig.names, rig.cameras, strict=True):
        pixels = camera.project(np.array(truth["points"]))
        np.testing.assert_allclose(pixels + 0.5, truth["pixels"][f"{name}.png"], atol=1e-9)


def test_colmaps_binary_is_written_as_it_is_read(tmp_path: Path) -> None:
    rig = read(FILES / "colmap/text")
    load_format("colmap").write(rig, tmp_path / "cameras.bin")
    again = read(tmp_path)
    for one, other in zip(rig.cameras, again.cameras, strict=True):
        np.testing.assert_allclose(one.project(POINTS), other.project(POINTS), atol=1e-9)
    assert (tmp_path / "points3D.bin").read_bytes() == bytes(8)


def test_colmap_with_many_images_of_a_camera(tmp_path: Path) -> None:
    """Folders are cameras; one that moves is no camera of a rig."""
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
    images = "{0} 1 0 0 0 {1} 0 0 1 left/{0}.png\n\n{2} 1 0 0 0 -1 0 0 1 right/1.png\n\n"
    still = images.format(1, 0, 7) + images.format(2, 0, 8).replace("right/1", "right/2")
    (tmp_path / "images.txt").write_text(still)
    assert read(tmp_path / "cameras.txt").names == ("left", "right")
    (tmp_path / "images.txt").write_text(still + "9 1 0 0 0 0.5 0 0 1 left/3.png\n\n")
    with pytest.raises(ConfigError, match="'left' moves between its images"):
        read(tmp_path / "cameras.txt")


def test_nerfstudio_has_opengls_axes(tmp_path: Path) -> None:
    """x right, y up, z backward: the columns of the pose, in the world."""
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = [1, 0, 0], [0, 0, 1], [0, -1, 0], CENTRE
    lens = {"fl_x": 1500.0, "fl_y": 1490.0, "cx": 955.5, "cy": 547.5, "w": 1920, "h": 1080}
    lens |= {"k1": 0.03, "k2": -0.05, "p1": 0.001, "p2": -0.002, "camera_model": "OPENCV"}
    frames = [{"file_path": "./images/cam01.png", "transform_matrix": pose.tolist()}]
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps({**lens, "frames": frames}))
    rig = read(path)
    assert rig.names == ("cam01",)
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), by_opencv(DIST[:4]), atol=1e-9)


def test_vicons_quaternion_has_its_scalar_last(tmp_path: Path) -> None:
    """R turns by 90 degrees about x: (sin 45, 0, 0, cos 45)."""
    path = tmp_path / "session.xcp"
    path.write_text(xcp(np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)]), centre=CENTRE))
    assert format_of(path) == "vicon"
    rig, remarks = load_format("vicon").read(path)
    assert rig.names == ("2111437",)
    expected = by_opencv(np.array([0.03, -0.05, 0, 0, 0.01]))
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), expected, atol=1e-9)
    assert any("2111438" in remark for remark in remarks)


def opencap() -> dict[str, object]:
    return {
        "distortion": DIST[None],
        "intrinsicMat": K,
        "imageSize": np.array([[1080.0], [1920.0]]),
        "rotation": R,
        "translation": 1000 * T[:, None],
        "rotation_EulerAngles": cv2.Rodrigues(R)[0],
    }


def test_opencaps_pickles_are_read_from_the_folder_of_its_cameras(tmp_path: Path) -> None:
    for name, shift in (("Cam0", 800.0), ("Cam1", 0.0)):
        (tmp_path / name).mkdir()
        content = opencap() | {"translation": 1000 * T[:, None] + shift}
        (tmp_path / name / "cameraIntrinsicsExtrinsics.pickle").write_bytes(pickle.dumps(content))
    assert format_of(tmp_path) == format_of(tmp_path / "Cam0/cameraIntrinsicsExtrinsics.pickle") == "opencap"
    rig = read(tmp_path)
    assert rig.names == ("Cam0", "Cam1")
    assert rig.cameras[0].size == (1920, 1080)
    np.testing.assert_allclose(rig.cameras[1].project(POINTS), by_opencv(), atol=1e-9)
    out = tmp_path / "rig.toml"
    assert main(["calibrate", "convert", str(tmp_path), str(out)]) == 0
    np.testing.assert_allclose(load_rig(out).cameras[1].project(POINTS), by_opencv(), atol=1e-6)


def test_an_opencap_pickle_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    path = tmp_path / "cameraIntrinsicsExtrinsics.pickle"
    path.write_bytes(pickle.dumps({**opencap(), "rotation": Evil()}))
    with pytest.raises(ConfigError, match="neither a plain value nor an array"):
        load_format("opencap").read(path)
    assert not (tmp_path / "ran").exists()


def test_easymocaps_two_files(tmp_path: Path) -> None:
    """As EasyMocap writes them, by OpenCV, without the pictures' size."""
    write_easymocap(tmp_path, {"R": cv2.Rodrigues(R)[0], "T": T[:, None]})
    assert format_of(tmp_path / "intri.yml") == "easymocap"
    rig, remarks = load_format("easymocap").read(tmp_path / "intri.yml")
    assert rig.names == ("01",)
    assert rig.cameras[0].size == (1911, 1095)  # twice the principal point
    assert any("no picture size of 01" in remark for remark in remarks)
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), by_opencv(), atol=1e-9)
    (tmp_path / "extri.yml").unlink()
    with pytest.raises(ConfigError, match=r"extri.yml: cannot be read"):
        load_format("easymocap").read(tmp_path / "intri.yml")


@pytest.mark.parametrize(("model", "fisheye"), [("radtan", False), ("equidistant", True)])
def test_kalibrs_chain_of_cameras(model: str, fisheye: bool, tmp_path: Path) -> None:
    """The second camera by the first, which is the world."""
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = R, T
    rows = "\n".join(f"  - {row}" for row in place.tolist())
    lens = f"""  camera_model: pinhole
  distortion_coeffs: [0.03, -0.05, 0.001, -0.002]
  distortion_model: {model}
  intrinsics: [1500.0, 1490.0, 955.0, 547.0]
  resolution: [1920, 1080]
"""
    path = tmp_path / "camchain.yaml"
    second = f"cam1:\n  T_cn_cnm1:\n{rows}\n  cam_overlaps: [0]\n{lens}  rostopic: /right/image_raw\n"
    path.write_text(f"cam0:\n  cam_overlaps: [1]\n{lens}  rostopic: /left/image_raw\n{second}")
    assert format_of(path) == "kalibr"
    rig = read(path)
    assert (rig.names, rig.world) == (("left", "right"), "camera")
    expected = by_fisheye(DIST[:4]) if fisheye else by_opencv(DIST[:4])
    np.testing.assert_allclose(rig.cameras[1].project(POINTS), expected, atol=1e-9)
    np.testing.assert_array_equal(rig.cameras[0].R, np.eye(3))


def test_motives_world_has_y_up_and_its_cameras_look_along_minus_z(tmp_path: Path) -> None:
    path = tmp_path / "calibration.mcal"
    path.write_bytes(b"\xff\xfe" + mcal().encode("utf-16-le"))
    assert format_of(path) == "optitrack"
    rig, remarks = load_format("optitrack").read(path)
    assert (rig.names, rig.cameras[0].size) == (("C11764",), (1920, 1080))
    assert any("M1" in remark for remark in remarks)
    z_up_from_y_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # Motive's y becomes z, its z the -y
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), by_turned(POINTS @ z_up_from_y_up), atol=1e-9)


def test_capturys_camera_is_on_its_sensor_in_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "studio.calib"
    path.write_text(captury_text())
    assert format_of(path) == "captury"
    rig = read(path)
    assert rig.names == ("56826091",)
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), by_turned(), atol=1e-8)
    path.write_text(captury_text().replace("; 1920 x 1080 px", ""))
    with pytest.raises(ConfigError, match="has no picture size: end its line sensorSize with a comment"):
        read(path)


def test_skeletools_matrices_are_of_millimetres(tmp_path: Path) -> None:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = TURNED, 1000 * TURNED_T
    inner = np.eye(4)
    inner[:3, :3] = K
    path = tmp_path / "camera.calibration"
    rows = (" ".join(map(repr, matrix.ravel().tolist())) for matrix in (inner, pose))
    text = "Skeletool Camera Calibration File V1.0\nname  7\n  sensor 10 10\n  size 1920 1080\n  animated 0\n"
    path.write_text(text + "  intrinsic {} \n  extrinsic {} \n  radial 0\n".format(*rows))
    assert format_of(path) == "captury"
    rig = read(path)
    assert rig.names == ("cam7",)
    np.testing.assert_allclose(rig.cameras[0].project(POINTS), by_turned(dist=np.zeros(5)), atol=1e-8)
    path.write_text(path.read_text().replace("radial 0", "radial 0.1"))
    with pytest.raises(ConfigError, match="undistort"):
        read(path)


def test_biocvs_cameras_are_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("00", "01"):
        (tmp_path / f"{name}.mp4.calib").write_text(biocv_text())
    assert format_of(tmp_path) == format_of(tmp_path / "01.mp4.calib") == "biocv"
    rig = read(tmp_path)
    assert (rig.names, rig.cameras[1].size) == (("00", "01"), (1920, 1080))
    np.testing.assert_allclose(rig.cameras[1].project(POINTS), by_turned(), atol=1e-8)


@pytest.mark.parametrize("nested", [False, True])
def test_matlabs_stereo_struct_multiplies_rows(nested: bool, tmp_path: Path) -> None:
    from scipy.io import savemat

    struct = matlab_stereo()
    path = tmp_path / "stereo.mat"
    savemat(path, {"s": struct} if nested else struct)
    assert format_of(path) == "matlab"
    rig = read(path)
    assert (rig.names, rig.world) == (("cam01", "cam02"), "camera")
    np.testing.assert_allclose(rig.cameras[1].project(POINTS), by_turned(), atol=1e-8)
    ahead = POINTS + np.array([0, 0, 5.0])
    expected = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), K, DIST)[0][:, 0]
    np.testing.assert_allclose(rig.cameras[0].project(ahead), expected, atol=1e-8)


def test_matlabs_array_of_cameras_says_where_they_are(tmp_path: Path) -> None:
    from scipy.io import savemat

    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = TURNED, 1000 * TURNED_T
    one = matlab_lens() | {"CameraFromWorld": pose, "Name": "left"}
    array = np.zeros(2, dtype=[(key, object) for key in one])
    for row, name in enumerate(("left", "right")):
        for key, value in (one | {"Name": name}).items():
            array[row][key] = value
    savemat(tmp_path / "cameras.mat", {"s": array})
    rig = read(tmp_path / "cameras.mat")
    assert rig.names == ("left", "right")
    np.testing.assert_allclose(rig.cameras[1].project(POINTS), by_turned(), atol=1e-8)


BROKEN = {
    "vicon": [
        xcp(np.zeros(4)),
        xcp(np.ones(3)),
        xcp(np.ones(4)).replace("1920 1080", "1920"),
        xcp(np.full(4, np.nan)),
        xcp(np.ones(4), "ViconRadial2 1 2 many"),
        "<Cameras><Camera/></Cameras>",
        "<!DOCTYPE x><Cameras/>",
    ],
    "colmap": ["1 PINHOLE 640 480 500\n", "1 NEW 640 480 500\n", "1 PINHOLE 640\n", "# nothing\n"],
    "nerfstudio": ['{"frames": 3}', '{"frames": [{"transform_matrix": [[1]]}]}', '{"frames": []}', '{"frames": [[]]}'],
    "easymocap": [
        "%YAML:1.0\nnames: []\n",
        '%YAML:1.0\nnames:\n  - "1"\n',
        "%YAML:1.0\n---\n",
        "names: 3",
        'names:\n  - "' + 2000 * "x" + '"\n',
    ],
    "kalibr": ["cam0:\n  intrinsics: [1]\n", "cam0:\n  camera_model: omni\n", "cam0: 3\n", "cam1:\n  a: [1, 2]\n"],
    "opencap": ["\x80\x04.", "nothing", "", "K."],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BROKEN.items() for text in texts])
def test_a_broken_file_is_one_sentence(name: str, text: str, tmp_path: Path) -> None:
    words = {"colmap": ("cameras", "images"), "easymocap": ("intri", "extri")}.get(name, ("", ""))
    path = tmp_path / f"broken{words[0]}"
    path.write_text(text)
    (tmp_path / f"broken{words[1] or '2'}").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_format(name).read(path)
    assert "broken" in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300  # of what the file holds it quotes the beginning
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 30, 100])
def test_a_cut_binary_model_is_one_sentence(cut: int, tmp_path: Path) -> None:
    for name in ("cameras.bin", "images.bin"):
        content = (FILES / "colmap/binary" / name).read_bytes()
        (tmp_path / name).write_bytes(content[:cut] if name == "images.bin" else content)
    with pytest.raises(ConfigError, match=r"images.bin: not COLMAP's images, or damaged"):
        read(tmp_path)
