"""Studies of `python -m benchmarks`: an input that is missing or cannot be used is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.batch import copy_video
from multiview.batch.recordings import find_recordings
from tests.footage import SIZE, write_video


@pytest.mark.parametrize("what", ["cores", "joins"])
def test_benchmark_of_a_video_that_is_not_there_is_one_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", what, "--video", str(tmp_path / "none.mp4")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"benchmarks batch: there is no source {tmp_path / 'none.mp4'}")


def test_recording_of_one_video_has_a_rig_of_its_size(tmp_path: Path) -> None:
    copy_video(write_video(tmp_path / "v.avi"), tmp_path / "root" / "v")
    (recording,) = find_recordings(tmp_path / "root").recordings
    assert recording.rig.names == ("cam01", "cam02")
    assert {camera.size for camera in recording.rig.cameras} == {SIZE}
