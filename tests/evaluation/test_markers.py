"""Poses beside markers of another system, whose clock, world and unit are its own."""

from __future__ import annotations

import json
from pathlib import Path

import ezc3d
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.marker_joints import joint_of_marker
from multiview.errors import ConfigError, SourceError
from multiview.evaluation.alignment import align
from multiview.export import load_exporter
from multiview.geometry.rigid import rotation_from_vector
from multiview.marker_files import read_markers
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.anatomy import random_build
from multiview.synthetic.walker import Walker, walker_joints

HZ, EVERY = 120.0, 4  # of the markers, and how many of their instants one of ours is
AHEAD_S, BEGIN_S = 3.2173, 1.5  # the markers' clock, and how much later ours begins
NOISE_M = 0.008
R = rotation_from_vector(np.array([1.2, -0.4, 0.9]))  # their world from ours
T = np.array([0.7, -2.1, 0.4])
TRUTH = make_studio(StudioOptions(cameras=2, people=2, seconds=8.0, fps=HZ, seed=4, skeleton="coco17")).truth


def of(actor: int) -> np.ndarray:
    return TRUTH.xyz[TRUTH.actor == actor]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people at 30 Hz, with noise."""
    rng = np.random.default_rng(0)
    begin = round(BEGIN_S * HZ)
    xyz = np.stack([of(0)[begin::EVERY], of(1)[begin::EVERY]], axis=1)
    frames, people, joints = xyz.shape[:3]
    xyz = (xyz + rng.normal(0, NOISE_M, xyz.shape)).reshape(-1, joints, 3)
    frame = np.repeat(np.arange(frames), people)
    n = len(frame)
    poses = Poses(
        frame=frame,
        time_ns=np.round((frame * EVERY / HZ + BEGIN_S) * 1e9).astype(np.int64),
        utc_ns=np.zeros(n, np.int64),
        person=np.tile([4, 7], frames),
        xyz=xyz,
        cov=np.tile(np.eye(3) * NOISE_M**2, (n, joints, 1, 1)),
        score=np.ones((n, joints)),
        views=np.full((n, joints), 3),
        filled=np.zeros((n, joints), bool),
        joints=tuple(TRUTH.joints),
        skeleton="coco17",
    )
    folder = tmp_path_factory.mktemp("ours")
    write_poses(poses, folder / "poses.parquet")
    return folder


def markers(actor: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and places (m) by their system: of the second person, who is 7."""
    xyz = of(actor) @ R.T + T
    return np.arange(len(xyz)) / HZ + AHEAD_S, xyz


def short(joint: str) -> str:
    """As OpenSim's users name it: RKnee."""
    side, _, part = joint.partition("_")
    return f"{side[0].upper()}{part.title()}" if part else joint.title()


def write_trc(path: Path) -> None:
    time_s, xyz = markers()
    names = [short(joint) for joint in TRUTH.joints]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{HZ:g}\t{HZ:g}\t{len(xyz)}\t{len(names)}\tmm\t{HZ:g}\t1\t{len(xyz)}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{i + 1}" for i in range(len(names)) for axis in "XYZ"),
    ]
    for i, (now, places) in enumerate(zip(time_s, 1000 * xyz.reshape(len(xyz), -1), strict=True)):
        lines.append("\t".join([str(i + 1), f"{now:.6f}", *(f"{value:.4f}" for value in places)]))
    path.write_text("\n".join(lines) + "\n")


def write_c3d(path: Path) -> None:
    _, xyz = markers()
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [HZ]
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    content["parameters"]["POINT"]["LABELS"]["value"] = [f"Ann:{short(joint)}" for joint in TRUTH.joints]
    content["data"]["points"] = np.concatenate([1000 * xyz, np.ones((*xyz.shape[:2], 1))], axis=2).transpose(2, 1, 0)
    content.write(str(path))


def write_csv(path: Path) -> None:
    time_s, xyz = markers()
    head = ",".join(["time", *(f"{joint}_{axis}" for joint in TRUTH.joints for axis in "xyz")])
    table = np.column_stack([time_s, 1000 * xyz.reshape(len(xyz), -1)])  # the unit is nowhere
    np.savetxt(path, table, delimiter=",", header=head, comments="", fmt="%.6f")


