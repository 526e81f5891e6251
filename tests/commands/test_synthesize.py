import json
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.cameras.rig_file import load_rig
from multiview.common.toml import decode_toml
from multiview.recordings.ground_truth import read_truth
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.cramer_rao import truth_with_bound

ARGUMENTS = ["--cameras", "3", "--people", "2", "--seconds", "0.5", "--seed", "3", "--skeleton", "body25"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio") / "new"
    assert main(["synthesize", "--out", str(folder), *ARGUMENTS]) == 0
    return folder


def test_the_files_say_what_the_studio_says(folder):
    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=0.5, seed=3, skeleton="body25"))
    rig = load_rig(folder / "rig.toml")
    folders = open_keypoint_folders(folder / "keypoints", rig, load_skeleton("body25"))
    assert rig.calibration_hash == studio.rig.calibration_hash
    assert folders.frames == tuple(range(15))
    for camera in range(3):
        for frame in range(15):
            read, seen = folders.read(camera, frame), studio.keypoints(camera, frame)
            assert read is not None
            np.testing.assert_array_equal(read.xy, seen.xy)
            np.testing.assert_array_equal(read.score, seen.score)
    truth, expected = read_truth(folder / "gt.npz"), truth_with_bound(studio)
    np.testing.assert_array_equal(truth.xyz, expected.xyz)
    np.testing.assert_array_equal(truth.bound, expected.bound)


def test_its_options_make_it_again(folder, tmp_path: Path):
    assert decode_toml(folder / "synthetic.toml", StudioOptions).cameras == 3
    again = ["synthesize", "--out", str(tmp_path / "again"), "--options", str(folder / "synthetic.toml")]
    assert main([*again, "--seconds", "0.2"]) == 0
    name = Path("keypoints") / "cam02" / "cam02_000004_keypoints.json"
    assert (tmp_path / "again" / name).read_bytes() != b""
    assert decode_toml(tmp_path / "again" / "synthetic.toml", StudioOptions).seconds == 0.2


def test_perfect_is_perfect(tmp_path: Path):
    assert main(["synthesize", "--out", str(tmp_path / "p"), "--seconds", "0.1", "--perfect"]) == 0
    assert decode_toml(tmp_path / "p" / "synthetic.toml", StudioOptions).sigma_px == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "{full}"], "is not an empty folder"),
        (["--out", "{new}", "--cameras", "0"], "cameras: must be from 1 to 16 cameras, not 0"),
        (["--out", "{new}", "--skeleton", "cocoa"], "no skeleton 'cocoa'"),
        (["--out", "{new}", "--options", "{full}/odd.toml"], 'unknown key "camera"; did you mean "cameras"?'),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message, tmp_path: Path, capsys):
    (tmp_path / "odd.toml").write_text("camera = 3\n")
    filled = [word.format(full=tmp_path, new=tmp_path / "new") for word in arguments]
    assert main(["synthesize", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_recorded_motion_is_played_for_as_long_as_it_lasts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = [0.9, 0.0, *[1.0, 0.0, 0.0, 0.0] * 4, 0.0, *[1.0, 0.0, 0.0, 0.0] * 2, 0.0]
    still += [1.0, 0.0, 0.0, 0.0, 0.0, *[1.0, 0.0, 0.0, 0.0] * 2, 0.0]
    motion = tmp_path / "ahead.txt"
    motion.write_text(json.dumps({"Frames": [[0.1, 0.5 * k, *still] for k in range(3)]}))
    arguments = ["synthesize", "--out", str(tmp_path / "new"), "--motion", str(motion), "--cameras", "2"]
    assert main(arguments) == 0
    truth = read_truth(tmp_path / "new" / "gt.npz")
    hip = truth.xyz[:, truth.joints.index("left_hip")]
    assert len(hip) == round(0.2 * 30)
    velocity = 30 * np.diff(hip, axis=0)  # 5 m/s ahead in the file, and as much faster as legs are longer
    assert velocity[:, 0] == pytest.approx(velocity[0, 0])
    assert 4.0 < velocity[0, 0] < 6.0
    assert np.abs(velocity[:, 1:]).max() < 1e-9
    assert main([*arguments[:2], str(tmp_path / "two"), *arguments[3:], "--people", "2"]) == 2
    assert "--motion is of one person" in capsys.readouterr().err
