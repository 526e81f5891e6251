"""A take that is recorded while a studio runs has the cameras' videos where that is asked for."""

from __future__ import annotations

import signal
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from multiview.cameras.rig_file import load_rig, save_rig
from multiview.editing.take_poses import take_poses, take_rig, take_start_ns
from multiview.recordings.take import Take
from multiview.studio.config import CameraSource, RecorderOptions, Studio
from multiview.studio.studio_file import load_studio, write_studio
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.topics import POSES
from services.dashboard.take_videos import take_videos
from services.transport.bus import Subscriber, decoded
from tests.processes import Processes, free_hub, until

SIMULATED = {"cameras": 3, "people": 2, "seconds": 1.0, "fps": 25.0, "size": [640, 360], "skeleton": "coco17"}
ENDLESS = {**SIMULATED, "seconds": 120.0}  # its people go on where the videos begin again
FPS, FRAMES, STEP = 25, 25, 10  # each frame is brighter by STEP than the one before


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = make_studio(StudioOptions(**{**SIMULATED, "size": (640, 360)}))  # type: ignore[arg-type]
    save_rig(made.rig, tmp_path / "rig.toml")
    for camera in made.rig.cameras:
        writer = cv2.VideoWriter(str(tmp_path / f"{camera.name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 360))
        for i in range(FRAMES):
            writer.write(np.full((360, 640, 3), STEP * i, np.uint8))
        writer.release()
    studio = Studio(
        rig=str(tmp_path / "rig.toml"),
        skeleton="coco17",
        source=CameraSource(
            address=str(tmp_path / "{camera}.avi"), detector="synthetic", options={"studio": ENDLESS}, loop=True
        ),
        hub=free_hub(),
        recorder=RecorderOptions(directory=str(tmp_path / "takes")),
    )
    write_studio(msgspec.structs.replace(studio, name="stage"), tmp_path / "studio.toml")
    return tmp_path / "studio.toml"


def rows(csv: Path) -> int:
    return csv.read_text().count("\n") - 1 if csv.exists() else 0


def test_take_recorded_live_has_the_videos_of_its_time(file: Path, processes: Processes) -> None:
    processes.start("run", file, "--no-viewer", "--no-recording")
    subscriber = Subscriber(load_studio(file).hub, [POSES])
    until(lambda: any(getattr(message, "people", ()) for message in decoded(subscriber.drain())))
    subscriber.close()
    recorder = processes.start("record", file, "--take=filmed", "--video")
    cameras = load_rig(file.parent / "rig.toml").names
    partial = file.parent / "takes" / "filmed.partial" / "videos"
    until(lambda: all(rows(partial / f"{name}.timestamps.csv") > FRAMES for name in cameras))
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(120.0) == 0, processes.words("record")
    take = Take(file.parent / "takes" / "filmed")
    poses, _ = take_poses(take.folder)
    start_ns = take_start_ns(take.folder, poses)
    for camera in load_rig(take_rig(take.folder)).cameras:
        (video,) = take_videos(take, camera, poses, start_ns)
        assert video.begins_s < (poses.time_ns.max() - start_ns) / 1e9
        capture, shades = cv2.VideoCapture(str(video.path)), list[float]()
        while (read := capture.read())[0]:
            shades.append(float(read[1].mean()))
        capture.release()
        lines = (take.videos / f"{camera.name}.timestamps.csv").read_text().splitlines()[1:]
        numbers = [round(float(line.partition(",")[2]) * FPS) % FRAMES for line in lines]
        assert len(shades) == len(numbers) > FRAMES
        np.testing.assert_allclose(shades, STEP * np.array(numbers), atol=0.49 * STEP)  # each has its own time

    recorder = processes.start("record", file, "--take=plain")
    until(lambda: any((file.parent / "takes" / "plain.partial").glob("*.mcap")))
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(120.0) == 0, processes.words("record")
    assert not (file.parent / "takes" / "plain" / "videos").exists()
