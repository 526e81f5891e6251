"""`multiview batch` with real processes: killed and given again, and twice at once on one folder."""

import json
import signal

import pytest

from tests.batches import write_recordings
from tests.processes import until


def batch(root, detector, out, log):
    options = ["--detector", detector, "--option", f"log={log}", "--no-report", "--engine", "local", "--jobs", "2"]
    return ["batch", root, "--out", out, *options]


@pytest.mark.timeout(600)
def test_batch_goes_on_after_kill_9_and_two_share_the_work(processes, tmp_path):
    detector = write_recordings(tmp_path / "root", 6, frames=30)
    log = tmp_path / "log"
    words = batch(tmp_path / "root", detector, tmp_path / "out", log)
    killed = processes.start(*words)
    until(lambda: len(list((tmp_path / "out").glob("*/2d/*/done.json"))) >= 3)
    killed.send_signal(signal.SIGKILL)  # its workers end with it
    killed.wait()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/2d/*/done.json")}
    begun = len(log.read_text().split())
    assert begun <= len(before) + 4  # two ran; between the look and the kill others may have begun

    both = [processes.start(*words) for _ in range(2)]
    assert [process.wait(500) for process in both] == [0, 0], processes.words("batch")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    results = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/2d/*/done.json")]
    assert len(results) == 12
    wasted = begun - len(before)
    assert len(log.read_text().split()) == 12 + wasted  # nothing was done twice but what the kill cut off
    assert not list((tmp_path / "out").rglob("*.tmp-*"))
    assert len(list((tmp_path / "out").glob("*/poses/done.json"))) == 6
    assert not list((tmp_path / "out").rglob("failed.json"))
