"""Videos to 3D people: the same as fusing what the detector says, whatever breaks on the way."""

import json

import cv2
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.image_size import scaling_note, to_calibrated_size
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.fusion.pipeline import Pipeline
from multiview.recordings.pose_table import Poses, read_poses
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.synthetic import StudioOptions, make_studio
from services.viewer.open import open_recording

STUDIO = {"cameras": 3, "people": 2, "seconds": 0.4, "fps": 25.0, "size": (1280, 720)}
FRAMES = 10


def write_video(path, size, frames=FRAMES, fps=25.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), 20 * (i % 10), np.uint8))
    writer.release()


@pytest.fixture
def studio(tmp_path):
    made = make_studio(StudioOptions(**STUDIO))
    save_rig(made.rig, tmp_path / "rig.toml")
    for camera in made.rig.cameras:
        write_video(tmp_path / f"{camera.name}.avi", camera.size)
    detector = tmp_path / "mine.py"
    detector.write_text(
        "from multiview.detect.synthetic import Detector, Options\n"  # one's own file may use what there is
    )
    option = "studio={ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in STUDIO.items()) + " }"
    arguments = ["process", "--rig", str(tmp_path / "rig.toml"), "--detector", str(detector), "--option", option]
    return made, tmp_path, [*arguments, "--out", str(tmp_path / "out"), "--videos"]


def test_process_is_detect_then_fuse(studio, capsys):
    made, folder, arguments = studio
    videos = [str(folder / f"{name}.avi") for name in made.rig.names]
    assert main([*arguments, *videos]) == 0
    assert "2 people" in capsys.readouterr().out
    pipeline = Pipeline(made.rig, made.skeleton, contacts=True)
    pipeline.warm_up()
    expected = Poses.from_tracks([pipeline.step(made.views(i)) for i in range(FRAMES)], made.skeleton)
    poses = read_poses(folder / "out" / "poses.parquet")
    np.testing.assert_array_equal(poses.frame, expected.frame)
    np.testing.assert_allclose(poses.xyz, expected.xyz, atol=1e-5)  # covariances were rounded on the way
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["frames"] == FRAMES
    assert 0 < summary["reprojection_px"]["all"] < 30
    assert set(summary["frames_with_people"]) == set(made.rig.names)


def test_process_finds_no_more_people_than_may_be(studio, capsys):
    made, folder, arguments = studio
    videos = [str(folder / f"{name}.avi") for name in made.rig.names]
    assert main([*arguments, *videos, "--max-people", "1"]) == 0
    assert "1 person" in capsys.readouterr().out
    assert len(read_poses(folder / "out" / "poses.parquet").people) == 1
    assert main([*arguments, *videos, "--volume", "90", "90", "0", "91", "91", "2"]) == 0
    assert "the volume may be too narrow" in capsys.readouterr().err


def test_kept_keypoints_are_those_of_the_last_run_and_others_are_left_alone(studio, capsys):
    made, folder, arguments = studio
    first, second, _ = made.rig.names
    kept = folder / "out" / "keypoints"
    assert main([*arguments, *(str(folder / f"{name}.avi") for name in made.rig.names), "--save-keypoints"]) == 0
    assert len(list(kept.glob("*/*.json"))) == 3 * FRAMES
    for name in (first, second):
        write_video(folder / f"{name}.avi", made.rig.cameras[0].size, frames=FRAMES - 4)
    again = [*arguments, *(str(folder / f"{name}.avi") for name in (first, second)), "--save-keypoints"]
    assert main(again) == 0
    assert sorted(path.name for path in kept.glob("*/*.json")) == [
        f"{name}_{frame:06d}_keypoints.json" for name in (first, second) for frame in range(FRAMES - 4)
    ]
    assert not (kept / made.rig.names[2]).exists()
    of_somebody = kept / first / f"{first}_000009_keypoints.json"
    of_somebody.write_text("mine")
    capsys.readouterr()
    assert main(again) == 2
    assert f"1 file of keypoints that `process` did not write ({first}/{of_somebody.name})" in capsys.readouterr().err
    assert of_somebody.read_text() == "mine"