WRITERS = {"trc": write_trc, "c3d": write_c3d, "csv": write_csv}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_evaluate_finds_clock_place_and_person(
    kind: str, ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"markers.{kind}"
    WRITERS[kind](path)
    assert main(["evaluate", "--truth", str(path), "--poses", str(ours), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["person"] == 7
    ahead = 0.0 if kind == "c3d" else AHEAD_S  # C3D counts frames from the file's first
    assert figures["offset_s"] == pytest.approx(ahead, abs=2e-3)
    # A distance in three axes with noise of one deviation each has the mean sqrt(8 / pi).
    assert figures["mpjpe_mm"] == pytest.approx(1e3 * NOISE_M * np.sqrt(8 / np.pi), rel=0.03)
    assert set(figures["joints"]) == set(TRUTH.joints)
    knee = figures["angles"]["left_knee_flexion"]
    assert abs(knee["mean_difference_deg"]) < knee["rms_deg"] < 4
    assert figures["unit"] == "mm"


@pytest.mark.slow
def test_evaluate_shows_a_table_and_saves_pictures(
    ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_trc(tmp_path / "markers.trc")
    out = tmp_path / "out"
    assert main(["evaluate", "--truth", str(tmp_path / "markers.trc"), "--poses", str(ours), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "person 7" in printed
    assert "left_wrist" in printed
    assert {path.name for path in out.iterdir()} == {"joint_distances.png", "bland_altman.png"}


def test_a_constant_difference_is_told_from_noise(
    ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A marker on the skin, and a table that says which marker is which joint."""
    time_s, xyz = markers()
    joints = ("left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_knee", "left_ankle", "right_wrist")
    columns = {f"M{i}": xyz[:, TRUTH.joints.index(joint)].copy() for i, joint in enumerate(joints)}
    columns["M6"] += R @ [0.0, 0.0, 0.03]  # the wrist's
    columns["M5b"] = columns["M5"] + [0.02, 0.0, 0.0]
    columns["M5"] = columns["M5"] - [0.02, 0.0, 0.0]  # the ankle is between them
    head = ",".join(["time", *(f"{name}_{axis}" for name in columns for axis in "xyz")])
    np.savetxt(
        tmp_path / "m.csv", np.column_stack([time_s, *columns.values()]), delimiter=",", header=head, comments=""
    )
    table = (
        "\n".join(f'{joint} = "M{i}"' for i, joint in enumerate(joints) if i != 5) + '\nleft_ankle = ["M5", "M5b"]\n'
    )
    (tmp_path / "joints.toml").write_text(table)
    command = ["evaluate", "--truth", str(tmp_path / "m.csv"), "--poses", str(ours), "--json"]
    assert main([*command, "--joints", str(tmp_path / "joints.toml")]) == 0
    found = json.loads(capsys.readouterr().out)["joints"]
    assert found["right_wrist"]["offset_mm"] == pytest.approx(30, abs=6)  # a seventh of it moves the alignment
    assert found["left_ankle"]["offset_mm"] < 6
    assert found["right_wrist"]["spread_mm"] == pytest.approx(1e3 * NOISE_M * np.sqrt(3), rel=0.1)
    (tmp_path / "joints.toml").write_text('left_knee = "LKNE"\n')
    assert main([*command, "--joints", str(tmp_path / "joints.toml")]) == 2
    assert "there is no marker LKNE; there are M0, M1" in capsys.readouterr().err
    (tmp_path / "joints.toml").write_text("left_knee = 3\n")
    assert main([*command, "--joints", str(tmp_path / "joints.toml")]) == 2
    assert "joints.toml" in capsys.readouterr().err
    assert main(command) == 2
    assert "say which is which with --joints" in capsys.readouterr().err


def test_a_motion_file_is_truth_too(ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from multiview.recordings.pose_table import read_poses

    poses = read_poses(ours)
    (path, _) = load_exporter("bvh").write(poses.select(poses.person == 4), tmp_path / "walk")
    assert main(["evaluate", "--truth", str(path), "--poses", str(ours), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["person"] == 4
    assert figures["offset_s"] == pytest.approx(-BEGIN_S, abs=0.02)  # the file begins at 0
    assert figures["joints"]["left_knee"]["spread_mm"] < 3 * 1e3 * NOISE_M


@pytest.mark.parametrize(
    ("marker", "joint"),
    [
        ("RKnee", "right_knee"), ("knee_r", "right_knee"), ("Ann:LShoulder", "left_shoulder"), ("CHip", "mid_hip"),
        ("LeftUpperLeg", "left_hip"), ("left_wrist", "left_wrist"), ("RightLeg", "right_knee"), ("Nose", "nose"),
        ("LBigToe", "left_big_toe"), ("LASI", ""), ("*12", ""), ("", ""),
    ],
)  # fmt: skip
def test_markers_named_after_joints(marker: str, joint: str) -> None:
    assert joint_of_marker(marker) == joint


def test_recordings_that_never_meet_are_refused() -> None:
    time_s = np.arange(300) / 30
    rng = np.random.default_rng(1)
    still = np.tile(rng.normal(size=(5, 3)), (300, 1, 1))
    with pytest.raises(SourceError, match="too little moves"):
        align(time_s, still, time_s, still)
    moving = still + np.cumsum(rng.normal(0, 0.01, still.shape), axis=0)
    with pytest.raises(SourceError, match="overlap"):
        align(time_s, moving, time_s + 100.0, moving, max_offset_s=20.0)
    assert align(time_s, still, time_s, still @ R.T + T, offset_s=0.0).rms_m < 1e-9


def test_of_strides_that_repeat_those_with_the_longest_time_together_count() -> None:
    """A walker straight ahead, ahead by 100 s: a rigid shift by whole strides fits as well, and is told."""
    person = Walker(random_build(np.random.default_rng(2)))
    time_s, joints = (
        np.arange(180) / 30,
        ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_wrist"),
    )
    xyz = walker_joints(person, time_s, joints) + np.random.default_rng(0).normal(0, 0.005, (180, 6, 3))
    theirs_s = np.arange(0.5, 5.5, 0.01)
    theirs = walker_joints(person, theirs_s, joints) @ R.T + T
    found = align(theirs_s + 100.0, theirs, time_s, xyz)
    assert found.offset_s == pytest.approx(100.0, abs=2e-3)
    strides = (np.array(found.others_s) - 100.0) / person.cycle_s
    assert len(strides) >= 2
    np.testing.assert_allclose(strides, np.round(strides), atol=0.01)
    assert found.together == 6 * 150


TRC = "PathFileType\t4\na\tUnits\n1\tmm\nFrame#\tTime\tRKnee\n\t\tX1\tY1\tZ1\n"


BROKEN = {
    "trc": [
        b"",
        b"PathFileType\n",
        TRC.encode(),
        TRC.encode() + b"1\tx\t1\t2\t3\n",
        TRC.encode() + b"1\t0\tnan\tnan\tnan\n",
        TRC.replace("Units", "Rate").encode() + b"1\t0\t1\t2\t3",
        TRC.encode() + b"1\t0\t1\t2\t3\n2\t0\t1\t2\t3\n",
        b"\xff\xfe\x00",
    ],
    "c3d": [b"", b"\x02P" + bytes(700), b"\x00" * 2000],
    "csv": [
        b"",
        b"time\n1\n",
        b"frame,a_x,a_y,a_z\n1,2,3,4\n",
        b"time,a_x,a_y\n1,2,3\n",
        b"time,a_x,a_y,a_z\n1,2,3\n",
        b"time,a_x,a_y,a_z\n",
    ],
    "bvh": [b"", b"HIERARCHY\nROOT a\n{\n", b"MOTION\n"],
}


@pytest.mark.parametrize(("kind", "content"), [(kind, one) for kind, files in BROKEN.items() for one in files])
def test_broken_files_end_in_one_sentence(kind: str, content: bytes, tmp_path: Path) -> None:
    name = f"a.{kind}"
    (tmp_path / name).write_bytes(content)
    with pytest.raises((SourceError, ConfigError)) as caught:
        read_markers(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
