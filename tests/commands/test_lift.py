"""`multiview lift`, and `process` with one video: one camera's recording becomes people in the room."""

import json

import cv2
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.synthetic import StudioOptions, make_studio

STUDIO = {"cameras": 2, "people": 1, "seconds": 1.0, "fps": 25.0, "size": (1280, 720), "skeleton": "body25"}
FRAMES = 25


@pytest.fixture
def studio(tmp_path):
    """A rig of two cameras, of which the second was recorded."""
    made = make_studio(StudioOptions(**STUDIO))
    save_rig(made.rig, tmp_path / "rig.toml")
    folder = tmp_path / "keypoints" / "cam02"
    folder.mkdir(parents=True)
    for frame in range(FRAMES):
        write_keypoints(made.keypoints(1, frame), folder / f"cam02_{frame:06d}_keypoints.json")
    return made, tmp_path


def lift(folder, *more):
    places = ["--rig", str(folder / "rig.toml"), "--keypoints", str(folder / "keypoints"), "--out", str(folder / "out")]
    return main(["lift", *places, *more])


def test_lift_writes_people_and_says_what_they_rest_on(studio, capsys) -> None:
    made, folder = studio
    assert lift(folder) == 0
    assert "1 person lifted from one camera, placed by floor" in capsys.readouterr().out
    poses, summary = read_poses(folder / "out" / "poses.parquet"), json.loads((folder / "out/summary.json").read_text())
    assert summary["lifted_from"] == "cam02"
    assert 1.2 < summary["heights_m"]["1"] < 2.2
    assert load_rig(folder / "out" / "rig.toml").names == ("cam02",)
    hip = made.skeleton.index("mid_hip")
    off = poses.xyz[:, hip] - made.truth.xyz[poses.frame, hip]
    away = np.linalg.norm(made.truth.xyz[poses.frame, hip] - made.rig.cameras[1].centre, axis=-1)
    assert np.median(np.linalg.norm(off, axis=-1) / away) < 0.1
    assert poses.views.max() == 1
    assert not poses.filled.all()


def test_lift_takes_a_height_and_leaves_the_floor_aside(studio, capsys) -> None:
    _, folder = studio
    assert lift(folder, "--height", "1.80", "--no-floor") == 0
    assert "placed by height" in capsys.readouterr().out
    assert json.loads((folder / "out" / "summary.json").read_text())["heights_m"]["1"] == 1.8
    with pytest.raises(SystemExit):
        lift(folder, "--height", "180")
    assert "must be from 0.3 to 3 m" in capsys.readouterr().err


def test_lift_asks_which_camera(studio, capsys) -> None:
    made, folder = studio
    other = folder / "keypoints" / "cam01"
    other.mkdir()
    write_keypoints(made.keypoints(0, 0), other / "cam01_000000_keypoints.json")
    assert lift(folder) == 2
    assert "2 cameras have keypoints (cam01, cam02): name one with --camera" in capsys.readouterr().err
    assert lift(folder, "--camera", "cam02") == 0
    assert lift(folder, "--camera", "cam03") == 2
    assert "no camera 'cam03' in the rig" in capsys.readouterr().err


def test_process_with_one_video_lifts(studio, capsys) -> None:
    _, folder = studio
    writer = cv2.VideoWriter(str(folder / "cam02.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (1280, 720))
    for _ in range(FRAMES):
        writer.write(np.zeros((720, 1280, 3), np.uint8))
    writer.release()
    option = "studio={ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in STUDIO.items()) + " }"
    arguments = ["process", "--rig", str(folder / "rig.toml"), "--detector", "synthetic", "--option", option]
    arguments += ["--out", str(folder / "out"), "--videos", str(folder / "cam02.avi")]
    assert main(arguments) == 0
    assert "1 person lifted from one camera" in capsys.readouterr().out
    lifted = read_poses(folder / "out" / "poses.parquet")
    assert lift(folder) == 0
    again = read_poses(folder / "out" / "poses.parquet")
    np.testing.assert_array_equal(lifted.frame, again.frame)
    np.testing.assert_allclose(lifted.xyz, again.xyz, atol=1e-3)
    assert main([*arguments, "--refine-cameras"]) == 2
    assert "--refine-cameras" in capsys.readouterr().err
