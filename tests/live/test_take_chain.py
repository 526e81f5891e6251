"""A take captured from four cameras is what every other command reads, without renaming anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from calib.board.board import Board
from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.sources.video import Source
from multiview.synthetic import StudioOptions, make_studio

FPS, FRAMES, SIZE = 20.0, 30, (320, 240)
SIMULATED = "{cameras = 4, people = 2, seconds = 1.5, fps = 20.0, size = [320, 240], person_px = 100.0}"
BOARD = Board((6, 5), 0.1, 0.075, "DICT_4X4_100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of a board that is moved about, and a studio file that takes them for cameras."""
    folder = tmp_path_factory.mktemp("studio")
    rig = make_studio(StudioOptions(cameras=4, people=2, seconds=1.5, fps=FPS, size=SIZE, person_px=100.0)).rig
    save_rig(rig, folder / "rig.toml")
    (folder / "board.toml").write_text(
        'squares = [6, 5]\nsquare_length = 0.1\nmarker_length = 0.075\ndictionary = "DICT_4X4_100"\n'
    )
    lines = ['skeleton = "coco17"', 'rig = "rig.toml"']
    for number, name in enumerate(rig.names):
        writer = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
        for i in range(FRAMES):
            picture = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
            x, y = 10 + 3 * i + 5 * number, 10 + i
            board = BOARD.picture(32)
            picture[y : y + board.shape[0], x : x + board.shape[1]] = board[..., None]
            writer.write(picture)
        writer.release()
        lines += [f"[cameras.{name}.source]", 'type = "camera"', f'address = "{name}.avi"', 'detector = "synthetic"']
        lines += [f"options = {{studio = {SIMULATED}}}"]
    lines += ["[hub]", "ingest_port = 0", "publish_port = 0", "request_port = 0"]
    (folder / "studio.toml").write_text("\n".join(lines) + "\n")
    return folder


def capture(folder: Path, take: str, *more: str) -> str:
    """As a user starts it."""
    command = [sys.executable, "-m", "multiview", "capture", str(folder / "studio.toml"), "--take", take, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def processed(folder: Path, take: Path) -> list[str]:
    """The take's videos through `process`; the cameras whose 2D poses it used."""
    videos = sorted(map(str, (take / "videos").glob("*.mp4")))
    words = ["--detector", "synthetic", "--option", f"studio={SIMULATED}", "--out", str(take)]
    assert main(["process", "--rig", str(take / "rig.toml"), "--videos", *videos, *words]) == 0
    assert len(pq.read_table(take / "poses.parquet")) > 0
    return [Path(video).stem for video in videos]


def test_a_board_that_was_captured_is_found_again(folder: Path) -> None:
    said = capture(folder, "board", "--seconds", "2", "--board", str(folder / "board.toml"))
    assert "calibrate detect" in said
    assert "cam04" in said
    take = folder / "takes" / "board"
    videos = sorted(map(str, (take / "videos").glob("*.mp4")))
    words = ["--board", str(folder / "board.toml"), "--videos", *videos, "--out", str(folder / "corners.parquet")]
    assert main(["calibrate", "detect", *words]) == 0
    corners = pq.read_table(folder / "corners.parquet").to_pydict()
    assert set(corners["camera"]) == {"cam01", "cam02", "cam03", "cam04"}
    assert processed(folder, take) == ["cam01", "cam02", "cam03", "cam04"]


def test_poses_and_video_are_captured_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture(folder, "both", "--poses", "--no-viewer", "--seconds", "30")
    take = folder / "takes" / "both"
    for name in ("cam01", "cam02", "cam03", "cam04"):
        source, times = Source(take / "videos" / f"{name}.mp4"), []
        while (frame := source.read()) is not None:
            times.append(frame.time_ns)
        source.close()
        assert len(times) >= FRAMES // 2
        steps = np.diff(times) * FPS / 1e9
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert main(["replay", str(take), "--check"]) == 0
    assert "0 differ" in capsys.readouterr().out
    assert processed(folder, take) == ["cam01", "cam02", "cam03", "cam04"]


def test_poses_need_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "studio.toml").write_text('skeleton = "coco17"\n[source]\ntype = "synthetic"\n')
    assert main(["capture", str(tmp_path / "studio.toml"), "--poses"]) == 2
    assert "video needs cameras" in capsys.readouterr().err
    assert main(["capture", str(tmp_path / "studio.toml"), "--poses", "--preview"]) == 2