def test_a_torn_video_costs_its_camera_only(studio, capsys):
    made, folder, arguments = studio
    videos = [str(folder / f"{name}.avi") for name in made.rig.names]
    write_video(folder / "long.avi", made.rig.cameras[0].size, frames=60)
    torn = folder / f"{made.rig.names[0]}.avi"
    torn.write_bytes((folder / "long.avi").read_bytes()[:40000])
    code = main([*arguments, *videos])
    error = capsys.readouterr().err
    if "cannot be opened" in error or "gives no picture" in error:
        assert code == 2
    else:
        assert code == 0
        assert "breaks off after" in error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--videos": ["absent.mp4"]}, "the rig has no camera 'absent'"),
        ({"--videos": ["absent.mp4"], "--cameras": "cam01"}, "there is no source"),
        ({"--cameras": "cam01,cam02"}, "3 videos but 2 camera names"),
        ({"--cameras": "cam01,cam02,cam02"}, "two videos for camera cam02"),
        ({"--detector": "blazepos"}, 'did you mean "blazepose"'),
        ({"--option": "nothing"}, "KEY=VALUE"),
    ],
)
def test_mistakes_are_one_line(studio, capsys, change, complaint):
    made, folder, _ = studio
    arguments = {
        "--rig": str(folder / "rig.toml"),
        "--detector": "synthetic",
        "--out": str(folder / "out"),
        "--videos": [str(folder / f"{name}.avi") for name in made.rig.names],
    } | change
    words = [
        word for key, value in arguments.items() for word in (key, *(value if isinstance(value, list) else [value]))
    ]
    assert main(["process", *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert "Traceback" not in error


def test_pictures_of_another_size():
    keypoints = Keypoints2D(np.array([[[-0.5, -0.5], [639.5, 359.5]]]), np.ones((1, 2)), np.ones((1, 2, 2, 2)))
    larger = to_calibrated_size(keypoints, (640, 360), (1280, 720))
    np.testing.assert_allclose(larger.xy, [[[-0.5, -0.5], [1279.5, 719.5]]])
    np.testing.assert_allclose(larger.cov, 4.0)
    assert to_calibrated_size(keypoints, (1080, 1920), (1088, 1920)) is keypoints
    assert "padding" in scaling_note((1080, 1920), (1088, 1920), "cam01")
    assert "scaled by 2" in scaling_note((640, 360), (1280, 720), "cam01")
    assert scaling_note((640, 360), (640, 360), "cam01") == ""
    with pytest.raises(ConfigError, match="another shape"):
        scaling_note((640, 480), (1280, 720), "cam01")


def test_process_says_which_pictures_are_unlike_the_others(studio, capsys):
    """One of another shape is left out, as nobody can know where it belongs; one of the same shape is scaled."""
    made, folder, arguments = studio
    first, *others = made.rig.names
    width, height = made.rig.cameras[0].size
    (folder / first).mkdir()
    for number in range(FRAMES):
        size = {3: (height, height), 5: (width // 2, height // 2)}.get(number, (width, height))
        cv2.imwrite(str(folder / first / f"{number:03}.png"), np.zeros((size[1], size[0], 3), np.uint8))
    videos = [str(folder / first), *(str(folder / f"{name}.avi") for name in others)]
    assert main([*arguments, *videos, "--fps", "25", "--save-keypoints"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{first}: 1 picture of {height}x{height}, unlike the first one and in another shape" in said
    assert f"{first}: 1 picture of {width // 2}x{height // 2}, unlike the first one: keypoints are scaled" in said
    kept = sorted(path.name for path in (folder / "out" / "keypoints" / first).glob("*.json"))
    assert len(kept) == FRAMES - 1
    assert not any("000003" in name for name in kept)


def test_cameras_out_of_step_are_interpolated(studio):
    made, _, _ = studio
    names = made.rig.names[:2]
    body = np.random.default_rng(0).uniform(0, 900, (1, 17, 2))
    recordings = []
    for c, name in enumerate(names):
        times = [round(i * 40e6) + c * 15_000_000 for i in range(FRAMES)]
        people = [Keypoints2D(body + t / 1e6, np.ones((1, 17))) for t in times]
        recordings.append(Recording(name, 25.0, list(range(FRAMES)), times, people))
    views = list(recorded_views(made.rig, recordings))
    assert len(views) >= FRAMES - 2
    for seen in views[1:-1]:
        for keypoints in seen.keypoints[:2]:
            np.testing.assert_allclose(keypoints.xy, body + seen.time_ns / 1e6, atol=1e-6)
        assert seen.keypoints[2] is None


def test_draw_writes_pictures_and_videos(studio, capsys):
    made, folder, arguments = studio
    videos = [str(folder / f"{name}.avi") for name in made.rig.names]
    assert main([*arguments, *videos]) == 0
    draw = ["draw", str(folder / "out"), "--videos", videos[0]]
    assert main([*draw, "--out", str(folder / "drawn"), "--frames", "3", "--height", "90"]) == 0
    picture = cv2.imread(str(folder / "drawn" / "frame_000003.png"))
    assert picture.shape[0] == 90
    assert picture.std() > 5
    apart = ["draw", "--rig", str(folder / "rig.toml"), "--poses", str(folder / "out"), "--videos", videos[0]]
    assert main([*apart, "--out", str(folder / "drawn")]) == 0
    drawn = cv2.VideoCapture(str(folder / "drawn" / f"{made.rig.names[0]}.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    drawn.release()
    assert main([*draw, "--out", str(folder / "drawn"), "--frames", "99"]) == 2
    assert "no video has a frame 99" in capsys.readouterr().err


@pytest.mark.slow
def test_process_output_is_a_take(studio, capsys):
    made, folder, arguments = studio
    out = str(folder / "out")
    assert main([*arguments, *[str(folder / f"{name}.avi") for name in made.rig.names], "--save-keypoints"]) == 0
    assert load_rig(folder / "out" / "rig.toml").names == made.rig.names
    capsys.readouterr()
    assert main(["info", out]) == 0
    told = capsys.readouterr().out
    assert "2 people" in told
    assert "rig.toml, keypoints" in told
    people = read_poses(folder / "out" / "poses.parquet").people.tolist()
    assert [int(row.split()[1]) for row in told.splitlines() if row.startswith("│")] == people
    assert main(["explain", out, "--frame", "3", "--out", str(folder / "why.png")]) == 0
    assert (folder / "why.png").is_file()
    assert main(["export", out, "--to", "trc", "--out", str(folder / "files")]) == 0
    assert len(list((folder / "files").glob("*.trc"))) == 2
    assert open_recording(folder / "out", None, 0.0, paused=True).rig.names == made.rig.names
    for command in (["replay", out], ["replay", out, "--check"]):
        assert main(command) == 2
        assert "poses without a stream (take.mcap)" in capsys.readouterr().err
    assert main([*arguments, *[str(folder / f"{name}.avi") for name in made.rig.names]]) == 0, "again into the same"


def test_explain_says_what_a_take_lacks(studio, capsys):
    made, folder, arguments = studio
    assert main([*arguments, *[str(folder / f"{name}.avi") for name in made.rig.names]]) == 0
    assert main(["explain", str(folder / "out"), "--frame", "3"]) == 2
    assert "has no folder keypoints: `multiview process --save-keypoints` keeps them" in capsys.readouterr().err
    assert main(["explain", "--frame", "3"]) == 2
    assert "give a take, or --rig and --keypoints" in capsys.readouterr().err
