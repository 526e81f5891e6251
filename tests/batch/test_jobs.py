"""Keys change with what a result depends on, and with nothing else."""

import os

import pytest

from multiview.batch import jobs as module
from multiview.batch.jobs import Options, plan_jobs
from multiview.batch.recordings import find_recordings
from multiview.commands.fusion_choices import FusionChoices
from multiview.errors import ConfigError
from tests.batches import planned, write_recordings
from tests.footage import write_video


@pytest.fixture
def batch(tmp_path):
    detector = write_recordings(tmp_path / "root", 2)
    return tmp_path / "root", detector


def keys(root, detector, **options):
    return {job.name: job.key for job in planned(root, detector, **options)}


def changed(before, after):
    assert before.keys() == after.keys()
    return sorted(name for name in before if before[name] != after[name])


OF_A0 = ["a0/poses", "a0/report"]
DETECTIONS = ["a0/2d/cam01", "a0/2d/cam02", "a1/2d/cam01", "a1/2d/cam02"]


def test_plan_jobs_names_the_stages(batch):
    root, detector = batch
    jobs = {job.name: job for job in planned(root, detector, exports=("trc", "bvh"))}
    of_a0 = [name for name in jobs if name.startswith("a0/")]
    assert of_a0 == ["a0/2d/cam01", "a0/2d/cam02", "a0/poses", "a0/export/trc", "a0/export/bvh", "a0/report"]
    assert jobs["a0/poses"].needs == ("2d/cam01", "2d/cam02")
    assert jobs["a0/export/trc"].needs == ("poses",)
    assert len({job.key for job in jobs.values()}) == len(jobs)  # also of two recordings that are the same


def test_keys_hold_where_nothing_changes(batch, tmp_path):
    root, detector = batch
    before = keys(root, detector)
    root.rename(tmp_path / "elsewhere")
    assert keys(tmp_path / "elsewhere", detector) == before


def test_keys_change_with_a_video_and_what_follows_from_it(batch):
    root, detector = batch
    before = keys(root, detector)
    video = root / "a0" / "cam02.avi"
    os.utime(video, ns=(0, 1))
    assert changed(before, keys(root, detector)) == ["a0/2d/cam02", *OF_A0]
    by_content = keys(root, detector, hash_content=True)
    os.utime(video, ns=(0, 2))
    assert keys(root, detector, hash_content=True) == by_content
    write_video(video, frames=6)
    assert changed(by_content, keys(root, detector, hash_content=True)) == ["a0/2d/cam02", *OF_A0]


def test_keys_change_with_times_beside_a_video(batch):
    root, detector = batch
    before = keys(root, detector)
    (root / "a0" / "cam01.timestamps.csv").write_text("frame,time\n0,0\n1,0.04\n")
    assert changed(before, keys(root, detector)) == ["a0/2d/cam01", *OF_A0]


def test_keys_of_2d_poses_do_not_depend_on_where_cameras_stand(batch):
    root, detector = batch
    before = keys(root, detector)
    rig = root / "rig.toml"
    rig.write_text(rig.read_text() + "\n# calibrated again\n")
    after = keys(root, detector)
    assert changed(before, after) == [*OF_A0, "a1/poses", "a1/report"]
    assert changed(after, keys(root, detector, fusion=FusionChoices(smooth=True))) == [*OF_A0, "a1/poses", "a1/report"]


def test_keys_change_with_the_detector(batch):
    root, detector = batch
    before = keys(root, detector)
    with_option = keys(root, detector, detector_options={"log": "x"})
    assert set(DETECTIONS) <= set(changed(before, with_option))
    detector.write_text(detector.read_text() + "# better now\n")
    assert set(DETECTIONS) <= set(changed(before, keys(root, detector)))


def test_keys_change_with_the_weights_of_a_network(batch, monkeypatch):
    root, _ = batch
    found = find_recordings(root).recordings
    before = {job.name: job.key for job in plan_jobs(found, Options(detector="light"))}
    weights = module.weights_of("light", {})
    assert len(weights) >= 1
    assert all(len(digest) == 64 for digest in weights)
    monkeypatch.setattr(module, "weights_of", lambda *_: ["0" * 64])
    after = {job.name: job.key for job in plan_jobs(found, Options(detector="light"))}
    assert set(DETECTIONS) <= set(changed(before, after))


def test_segments_cover_every_frame_once(batch, monkeypatch):
    root, detector = batch
    monkeypatch.setattr(module, "LEAST_BYTES_PER_S", 1)
    monkeypatch.setattr(module, "WARM_UP_S", 0.2)
    write_video(root / "a0" / "cam01.avi", frames=100, fps=25.0)  # 4 s
    jobs = planned(root, detector, segment_s=1.0)
    parts = [job for job in jobs if job.name.startswith("a0/2d/cam01")]
    assert [job.stage for job in parts] == [f"2d/cam01.part{k}of4" for k in (1, 2, 3, 4)]
    assert [(job.work.first, job.work.last, job.work.warm_up) for job in parts] == [
        (0, 25, 0),
        (25, 50, 5),
        (50, 75, 5),
        (75, 0, 5),
    ]
    assert [job.stage for job in jobs if job.name.startswith("a0/2d/cam02")] == ["2d/cam02"]  # too short to be cut
    assert next(job for job in jobs if job.name == "a0/poses").needs == (*(job.stage for job in parts), "2d/cam02")


def test_results_never_lie_in_each_other(batch):
    root, detector = batch
    (root / "a1").rename(root / "a0" / "poses")
    with pytest.raises(ConfigError, match="would lie in those of a0/poses"):
        planned(root, detector)
