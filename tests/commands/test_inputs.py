"""Every command that writes, told to write where recordings and its own inputs lie: none of them changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.cli import COMMANDS as CALIBRATE
from multiview.__main__ import COMMANDS as TOP
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import dumps, load_rig, save_rig
from multiview.data import Pose3D, Track, Tracks
from multiview.export import exporter_names
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.recordings.take import begin_take, finish_take
from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.studio_file import studio_text
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints, pack_tracks

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
OPTIONS = {
    "cameras": 3, "people": 1, "seconds": 1.5, "fps": 20.0, "seed": 4, "skeleton": "coco17", "size": [320, 240],
}  # fmt: skip
STUDIO = "studio={ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in OPTIONS.items()) + " }"
PROCESS = f"--detector synthetic --option {STUDIO.replace(' ', '_')}"

# {take} is everything that was recorded, OUT where the command is told to write.
COMMANDS = [
    "draw --rig {take}/rig.toml --poses {take} --videos {videos} --out OUT",
    "draw --rig {take}/rig.toml --poses {take} --videos {videos} --out OUT --frames 3",
    "fuse --rig {take}/rig.toml --keypoints {take}/keypoints --skeleton coco17 --fps 20 --refine-cameras --out OUT",
    f"process --rig {{take}}/rig.toml --videos {{videos}} {PROCESS} --save-keypoints --out OUT",
    "time-offsets {take} --write --out OUT",
    "time-offsets --rig {take}/rig.toml --keypoints {take}/keypoints --skeleton coco17 --fps 20 --write --out OUT",
    "export {take} --to csv --out OUT",
    "export {take} --to parquet --out OUT",
    *(f"export {{take}}/poses.parquet --to {name}" for name in exporter_names()),  # beside it
    "evaluate --truth {take}/poses.parquet --poses {take} --out OUT",
    "report {take}/poses.parquet --out {take}/take.mcap",
    "edit {take} trim --from 0.2 --to 1",
    "edit {take} fuse",
    "edit {take} refine-cameras",
    "viewer {take} --snapshot {take}/take.mcap",
    "batch {take} --out OUT --dry-run",
    "new OUT",
    "keys {take}/studio.toml --out OUT",
    "plot {take} --out OUT",
    "actor amy {take} --person 0 --folder OUT",
    "replay {take} --out OUT",
    "recover {take} --out OUT",
    "recover {take}",
    "info {take}",
    "label take {take} --out OUT --every 5",
    "explain --rig {take}/rig.toml --keypoints {take}/keypoints --skeleton coco17 --frame 3 --out OUT/cam01.png",
    "lift --rig {take}/rig.toml --keypoints {take}/keypoints --skeleton coco17 --camera cam01 --out OUT",
    "synthesize --cameras 3 --seconds 0.2 --out OUT",
    "calibrate convert {take}/rig.toml OUT/rig.toml",
    "calibrate convert {take}/rig.toml {take}/take.toml --to anipose",
    "calibrate board --out OUT",
    "calibrate detect --board {take}/board/board.toml --images {take}/pictures/cam01 --out {take}/take.mcap",
    "calibrate detect --board {take}/board/board.toml --videos {videos} --out {take}/videos/cam01.mp4",
    "calibrate solve --corners {take}/corners.parquet --board {take}/board/board.toml --out OUT",
    "calibrate check --rig {take}/rig.toml --board {take}/board/board.toml --videos {videos}",
    "calibrate people {take} --lenses {take}/rig.toml --out {take}",
    "train {take}/recipe.toml --out OUT",
    "evaluate2d --annotations {take}/people.json --images {take}/pictures --out OUT",
    "deploy {take}/best.pt --out OUT",
]
# What runs until it is told to end, or reads nothing of a user's: the test that keeps what it leaves behind.
ELSEWHERE = {
    "demo": "tests/services/demo/test_demo.py::test_demo_leaves_a_take_with_poses_pictures_and_honest_figures",
    "doctor": "tests/live/test_capture.py::test_doctor_names_what_is_wrong",
    "capture": "tests/live/test_capture.py::test_cameras_that_lose_frames_and_jitter_are_captured_with_true_times",
    "studio": "tests/services/dashboard/test_control.py::test_names_lead_to_no_other_folder",
    "run": "tests/live/test_run.py::test_run_on_ctrl_c_leaves_nothing_behind_and_finishes_the_take",
    "status": "tests/services/supervise/test_status.py::test_status_shows_what_is_not_recorded",
    "bridge": "tests/services/dashboard/test_bridges.py::test_page_names_no_file",
    "metrics": "tests/services/supervise/test_metrics.py::test_every_figure_is_served",
    "models": "tests/commands/test_models.py::test_wrong_or_absent_is_one_line_and_nothing_in_place",
    "hub": "tests/live/test_attacks.py::test_studio_under_attack_with_a_listeners_key_goes_on",
    "worker": "tests/live/test_run.py::test_launch_restarts_dead_processes",
    "fusion": "tests/live/test_run.py::test_client_outlives_a_killed_fusion",
    "record": "tests/services/nodes/test_take_writer.py::test_full_disk_loses_nothing_that_memory_can_hold",
    "compile": "tests/commands/test_compile.py::test_compile_covers_a_first_studio",
    "calibrate watch": "tests/services/capture/test_coverage.py::test_the_board_is_found_in_pictures_on_standard_input",
}
PLACES = ["{take}", "{take}/videos", "{take}/pictures/cam01", "{take}/board"]


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished take with all that a take may have, and pictures, keypoints and a board beside."""
    simulated = make_studio(StudioOptions(**(OPTIONS | {"size": (320, 240)})))
    truth = simulated.truth
    ticks = [
        Tracks(frame, round(frame * 5e7), tuple(Track(0, pose(xyz)) for xyz in truth.xyz[truth.frame == frame]))
        for frame in range(simulated.frames)
    ]
    text = studio_text(Studio(skeleton="coco17", source=SyntheticSource(options=OPTIONS)))
    begun = begin_take(tmp_path_factory.mktemp("takes"), "walk", datetime.now(UTC), dumps(simulated.rig), text)
    writer, count = RecordingWriter(begun.next_recording()), 0
    for frame, tick in enumerate(ticks):
        for c, name in enumerate(simulated.rig.names):
            header = {"camera": name, "boot_id": 1, "frame": frame, "time_ns": tick.time_ns, "clock": "epoch"}
            header["calibration"] = simulated.rig.calibration_hash
            body = encode(pack_keypoints(simulated.keypoints(c, frame), skeleton="coco17", **header))
            writer.write(Record(f"keypoints/{name}", Stamp(count, frame, tick.time_ns), body))
            count += 1
        poses = pack_tracks(tick, 17, cameras=list(simulated.rig.names), missing=[], skeleton="coco17")
        writer.write(Record("poses", Stamp(count, frame, tick.time_ns), encode(poses)))
        count += 1
    writer.close()
    folder = finish_take(begun).folder
    write_poses(Poses.from_tracks(ticks, simulated.skeleton), folder / "poses.parquet")
    for c, camera in enumerate(simulated.rig.cameras):
        video(folder / "videos" / f"{camera.name}.mp4", camera.size, simulated.frames)
        for frame in range(simulated.frames):
            path = folder / "keypoints" / camera.name / f"{camera.name}_{frame:06d}_keypoints.json"
            write_keypoints(simulated.keypoints(c, frame), path)
    pictures = folder / "pictures" / "cam01"
    pictures.mkdir(parents=True)
    cv2.imwrite(str(pictures / "0001.png"), np.full((240, 320, 3), 90, np.uint8))
    assert main(["calibrate", "board", "--out", str(folder / "board")]) == 0
    return folder


