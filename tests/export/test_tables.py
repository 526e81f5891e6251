"""TRC, CSV and npz read back by other means."""

import csv
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.marker_joints import joint_of_marker
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.export import load_exporter
from multiview.export._marker_names import marker_names
from multiview.recordings.pose_table import Poses, write_poses

COCO17 = load_skeleton("coco17")


def pose(x: float, filled: int = -1) -> Pose3D:
    xyz = np.stack([np.full(17, x), np.arange(17) * 0.1, np.arange(17) * 1.0], axis=-1)
    xyz[16] = np.nan
    known = ~np.isnan(xyz[:, 0])
    return Pose3D(
        xyz, np.where(known[:, None, None], np.eye(3), np.nan), known * 1.0, known * 2, np.arange(17) == filled
    )


@pytest.fixture
def poses() -> Poses:
    """Person 5 in frames 10 and 12 at 50 frames per second, nobody in 11."""
    ticks = [Tracks(frame, frame * 20_000_000, (Track(5, pose(frame, 2)),)) for frame in (10, 12)]
    return Poses.from_tracks([*ticks, Tracks(13, 260_000_000, (Track(6, pose(0)),))], COCO17)


def test_trc_has_the_header_and_a_row_for_each_frame(poses, tmp_path: Path):
    five, _, six, _ = load_exporter("trc").write(poses, tmp_path / "take")
    assert (five.name, six.name) == ("take_person5.trc", "take_person6.trc")
    lines = five.read_text().split("\n")
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", "take_person5.trc"]
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert header == {
        "DataRate": "50",
        "CameraRate": "50",
        "NumFrames": "3",
        "NumMarkers": "17",
        "Units": "m",
        "OrigDataRate": "50",
        "OrigDataStartFrame": "1",
        "OrigNumFrames": "3",
    }
    assert lines[3].split("\t")[2::3] == list(COCO17.joints)
    assert lines[4].split("\t")[2:5] == ["X1", "Y1", "Z1"]
    rows = [line.split("\t") for line in lines[6:9]]
    assert [len(row) for row in rows] == [2 + 17 * 3] * 3
    assert [row[:2] for row in rows] == [["1", "0.200000"], ["2", "0.220000"], ["3", "0.240000"]]
    assert rows[0][2 + 3 * 3 : 2 + 3 * 4] == ["10.000000", "3.000000", "-0.300000"]  # z up becomes y up
    assert set(rows[1][2:]) == {"NaN"}
    assert rows[2][-3:] == ["NaN"] * 3


def test_csv_has_the_columns_of_the_table(poses, tmp_path: Path):
    (path,) = load_exporter("csv").write(poses, tmp_path / "take")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 17
    assert (rows[3]["frame"], rows[3]["person"], rows[3]["joint"], float(rows[3]["z"])) == ("10", "5", "left_ear", 3.0)
    assert (rows[16]["x"], rows[16]["sigma"], rows[16]["views"], rows[16]["filled"]) == ("", "", "0", "false")


def test_npz_has_the_arrays(poses, tmp_path: Path):
    (path,) = load_exporter("npz").write(poses, tmp_path / "take")
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["xyz"], poses.xyz)
        np.testing.assert_array_equal(arrays["person"], [5, 5, 6])
        assert tuple(arrays["joints"]) == COCO17.joints


def test_measured_only_leaves_filled_joints_out(poses, tmp_path: Path, capsys):
    write_poses(poses, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "npz", "--measured-only"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "poses.npz")
    with np.load(tmp_path / "poses.npz", allow_pickle=False) as arrays:
        assert np.isnan(arrays["xyz"][0, 2]).all()
        assert np.isfinite(arrays["xyz"][0, 3]).all()
        assert not arrays["filled"].any()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("pose2sim", {"left_knee": "LKnee", "right_big_toe": "RBigToe", "mid_hip": "Hip", "head_top": "Head"}),
        ("opensim", {"left_knee": "knee_l", "right_wrist": "radius_hand_r", "left_big_toe": "mtp_l"}),
        ("multiview", {"left_knee": "left_knee"}),
    ],
)
def test_trc_names_markers_as_others_do(names: str, expected: dict[str, str]) -> None:
    joints = load_skeleton("halpe26").joints
    markers = marker_names(joints, names)
    assert len(set(markers)) == len(joints)
    for joint, marker in expected.items():
        assert markers[joints.index(joint)] == marker
    for joint, marker in zip(joints, markers, strict=True):
        assert joint_of_marker(marker) in (joint, "")  # a file of them is read as truth


def test_export_takes_names_for_trc_alone(poses: Poses, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_poses(poses, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "trc", "--names", "pose2sim"]) == 0
    assert "LKnee" in (tmp_path / "poses_person5.trc").read_text()
    assert main(["export", str(tmp_path), "--to", "trc", "--names", "vicon"]) == 2
    assert "there are multiview, pose2sim, opensim" in capsys.readouterr().err
    assert main(["export", str(tmp_path), "--to", "csv", "--names", "pose2sim"]) == 2
    assert "leave --names out" in capsys.readouterr().err
