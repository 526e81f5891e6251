"""The viewer's record key: a take of its own, whole, from press to press."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from multiview.recordings.take import open_take
from multiview.studio.config import RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.wire.messages import Stamp
from services.transport.hub_sockets import HubSockets
from services.viewer.record import Recording
from tests.processes import free_hub, until


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(
        name="stage",
        source=SyntheticSource(),
        hub=free_hub(),
        recorder=RecorderOptions(directory=str(tmp_path / "takes")),
    )


@pytest.mark.slow
def test_a_press_begins_a_take_and_the_next_ends_it(studio: Studio, tmp_path: Path) -> None:
    write_studio(studio, tmp_path / "studio.toml")
    hub = HubSockets(studio.hub)
    recording = Recording(tmp_path / "studio.toml")
    try:
        assert recording.status() == ""
        said = recording.toggle()
        name = said.removeprefix("recording ")
        assert name.startswith("stage-")
        partial, sent = tmp_path / "takes" / f"{name}.partial", 0

        def enough() -> bool:
            nonlocal sent
            hub.publish(b"service_health/x", Stamp(sent, sent, time.monotonic_ns()), b"12345678")
            sent += bool(list(partial.glob("*.mcap")))
            return sent > 20

        until(enough)
        assert name in recording.status()
        assert recording.toggle() == f"saved take {name}"
        assert recording.status() == ""
    finally:
        recording.close()
        hub.close()
    records = list(open_take(tmp_path / "takes" / name).records())
    assert len(records) >= 10
    assert {record.topic for record in records} == {"service_health/x"}


def test_a_recorder_that_fails_says_why(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "takes").write_text("a file where the folder should be")
    write_studio(studio, tmp_path / "studio.toml")
    recording = Recording(tmp_path / "studio.toml")
    recording.toggle()
    until(lambda: "failed" in recording.status())
    assert "takes" in recording.status()
    assert recording.toggle() == ""
    recording.close()
