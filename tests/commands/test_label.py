"""A take labels its own videos: fused anew with the whole take's knowledge, most joints, within two pixels."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.commands.label import fuse_take
from multiview.learn.label import LabelCriteria, label_view, sigma_for_rms
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, finish_take
from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints

OPTIONS = {"cameras": 5, "people": 2, "seconds": 3.0, "fps": 20.0, "seed": 4, "skeleton": "coco17"}


@pytest.fixture(scope="module")
def simulated():
    return make_studio(StudioOptions(**OPTIONS))


@pytest.fixture(scope="module")
def take(simulated, tmp_path_factory) -> Take:
    folder = tmp_path_factory.mktemp("takes")
    save_rig(simulated.rig, folder / "rig.toml")
    write_studio(
        Studio(rig="rig.toml", skeleton="coco17", source=SyntheticSource(options=OPTIONS)), folder / "studio.toml"
    )
    rig, studio = (folder / "rig.toml").read_text(), (folder / "studio.toml").read_text()
    take = begin_take(folder, "walk", datetime.now(UTC), rig, studio)
    writer, count = RecordingWriter(take.next_recording()), 0
    for frame in range(simulated.frames):
        time_ns = simulated.views(frame).time_ns
        for c, name in enumerate(simulated.rig.names):
            header = {"camera": name, "boot_id": 1, "frame": frame, "time_ns": time_ns, "clock": "epoch"}
            body = encode(pack_keypoints(simulated.keypoints(c, frame), skeleton="coco17", **header))
            writer.write(Record(f"keypoints/{name}", Stamp(count, frame, time_ns), body))
            count += 1
    writer.close()
    return finish_take(take)


@pytest.mark.slow
def test_most_joints_of_a_take_is_labelled_within_two_pixels(simulated, take):
    rig = simulated.rig
    poses, seen = fuse_take(take, rig)
    criteria = LabelCriteria(sigma_px=sigma_for_rms(rig, poses, 1.9))
    errors, asked = [], 0
    time_ns = {simulated.views(f).time_ns: f for f in range(simulated.frames)}
    for tick in np.unique(poses.frame)[::7]:
        rows = np.flatnonzero(poses.frame == tick)
        frame = time_ns[int(poses.time_ns[rows[0]])]
        truth = simulated.truth.xyz[simulated.truth.frame == frame]
        who = [int(np.nanmean(np.linalg.norm(xyz - truth, axis=-1), axis=1).argmin()) for xyz in poses.xyz[rows]]
        views = np.stack([found(simulated, c, frame, len(truth)) for c in range(len(rig))])
        for c, camera in enumerate(rig.cameras):
            labels = label_view(camera, poses, rows, seen(c, int(tick)), criteria)
            place = camera.project(truth)
            inside = ((place > 0) & (place < np.array(camera.size) - 1)).all(-1)
            two_others = inside & (views.sum(0) - views[c] >= 2)
            asked += int(two_others[who].sum())
            for person, xy, flags in zip(labels.person, labels.xy, labels.visibility, strict=True):
                actor = who[int(np.flatnonzero(poses.person[rows] == person)[0])]
                errors.append(np.linalg.norm(xy - place[actor], axis=-1)[(flags > 0) & two_others[actor]])
    error = np.concatenate(errors)
    assert len(error) > 0.65 * asked
    assert np.sqrt((error**2).mean()) < 2.0


def found(studio, camera: int, frame: int, people: int) -> np.ndarray:
    """(people, J) 1 where this camera's keypoints hold the actor's joint."""
    held = np.zeros((people, len(studio.skeleton.joints)), int)
    for actor, score in zip(studio.labels(camera, frame).actor, studio.keypoints(camera, frame).score, strict=True):
        if actor >= 0:
            held[actor] |= score > 0
    return held


def test_a_take_without_videos_is_told_what_is_missing(take, tmp_path, capsys):
    assert main(["label", "take", str(take.folder), "--out", str(tmp_path / "set")]) == 2
    assert "videos/" in capsys.readouterr().err
