"""What a launch that ended too early leaves: nothing, unless a camera gave something."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take
from multiview.studio.new_take import new_take
from multiview.wire.messages import Stamp
from services.supervise.launch import Launch
from tests.processes import synthetic_studio


def ended_early(folder: Path, topics: list[str]) -> Launch:
    """A launch that was interrupted before it knew that its sources play, when its recorder had these messages."""
    studio = synthetic_studio(folder)
    launch = Launch(studio, viewer=False)
    launch.take = new_take(studio, "early", datetime(2026, 11, 30, tzinfo=UTC))
    writer = RecordingWriter(launch.take.next_recording())
    for number, topic in enumerate(topics):
        writer.write(Record(topic, Stamp(number, 0, number), b"body"))
    writer.close()
    launch.stop()
    return launch


def test_launch_that_ends_before_anything_played_leaves_no_take(tmp_path: Path) -> None:
    assert ended_early(tmp_path, ["heartbeat", "service_health/fusion"]).take is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("topic", ["keypoints/cam01", "poses"])
def test_launch_never_removes_what_a_camera_gave(tmp_path: Path, topic: str) -> None:
    take = ended_early(tmp_path, ["heartbeat", topic]).take
    assert take == Take(tmp_path / "early")
    assert len(list(take.records())) == 2
