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

from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import dumps, load_rig, save_rig
from multiview.data import Pose3D, Track, Tracks
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.recordings.take import begin_take, finish_take
from multiview.studio.config import Studio, SyntheticSource, studio_text
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints, pack_tracks

pytestmark = pytest.mark.slow

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
    "export {take}/poses.parquet --to parquet",
    "plot {take} --out OUT",
    "actor amy {take} --person 0 --folder OUT",
    "replay {take} --out OUT",
    "recover {take} --out OUT",
    "recover {take}",
    "info {take}",
    "label take {take} --out OUT --every 5",
    "explain --rig {take}/rig.toml --keypoints {take}/keypoints --skeleton coco17 --frame 3 --out OUT/cam01.png",
    "synthesize --cameras 3 --seconds 0.2 --out OUT",
    "calibrate convert {take}/rig.toml OUT/rig.toml",
    "calibrate convert {take}/rig.toml {take}/take.toml --to anipose",
    "calibrate board --out OUT",
    "calibrate detect --board {take}/board/board.toml --images {take}/pictures/cam01 --out {take}/take.mcap",
    "calibrate detect --board {take}/board/board.toml --videos {videos} --out {take}/videos/cam01.mp4",
]
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
        told.append([line.split("│")[1:3] for line in capsys.readouterr().out.splitlines() if line.startswith("│")])
    assert told[0] == told[1]
    assert told[0]
    assert main(["explain", str(live), "--frame", "9999"]) == 2
    assert "no frame 9999: there are 0 to" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[:3]))
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
