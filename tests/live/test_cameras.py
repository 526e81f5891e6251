"""Videos looked at live, in real processes: every tick comes out, and a camera that breaks off stops nobody."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from multiview.cameras.rig_file import save_rig
from multiview.errors import ConfigError, SourceError
from multiview.fusion.pipeline import Pipeline
from multiview.sources import Paced, video
from multiview.studio.config import CameraOptions, CameraSource, RecorderOptions, Studio, WorkerOptions
from multiview.studio.studio_file import load_studio, write_studio
from multiview.studio.take_studio import recorded_poses
from multiview.synthetic import StudioOptions, make_studio
from services.supervise.launch import Launch, LaunchError
from tests.processes import FREE

SIMULATED = {"cameras": 3, "people": 2, "seconds": 1.0, "fps": 25.0, "size": [640, 360], "skeleton": "coco17"}


def write_video(path: Path, size: tuple[int, int], frames: int = 25) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), 8 * i, np.uint8))
    writer.release()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = make_studio(StudioOptions(**{**SIMULATED, "size": (640, 360)}))  # type: ignore[arg-type]
    save_rig(made.rig, tmp_path / "rig.toml")
    for camera in made.rig.cameras:
        write_video(tmp_path / f"{camera.name}.avi", camera.size)
    return Studio(
        rig=str(tmp_path / "rig.toml"),
        skeleton="coco17",
        source=CameraSource(
            address=str(tmp_path / "{camera}.avi"), detector="synthetic", options={"studio": SIMULATED}, speed=0.0
        ),
        hub=FREE,
        recorder=RecorderOptions(directory=str(tmp_path)),
    )


def test_videos_live_are_what_their_detector_says(studio: Studio, tmp_path: Path) -> None:
    with Launch(studio, take="videos", viewer=False) as launch:
        launch.start()
        assert launch.studio.sync.rate_hz == 25.0
        assert launch.wait(timeout_s=120.0)
    assert launch.take is not None
    live = list(recorded_poses(launch.take.records()))
    assert [message.tick for message in live] == list(range(25))
    made = make_studio(StudioOptions(**{**SIMULATED, "size": (640, 360)}))  # type: ignore[arg-type]
    pipeline = Pipeline(made.rig, made.skeleton)
    pipeline.warm_up()
    people = [len(pipeline.step(made.views(tick)).tracks) for tick in range(25)]
    assert [len(message.people) for message in live] == people


def test_cameras_that_share_a_worker(studio: Studio, tmp_path: Path) -> None:
    """Two in one process, asked to look where fusion expects people, which this detector cannot: it says so."""
    assert isinstance(studio.source, CameraSource)
    source = msgspec.structs.replace(studio.source, regions=True)
    workers = [WorkerOptions(cameras=["cam03", "cam01"])]
    studio = msgspec.structs.replace(studio, source=source, workers=workers)
    write_studio(studio, tmp_path / "studio.toml")
    assert load_studio(tmp_path / "studio.toml").workers == workers
    with Launch(studio, take="shared", viewer=False, logs=tmp_path / "logs") as launch:
        launch.start()
        assert {name for name in launch.states() if "worker" in name} == {"worker cam03,cam01", "worker cam02"}
        assert launch.wait(timeout_s=120.0)
    assert launch.take is not None
    live = list(recorded_poses(launch.take.records()))
    assert [message.tick for message in live] == list(range(25))
    assert all(not message.missing for message in live)
    topics = [record.topic for record in launch.take.records()]
    assert "regions" in topics
    assert "does not support regions" in (tmp_path / "logs" / "worker-cam02.log").read_text()


@pytest.mark.parametrize(
    ("cameras", "complaint"),
    [
        (["cam01", "cam09"], "has no camera cam09"),
        (["cam01", "cam01"], "cam01 is named twice"),
        (["cam01", "cam02"], "cam02 has another detector than cam01"),
    ],
)
def test_workers_that_cannot_be(studio: Studio, tmp_path: Path, cameras: list[str], complaint: str) -> None:
    own = CameraOptions(source=CameraSource(address="0", detector="blazepose"))
    studio = msgspec.structs.replace(studio, cameras={"cam02": own}, workers=[WorkerOptions(cameras=cameras)])
    write_studio(studio, tmp_path / "studio.toml")
    with pytest.raises(ConfigError, match=complaint):
        load_studio(tmp_path / "studio.toml")


def test_a_camera_that_breaks_off_stops_nobody(studio: Studio, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from multiview.errors import SourceError\n"
        "from multiview.sources.video import Source as Video\n"
        "class Source(Video):\n"
        f"    def __init__(self, name):\n        super().__init__({str(tmp_path / 'cam01.avi')!r}, name)\n"
        "    def read(self):\n"
        "        frame = super().read()\n"
        "        if frame is not None and frame.index == 5:\n"
        "            raise SourceError('the cable was pulled')\n"
        "        return frame\n"
    )
    assert isinstance(studio.source, CameraSource)
    own = CameraSource(address=str(broken), detector="synthetic", options=studio.source.options, speed=0.0)
    cameras = {"cam01": CameraOptions(source=own)}
    studio = Studio(**{f: getattr(studio, f) for f in studio.__struct_fields__} | {"cameras": cameras})
    with Launch(studio, take="broken", viewer=False, logs=tmp_path / "logs") as launch:
        launch.start()
        assert launch.wait(timeout_s=120.0)
    assert launch.take is not None
    live = list(recorded_poses(launch.take.records()))
    assert [message.tick for message in live] == list(range(25))
    assert live[-1].missing == ["cam01"]
    assert "the cable was pulled" in (tmp_path / "logs" / "worker-cam01.log").read_text()


def test_another_skeleton_is_said_at_the_start(studio: Studio) -> None:
    wrong = Studio(**{f: getattr(studio, f) for f in studio.__struct_fields__} | {"skeleton": "body25"})
    with Launch(wrong, viewer=False) as launch, pytest.raises(LaunchError, match='set skeleton = "coco17"'):
        launch.start()


def test_a_file_played_as_a_camera_loops_in_time(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", (64, 48), frames=4)
    again = lambda: video.Source(tmp_path / "a.avi")
    began = time.monotonic_ns()
    paced = Paced(again(), began, speed=4.0, open_again=again)
    frames = [frame for _ in range(10) if (frame := paced.read())]
    assert (time.monotonic_ns() - began) * 4.0 >= frames[-1].time_ns
    assert frames[0].index == 0
    assert frames[-1].index == 9 + paced.dropped
    assert [f.time_ns for f in frames] == [40_000_000 * f.index for f in frames]
    assert paced.skip()
    assert (last := paced.read()) is not None
    assert last.index == frames[-1].index + 2 + paced.dropped - (frames[-1].index - 9)
    paced.close()
    with pytest.raises(SourceError):
        video.Source(tmp_path / "absent.avi")


def test_what_was_due_long_ago_is_passed_over_and_counted(tmp_path: Path) -> None:
    """A worker that joins a second late is with the others at once, in the loop that they are in."""
    write_video(tmp_path / "a.avi", (64, 48), frames=10)
    again = lambda: video.Source(tmp_path / "a.avi")
    paced = Paced(again(), time.monotonic_ns() - 1_000_000_000, open_again=again)
    frames = [frame for _ in range(12) if (frame := paced.read())]
    assert frames[-1].index >= 25
    assert paced.dropped + len(frames) == frames[-1].index + 1
    assert [f.time_ns for f in frames] == [40_000_000 * f.index for f in frames]
    paced.close()
