"""Whatever happens to jobs, each comes to exactly one result or one failure."""

import json
import os
import threading

import pytest

from multiview.__main__ import main
from multiview.batch.results import Done, Failed, job_folder, read_outcome
from services.batch import driver as module
from services.batch.claims import Claims
from services.batch.driver import Driver
from tests.batches import Here, detections, planned, results_folder, write_recordings


@pytest.fixture
def batch(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    monkeypatch.setattr(module, "WAIT_S", 0.001)
    monkeypatch.setattr(module, "LOOK_AROUND_S", 0.0)
    detector = write_recordings(tmp_path / "root", 2)
    return tmp_path / "root", detector, results_folder(tmp_path / "out")


def run(jobs, out, engine=None, retry=False):
    driver = Driver(jobs, out, retry)
    engine = engine or Here()
    driver.run(engine, lambda progress: None)
    folders = [job_folder(out, job) for job in jobs]
    for folder in folders:  # exactly one of the two, and nothing that was only begun
        assert (folder / "done.json").exists() != (folder / "failed.json").exists()
    assert not list(out.rglob(".*.tmp-*"))
    return driver, engine


def test_driver_does_every_job_once_and_then_none(batch):
    root, detector, out = batch
    jobs = detections(planned(root, detector))
    driver, engine = run(jobs, out)
    assert sorted(engine.done) == sorted(job.name for job in jobs)
    assert not driver.failures()
    again, engine = run(jobs, out)
    assert engine.done == []
    assert again.progress.before == len(jobs)


def test_driver_does_again_what_changed_only(batch):
    root, detector, out = batch
    run(detections(planned(root, detector)), out)
    video = root / "a1" / "cam02.avi"
    video.write_bytes(video.read_bytes() + b"\0")
    _, engine = run(detections(planned(root, detector)), out)
    assert engine.done == ["a1/2d/cam02"]


def test_driver_goes_on_beside_a_poisoned_video(batch):
    root, detector, out = batch
    (root / "a0" / "cam01.avi").write_bytes(b"no video" * 1000)
    jobs = planned(root, detector, report=False)
    jobs = [job for job in jobs if job.recording == "a0" or job in detections(jobs)]
    driver, _ = run(jobs, out)
    assert sorted(driver.failures()) == ["a0/2d/cam01", "a0/poses"]
    failed = read_outcome(out / "a0" / "2d" / "cam01")
    assert isinstance(failed, Failed)
    assert failed.tries == 1
    assert "cam01.avi" in failed.reason
    assert any("cam01.avi" in line for line in failed.last_lines)
    assert str(out / "a0" / "2d" / "cam01" / "failed.json") in failed.command
    because = read_outcome(out / "a0" / "poses")
    assert isinstance(because, Failed)
    assert (because.tries, because.needs) == (0, ["2d/cam01"])


def test_driver_tries_failures_again_when_told_to(batch):
    root, detector, out = batch
    sick = root / "a0" / "cam01.avi"
    whole, status = sick.read_bytes(), sick.stat()
    sick.write_bytes(b"no video" * (len(whole) // 8) + b"x" * (len(whole) % 8))
    jobs = detections(planned(root, detector))
    run(jobs, out)
    _, engine = run(jobs, out)
    assert engine.done == []  # a failure stands until something changes
    sick.write_bytes(whole)
    os.utime(sick, ns=(status.st_atime_ns, status.st_mtime_ns))
    driver, engine = run(jobs, out, retry=True)
    assert engine.done == ["a0/2d/cam01"]
    assert not driver.failures()


@pytest.mark.parametrize(("times", "tries"), [(1, 2), (2, 3), (3, None)])
def test_driver_begins_lost_jobs_again_twice(batch, times, tries):
    root, detector, out = batch
    jobs = detections(planned(root, detector))
    driver, _ = run(jobs, out, Here(lose={"a1/2d/cam01": times}))
    outcome = read_outcome(out / "a1" / "2d" / "cam01")
    assert driver.progress.lost == min(times, 2)  # and begun again
    if tries is None:
        assert isinstance(outcome, Failed)
        assert "SIGKILL, 3 times" in outcome.reason
    else:
        assert isinstance(outcome, Done)
        assert outcome.tries == tries


def test_driver_waits_while_the_disk_is_full(batch, tmp_path):
    root, detector, out = batch
    full = tmp_path / "full"
    full.touch()
    jobs = detections(planned(root, detector, detector_options={"full_while": str(full)}))
    notes = []

    def show(progress):
        notes.append(progress.note)
        if len(notes) == 5:
            full.unlink()

    driver = Driver(jobs, out)
    driver.run(Here(), show)
    assert not driver.failures()
    assert "full" in notes[3]
    assert all(read_outcome(job_folder(out, job)).tries == 1 for job in jobs)  # it was not the jobs' fault


def test_two_batches_on_one_folder_share_the_jobs(batch, tmp_path):
    root, detector, out = batch
    log = tmp_path / "log"
    jobs = detections(planned(root, detector, detector_options={"log": str(log)}))
    turn = threading.Barrier(2)
    engines = [Here(1), Here(1)]
    drivers = [Driver(jobs, out), Driver(jobs, out)]

    def begin(driver, engine):
        turn.wait()
        driver.run(engine, lambda progress: None)

    # Output of a job goes to its file descriptor, which threads share: one at a time.
    lock = threading.Lock()
    for engine in engines:
        engine.wait = lambda timeout_s, wait=engine.wait: locked(lock, wait, timeout_s)
    threads = [threading.Thread(target=begin, args=pair) for pair in zip(drivers, engines, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(engines[0].done + engines[1].done) == sorted(job.name for job in jobs)
    assert len(log.read_text().split()) == len(jobs)
    for driver in drivers:
        assert len(driver.progress.outcomes) == len(jobs)


def test_claims_of_many_at_once_are_one_batchs_each(batch):
    """Also those of a batch that died: whoever is late must not take what was just taken over."""
    root, detector, out = batch
    job = detections(planned(root, detector))[0]
    for round_ in range(40):
        if round_ % 2:
            (out / ".batch" / "claims").mkdir(parents=True, exist_ok=True)
            (out / ".batch" / "claims" / job.key).write_text("host~1~dead")
        claims = [Claims(out) for _ in range(4)]
        turn, taken = threading.Barrier(len(claims)), []

        def take(one, turn=turn, taken=taken):
            turn.wait()
            if one.take(job):
                taken.append(one)

        threads = [threading.Thread(target=take, args=(one,)) for one in claims]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1
        for one in claims:
            one.close()


def locked(lock, wait, timeout_s):
    with lock:
        return wait(timeout_s)


def test_claims_of_a_batch_that_died_are_taken_over(batch):
    root, detector, out = batch
    job = detections(planned(root, detector))[0]
    dead, alive, other = Claims(out), Claims(out), Claims(out)
    assert dead.take(job)
    assert not other.take(job)
    left = job_folder(out, job).with_name(f".cam01.tmp-{dead.batch}+1")
    left.mkdir(parents=True)
    dead._file.close()  # as when its process is killed
    other._known.clear()
    assert other.take(job)
    assert not left.exists()
    assert not alive.take(job)
    other.release(job)
    assert alive.take(job)
    for claims in (dead, alive, other):
        claims.close()


def test_failed_json_says_how_to_do_it_alone(batch, capsys):
    root, detector, out = batch
    (root / "a0" / "cam01.avi").write_bytes(b"no video" * 1000)
    run(detections(planned(root, detector)), out)
    path = out / "a0" / "2d" / "cam01" / "failed.json"
    json.loads(path.read_text())
    assert main(["batch", "--job", str(path)]) == 2
    assert "cam01.avi" in capsys.readouterr().err
    assert main(["batch", "--job", str(out / "a0" / "2d" / "cam02" / "done.json")]) == 2
    assert "not the failed.json of a batch" in capsys.readouterr().err
