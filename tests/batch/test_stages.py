"""The results of a batch are those of `fuse` and `process`, to the bit; segments change nothing that matters."""

import html
import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.batch.camera_poses import join, read_camera_poses, write_camera_poses
from multiview.batch.jobs import Options, plan_jobs
from multiview.batch.recordings import find_recordings
from multiview.batch.results import job_folder
from multiview.batch.summary import summarise, write_summary
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.commands.fusion_choices import FusionChoices
from multiview.common.names import file_name
from multiview.data import Keypoints2D
from multiview.errors import SourceError
from multiview.recordings.pose_table import read_poses
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.folder import write_studio
from services.batch.driver import Driver
from tests.batches import Here, detections, planned, results_folder, write_recordings
from tests.editing.recorded import record
from tests.footage import write_video

STUDIO = {"cameras": 3, "people": 2, "seconds": 0.4, "fps": 25.0, "size": (1280, 720)}


def assert_same_poses(one, other, somebody=True):
    one, other = read_poses(one / "poses.parquet"), read_poses(other / "poses.parquet")
    assert bool(len(one)) == somebody
    for name in ("frame", "time_ns", "person", "xyz", "score", "filled"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def run(jobs, out):
    driver = Driver(jobs, out)
    driver.run(Here(), lambda progress: None)
    assert driver.failures() == {}
    return driver


@pytest.mark.parametrize(
    ("choices", "options", "people"),
    [
        (FusionChoices(), [], 2),
        (FusionChoices(max_people=1, contacts=False, smooth=True), ["--max-people", 1, "--no-contacts", "--smooth"], 1),
        (FusionChoices(box=(5.0, 5.0, 0.0, 6.0, 6.0, 1.0)), ["--volume", 5, 5, 0, 6, 6, 1], 0),
    ],
)
def test_batch_of_keypoints_is_fuse(tmp_path, choices, options, people):
    studio = make_studio(StudioOptions(**STUDIO))
    write_studio(studio, tmp_path / "root" / "k", lambda frames: None)
    jobs = planned(tmp_path / "root", "synthetic", skeleton="coco17", fusion=choices)
    jobs = [job for job in jobs if job.stage == "poses"]
    driver = run(jobs, results_folder(tmp_path / "out"))
    where = tmp_path / "root" / "k"
    words = ["--rig", where / "rig.toml", "--keypoints", where / "keypoints", "--skeleton", "coco17"]
    assert main(["fuse", *map(str, [*words, *options]), "--out", str(tmp_path / "fused")]) == 0
    assert_same_poses(tmp_path / "out" / "k" / "keypoints" / "poses", tmp_path / "fused", people > 0)
    (outcome,) = driver.progress.outcomes.values()
    assert outcome.figures["people"] == people
    assert 0.5 * (people > 0) <= outcome.figures["coverage"] <= 1.0
    assert outcome.figures["reprojection_px"] < 30.0
    assert (outcome.figures["reprojection_px"] > 0.0) == (people > 0)


def test_batch_takes_names_in_any_script(tmp_path):
    """Of recordings and cameras, into folders of results and the page that links them."""
    studio = make_studio(StudioOptions(**STUDIO))
    names, where = ("Kamera-ä", "相机 1", 'a"b'), tmp_path / "root" / 'Probe "ä" 50% #1'
    write_studio(studio, where, lambda frames: None)
    for camera, name in zip(studio.rig.cameras, names, strict=True):
        (where / "keypoints" / camera.name).rename(where / "keypoints" / file_name(name))
    save_rig(Rig(tuple(replace(c, name=n) for c, n in zip(studio.rig.cameras, names, strict=True))), where / "rig.toml")
    found = find_recordings(tmp_path / "root")
    jobs = plan_jobs(found.recordings, Options(skeleton="coco17", exports=("csv",), report=False))
    driver = run(jobs, results_folder(tmp_path / "out"))
    poses = driver.progress.outcomes[next(job.name for job in jobs if job.stage == "poses")]
    assert poses.figures["people"] == 2
    page = write_summary(summarise(tmp_path / "root", *found, jobs, driver.progress.outcomes), tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert html.escape(where.name) in text
    links = [unquote(link) for link in re.findall('href="([^"]+)"', text)]
    assert links
    assert all((page.parent / link).exists() for link in links)


def test_batch_of_videos_is_process(tmp_path):
    studio = make_studio(StudioOptions(**STUDIO))
    root = tmp_path / "root" / "v"
    root.mkdir(parents=True)
    save_rig(studio.rig, root / "rig.toml")
    for camera in studio.rig.cameras:
        write_video(root / f"{camera.name}.avi", size=camera.size)
    jobs = planned(tmp_path / "root", "synthetic", detector_options={"studio": STUDIO}, exports=("csv",), report=False)
    run(jobs, results_folder(tmp_path / "out"))
    words = ["--rig", root / "rig.toml", "--detector", "synthetic", "--out", tmp_path / "processed"]
    table = ", ".join(f"{key} = {list(value) if isinstance(value, tuple) else value}" for key, value in STUDIO.items())
    videos = [str(root / f"{name}.avi") for name in studio.rig.names]
    assert main(["process", *map(str, words), "--option", f"studio={{{table}}}", "--videos", *videos]) == 0
    assert_same_poses(tmp_path / "out" / "v" / "poses", tmp_path / "processed")
    assert list((tmp_path / "out" / "v" / "export" / "csv").glob("*.csv"))


def test_batch_of_a_take_fuses_its_keypoints(tmp_path):
    take = record(tmp_path, make_studio(StudioOptions(**STUDIO)))
    jobs = [job for job in planned(take.folder, "synthetic") if job.stage == "poses"]
    (outcome,) = run(jobs, results_folder(tmp_path / "out")).progress.outcomes.values()
    assert outcome.figures["people"] == 2
    assert outcome.figures["coverage"] > 0.5
    assert len(read_poses(tmp_path / "out" / "walk" / "poses" / "poses.parquet").people) == 2


def test_segments_are_the_whole_within_half_a_pixel(tmp_path, monkeypatch):
    """The detector forgets half of what it saw with every frame: 255 px are less than 0.5 px after nine frames."""
    detector = write_recordings(tmp_path / "root", 1, frames=60)
    monkeypatch.setattr("multiview.batch.jobs.LEAST_BYTES_PER_S", 1)
    monkeypatch.setattr("multiview.batch.jobs.WARM_UP_S", 10 / 25)
    whole, cut = results_folder(tmp_path / "whole"), results_folder(tmp_path / "cut")
    jobs = detections(planned(tmp_path / "root", detector))[:1]
    run(jobs, whole)
    parts = [job for job in detections(planned(tmp_path / "root", detector, segment_s=0.8)) if "cam01" in job.stage]
    assert len(parts) == 3
    run(parts, cut)
    one, _ = read_camera_poses(job_folder(whole, jobs[0]))
    other = join([read_camera_poses(job_folder(cut, part))[0] for part in parts])
    assert other.frames == one.frames == list(range(60))
    assert other.times_ns == one.times_ns
    off = [np.abs(a.xy - b.xy).max() for a, b in zip(one.keypoints, other.keypoints, strict=True)]
    assert max(off) < 0.5
    assert max(off) > 0.0  # the test would notice


def test_camera_poses_are_read_as_they_were_written(tmp_path):
    skeleton, rng = load_skeleton("coco17"), np.random.default_rng(1)
    seen = [
        Keypoints2D.nobody(17),
        Keypoints2D(rng.normal(size=(2, 17, 2)), rng.random((2, 17)), rng.normal(size=(2, 17, 2, 2)), None),
        Keypoints2D(rng.normal(size=(1, 17, 2)), rng.random((1, 17)), None, rng.random((1, 17))),
    ]
    recording = Recording("Kamera ü", 29.97, [0, 1, 5], [0, 33, 170], seen, "breaks off")
    write_camera_poses(recording, skeleton, tmp_path)
    again, same = read_camera_poses(tmp_path)
    assert same.joints == skeleton.joints
    assert (again.camera, again.fps, again.frames, again.times_ns, again.trouble) == (
        "Kamera ü",
        29.97,
        [0, 1, 5],
        [0, 33, 170],
        "breaks off",
    )
    for one, other in zip(seen, again.keypoints, strict=True):
        for name in ("xy", "score", "cov", "visibility"):
            before, after = getattr(one, name), getattr(other, name)
            assert (before is None) == (after is None)
            if before is not None:
                np.testing.assert_array_equal(before, after)
    (tmp_path / "poses2d.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(SourceError, match="2D poses of a batch"):
        read_camera_poses(tmp_path)


def test_join_ends_where_a_segment_broke_off():
    parts = [Recording("c", 25.0, [k], [k], [Keypoints2D.nobody(17)], "torn" * (k == 1)) for k in range(3)]
    whole = join(parts)
    assert (whole.frames, whole.trouble) == ([0, 1], "torn")
    with pytest.raises(SourceError, match="overlap"):
        join([parts[2], parts[0]])