def pose(xyz: np.ndarray) -> Pose3D:
    joints = len(xyz)
    cov = np.tile(np.eye(3) * 1e-4, (joints, 1, 1))
    return Pose3D(xyz, cov, np.ones(joints), np.full(joints, 3), np.zeros(joints, dtype=bool))


def video(path: Path, size: tuple[int, int], frames: int) -> None:
    path.parent.mkdir(exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, size)
    for _ in range(frames):
        writer.write(np.full((size[1], size[0], 3), 90, np.uint8))
    writer.release()
    rows = "".join(f"{frame},{frame / 20:.3f}\n" for frame in range(frames))
    path.with_suffix(".timestamps.csv").write_text("frame,time\n" + rows)


def hashes(folder: Path) -> dict[str, str]:
    """Of everything but what fusion computes from the rest, which a command may compute anew."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "poses.parquet")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_explain_says_the_same_of_a_recording_as_of_its_keypoint_files(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Path(shutil.copytree(take, tmp_path / "walk", ignore=shutil.ignore_patterns("keypoints", "videos")))
    told = []
    for folder in (take, live):
        assert main(["explain", str(folder), "--frame", "3", "--out", str(tmp_path / "why.png")]) == 0
        rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
        told.append([(row[1], row[5]) for row in rows])  # detections and verdict; people are those of the poses
    assert told[0] == told[1]
    assert told[0]
    assert main(["explain", str(live), "--frame", "9999"]) == 2
    assert "no frame 9999: there are 0 to" in capsys.readouterr().err


def test_matrix_has_every_command() -> None:
    """A new one must be tried here, or say where what it leaves behind is tried."""
    lines = [command.split() for command in COMMANDS]
    tried = {" ".join(words[: 1 + (words[0] == "calibrate")]) for words in lines}
    known = {*TOP, *(f"calibrate {name}" for name in CALIBRATE)} - {"calibrate"}
    assert tried | ELSEWHERE.keys() == known
    assert not tried & ELSEWHERE.keys()
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[:5]))
def test_no_command_changes_what_it_reads_or_what_was_recorded(
    take: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path / "actors"))
    for place in PLACES if "OUT" in command else PLACES[:1]:
        copy = tmp_path / "walk"
        shutil.copytree(take, copy)
        monkeypatch.chdir(tmp_path)
        before = hashes(copy)
        videos = [str(path) for path in sorted((copy / "videos").glob("*.mp4"))]
        words = []
        for word in command.replace("OUT", place).replace("{take}", str(copy)).split():
            option = word.replace("_=_", " = ").replace("{_", "{ ").replace("_}", " }").replace(",_", ", ")
            words += videos if word == "{videos}" else [option]
        assert main(words) in (0, 1, 2), words
        after = hashes(copy)
        assert {name: after.get(name) for name in before} == before, words
        shutil.rmtree(copy)


def test_recording_is_fused_with_a_corrected_rig_beside_it(take: Path, tmp_path: Path) -> None:
    rig = load_rig(take / "rig.toml")
    cameras = (replace(rig.cameras[0], time_offset_s=0.001), *rig.cameras[1:])
    save_rig(Rig(cameras, rig.world), tmp_path / "rig.refined.toml")
    words = ["replay", str(take), "--out", str(tmp_path)]
    assert main([*words, "--rig", str(tmp_path / "rig.refined.toml")]) == 0
    assert len(read_poses(tmp_path)) > 0.8 * len(read_poses(take))
