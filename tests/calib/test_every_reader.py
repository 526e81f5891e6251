"""Every reader of calibrations: a file that we did not write projects the same points, and broken ones are named.

The readers are those of the folder: one without a file in `foreign_files.py` or without spoilt ones fails here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calib.formats import format_names, format_of, load_format
from multiview.errors import ConfigError
from tests.calib.foreign_files import DIST, FILES, KEPT, NO_TANGENTIAL, POINTS, by_turned

Z_UP_FROM_Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # of Motive's world
LENSES = {"vicon": NO_TANGENTIAL, "kalibr": DIST[:4], "nerfstudio": DIST[:4]}  # that hold less than five numbers
SECOND = ("kalibr", "matlab")  # whose world is the first of two cameras

# What is changed in a good file: another version, NaN, wrong counts, something missing.
SPOILT: dict[str, list[tuple[str, str]]] = {
    "anipose": [("1500.0", "nan"), ("0.03,", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,"), ("size", "extent"), ("1920", "-1")],
    "pose2sim": [("1500.0", "nan"), ("0.03,", "[0.03],"), ("size", "extent"), ("1920", "x")],
    "caliscope": [("1490.0", "nan"), ("[0.03", "[[0.03]"), ("[1920,", "[1920, 1,"), ("[cameras.4]", "[cam.4]")],
    "multiview": [("version = 1", "version = 99"), ("1490.0", "nan"), ("0.01]", "0.01, 1]"), ("size", "extent")],
    "opencv_yaml": [("rows: 3", "rows: 4"), ("1490", ".nan"), ("camera_matrix", "matrices"), ("image_width", "wide")],
    "easymocap": [("rows: 3", "rows: 4"), ("1490", ".nan"), ("dist_01", "dist_02"), ('names:\n   - "01"', "names: 3")],
    "qualisys": [("95360", "NaN"), ("r33", "r34"), ("<transform", "<turn"), ("<intrinsic", "<inside")],
    "vicon": [("1920 1080", "1920"), ("955 547 0.03", "955 547 many"), ("ORIENTATION", "TURN"), ("1500", "NaN")],
    "opencap": [("intrinsicMat", "intrinsicMut"), ("numpy", "nunpy"), ("rotation", "turning."), ("image", "imago")],
    "kalibr": [("radtan", "omni"), ("1490.0", ".nan"), ("547.0]", "547.0, 1.0]"), ("T_cn_cnm1", "T_cam_imu")],
    "nerfstudio": [("1490.0", "NaN"), ('"OPENCV"', '"OMNI"'), ("0.0, 0.0, 0.0, 1.0", "0.0"), ("frames", "views")],
    "colmap": [("OPENCV 1920", "OPENCV2 1920"), ("OPENCV 1920", "OPENCV 1920.5"), ("1100.", "nan"),
               ("OPENCV 1920", "OPENCV 1 2 1920")],
    "optitrack": [("1500", "NaN"), ("OrientMatrix4=", "Other="), ("<Attributes", "<Others"),
                  ("<calib", "<!DOCTYPE x><calib")],
    "captury": [("v0.3", "v0.9"), ("up ", "up nan "), ("frame 0", "frame 0\nframe 1"), ("OpenCV", "FisheyePoly")],
    "biocv": [("1080", "many"), ("1080", "1080 3"), ("1490", "nan"), ("\n0.03", "\n1 2 3 4 5 6 7 0.03")],
    "matlab": [("MATLAB 5.0", "MATLAB 7.3"), ("RadialDistortion", "RadialDisillusio"), ("ImageSize", "ImageSins"),
               ("TangentialDistortion", "TangentialDistraction")],
}  # fmt: skip


@pytest.mark.parametrize("name", format_names())
def test_a_file_that_we_did_not_write_projects_the_same_points(name: str, tmp_path: Path) -> None:
    path = FILES[name](tmp_path)
    assert format_of(path) == ("anipose" if name == "pose2sim" else name)  # the same tables
    rig, _ = load_format(name).read(path)
    if name == "colmap":  # its own library says where its cameras see some points
        truth = json.loads((KEPT / "colmap/projected.json").read_text())
        for camera, seen in zip(rig.cameras, truth["pixels"].values(), strict=True):
            np.testing.assert_allclose(camera.project(np.array(truth["points"])) + 0.5, seen, atol=1e-9)
        return
    camera = rig.cameras[-1]
    assert len(rig) == (2 if name in SECOND else 1)
    assert camera.size == ((1911, 1095) if name == "easymocap" else (1920, 1080))  # from the principal point
    world = POINTS @ Z_UP_FROM_Y_UP if name == "optitrack" else POINTS
    np.testing.assert_allclose(camera.project(POINTS), by_turned(world, LENSES.get(name, DIST)), atol=1e-7)


@pytest.mark.parametrize("name", format_names())
def test_broken_files_are_one_sentence_each(name: str, tmp_path: Path) -> None:
    """Four that say something else, an empty one, zeros, noise, a text, and sixteen that are cut."""
    path = FILES[name](tmp_path)
    content = path.read_bytes()
    broken = {}
    for old, new in SPOILT[name]:
        assert old.encode() in content, old
        broken[f"{old} -> {new}"] = content.replace(old.encode(), new.encode())
    broken |= {
        "zeros": bytes(len(content)),
        "noise": np.random.default_rng(0).bytes(2000),
        "text": b"Dear colleague,\n",
    }
    broken |= {f"cut at {part}/16": content[: part * len(content) // 16] for part in range(16)}
    whole = load_format(name).read(path)[0]
    for case, spoilt in broken.items():
        path.write_bytes(spoilt)
        try:
            rig, _ = load_format(name).read(path)
        except ConfigError as error:
            said = str(error)
            assert said.startswith(str(tmp_path)), case
            assert len(said) < len(str(path)) + 300, case
            assert "\n" not in said, case
        else:  # a list of cameras may be whole up to where it is cut
            assert case.startswith("cut"), case
            for camera, right in zip(rig.cameras, whole.cameras, strict=False):
                np.testing.assert_array_equal(camera.project(POINTS), right.project(POINTS), err_msg=case)
