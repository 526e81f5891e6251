"""Every engine calls `perform`, and says of each call how it ended: with a reply, or lost with its process."""

import sys

import msgspec
import pytest

from multiview.batch.results import Done, job_folder, read_outcome
from multiview.common.plugins import plugin_names
from multiview.errors import ConfigError
from services.batch.driver import Driver
from services.batch.engine import Engine, EngineOptions, make_engine
from services.batch.worker import DONE, Task
from tests.batches import Here, detections, planned, results_folder, write_recordings

NEEDS = {"ray": "ray", "slurm": "submitit"}
STARTS_SLOWLY = {"ray": pytest.mark.slow, "slurm": pytest.mark.slow}
ENGINES = [pytest.param(name, marks=STARTS_SLOWLY.get(name, ())) for name in plugin_names("services.batch.engines")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.timeout(600)
def test_engine_replies_or_says_that_a_job_was_lost(name, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # another Ray, which was not asked for
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    detector = write_recordings(tmp_path / "root", 2)
    (tmp_path / "root" / "a0" / "cam01.avi").write_bytes(b"no video")
    out = results_folder(tmp_path / "out")
    jobs = {job.name: job for job in detections(planned(tmp_path / "root", detector))}
    deadly = detections(planned(tmp_path / "root", detector, detector_options={"die_once": str(tmp_path / "died")}))
    jobs["a1/2d/cam02"] = next(job for job in deadly if job.name == "a1/2d/cam02")
    options = EngineOptions(folder=out, jobs=2, cluster="local" if name == "slurm" else "")
    engine = make_engine(name, options)
    try:
        assert isinstance(engine, Engine)
        assert engine.where
        replies = {}
        waiting = list(jobs.values())
        while len(replies) < len(jobs):
            while waiting and engine.room(0.0):
                job = waiting.pop()
                scratch = f".{job_folder(out, job).name}.tmp-test+1"
                task = Task(job=job, out=str(out), scratch=scratch, tries=1)
                engine.submit(job.name, msgspec.json.encode(task).decode(), 0.0)
            replies |= {ended.name: ended for ended in engine.wait(1.0)}
    finally:
        engine.close()
    lost = replies.pop("a1/2d/cam02")
    assert lost.reply is None
    assert "lost" in lost.words or "SIGKILL" in lost.words
    failed = replies.pop("a0/2d/cam01")
    assert "cam01.avi" in failed.reply
    assert {ended.reply for ended in replies.values()} == {DONE}
    assert all(isinstance(read_outcome(job_folder(out, jobs[done])), Done) for done in replies)
    here = results_folder(tmp_path / "here")  # the same bits as without processes
    Driver([jobs[done] for done in replies], here).run(Here(), lambda progress: None)
    for done in replies:
        path = job_folder(out, jobs[done]).relative_to(out) / "poses2d.npz"
        assert (out / path).read_bytes() == (here / path).read_bytes()


def test_engine_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match='did you mean "slurm"'):
        make_engine("slurn", EngineOptions(folder=tmp_path))


@pytest.mark.parametrize("name", NEEDS)
def test_engine_whose_package_is_missing_names_its_extra(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, NEEDS[name], None)  # as if it were not installed
    with pytest.raises(ConfigError, match=rf"pip install 'multiview-mocap\[{name}\]'"):
        make_engine(name, EngineOptions(folder=tmp_path))
