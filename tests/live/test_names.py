"""Cameras, a take and a person are called as users call them, in any script, through a whole studio and after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.common.names import file_name
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.recordings.take import Take, open_take
from multiview.studio.config import KeypointsSource, RecorderOptions, Studio
from multiview.studio.rerun import compare, rerun_fusion
from multiview.studio.take_studio import recorded_poses
from multiview.synthetic import StudioOptions, make_studio
from services.supervise.launch import Launch
from services.supervise.metrics import MetricsCollector
from services.supervise.status import StatusTable
from services.supervise.watcher import Watcher
from services.transport.bus import Received
from tests.processes import FREE

CAMERAS = ("cam 1", "Kamera-ä", "相机1", 'a"b')
TAKE, PERSON = 'Probe "ä" 相机', "Zoë 王"


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Take:
    """Two seconds of recorded keypoints, played through a studio of real processes."""
    folder = tmp_path_factory.mktemp("studio")
    simulated = make_studio(StudioOptions(cameras=4, people=1, seconds=2.0, fps=25.0))
    named = zip(simulated.rig.cameras, CAMERAS, strict=True)
    save_rig(Rig(tuple(replace(camera, name=name) for camera, name in named)), folder / "rig.toml")
    for camera, name in enumerate(CAMERAS):
        place = folder / "keypoints" / (name if camera % 2 else file_name(name))
        place.mkdir(parents=True)
        for frame in range(simulated.frames):
            seen = simulated.keypoints(camera, frame)
            if seen is not None:
                write_keypoints(seen, place / f"{frame:06d}.json")
    studio = Studio(
        name="Studio 東京",
        rig=str(folder / "rig.toml"),
        skeleton="coco17",
        source=KeypointsSource(directory=str(folder / "keypoints"), fps=25.0),
        hub=FREE,
        recorder=RecorderOptions(directory=str(folder)),
    )
    with Launch(studio, take=TAKE, viewer=False) as launch:
        launch.start()
        with StatusTable(launch.studio.hub, launch.rig.names, live=False) as table:
            assert launch.wait(table.update, timeout_s=120.0)
            table.print()
    return open_take(folder / file_name(TAKE))


def test_every_camera_is_heard_and_the_take_replays(take: Take) -> None:
    assert take.folder.name == file_name(TAKE)
    assert take.info.name == TAKE
    assert load_rig(take.rig).names == CAMERAS
    live = list(recorded_poses(take.records()))
    assert set().union(*(message.cameras for message in live)) == set(CAMERAS)
    assert any(message.people for message in live)
    fused = list(rerun_fusion(take))
    assert compare(fused, live) == (len(live), 0, 0)


def test_status_and_metrics_name_every_camera(take: Take) -> None:
    watcher = Watcher(load_rig(take.rig).names)
    for record in take.records():
        watcher.take(Received(record.topic, record.stamp, record.body))
    assert set(watcher.cameras) == set(CAMERAS)
    labels = {
        sample.labels["camera"]
        for metric in MetricsCollector(watcher).collect()
        for sample in metric.samples
        if "camera" in sample.labels
    }
    assert labels == set(CAMERAS)


def test_person_is_named_and_exported(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path / "actors"))
    assert main(["replay", str(take.folder), "--out", str(tmp_path / "poses")]) == 0
    person = int(read_poses(tmp_path / "poses").people[0])
    assert main(["actor", PERSON, str(tmp_path / "poses"), "--person", str(person)]) == 0
    assert f"person {person} is {PERSON}" in capsys.readouterr().out
    assert main(["actor"]) == 0
    assert PERSON in capsys.readouterr().out
    for kind in ("csv", "json", "trc", "bvh", "gltf", "c3d", "npz"):
        assert main(["export", str(tmp_path / "poses"), "--to", kind, "--out", str(tmp_path / kind)]) == 0
        assert list((tmp_path / kind).iterdir())
    assert main(["info", str(take.folder)]) == 0
