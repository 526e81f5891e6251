"""A source is filmed from when it is told to until it is told to stop, whoever reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.studio.config import HubOptions
from multiview.wire.messages import ServiceHealth, Stamp, encode
from services.nodes import video_wish
from services.nodes.recording_source import RecordingSource
from services.nodes.video_wish import LASTING_S, RECORDER, VIDEOS, VideoWish
from services.transport.bus import Received

STEP_NS = 40_000_000


class Camera:
    """Small pictures without an end, each taken 40 ms after the one before; skipped ones are counted."""

    name, live, frames, fps, size = "cam01", False, 0, 25.0, (64, 48)

    def __init__(self) -> None:
        self.read_frames = self.skipped = 0

    def read(self) -> VideoFrame:
        number = self.read_frames + self.skipped
        self.read_frames += 1
        return VideoFrame(np.zeros((48, 64, 3), np.uint8), number, number * STEP_NS, self.name)

    def skip(self) -> bool:
        self.skipped += 1
        return True

    def close(self) -> None: ...


def times_s(path: Path) -> list[float]:
    return [float(line.partition(",")[2]) for line in path.read_text().splitlines()[1:]]


def test_recording_source_films_only_between_begin_and_end(tmp_path: Path) -> None:
    camera = Camera()
    source = RecordingSource(camera)
    source.read()
    source.skip()
    assert (source.films, camera.skipped) == (False, 1)  # nobody films: it is not unpacked
    source.begin(tmp_path, zero_ns=-STEP_NS)
    source.read()
    source.skip()
    assert (source.films, camera.skipped) == (True, 1)  # filmed, so it is read
    source.end()
    source.read()
    source.close()
    assert not source.films
    assert times_s(tmp_path / "cam01.timestamps.csv") == pytest.approx([0.12, 0.16])


def test_recording_source_films_again_beside_what_it_has_filmed(tmp_path: Path) -> None:
    source = RecordingSource(Camera())
    for _ in range(2):
        source.begin(tmp_path, zero_ns=0)
        source.read()
        source.end()
    source.close()
    assert times_s(tmp_path / "cam01.timestamps.csv") == [0.0]
    assert times_s(tmp_path / "cam01.1.timestamps.csv") == pytest.approx([0.04])


class Stub:
    """What a subscriber has received."""

    def __init__(self) -> None:
        self.healths: list[ServiceHealth] = []

    def drain(self) -> list[Received]:
        received = [Received(RECORDER, Stamp(0, 0, 0), encode(one)) for one in self.healths]
        self.healths.clear()
        return received


def test_video_wish_is_for_a_take_that_is_there_and_lasts_while_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub()
    monkeypatch.setattr(video_wish, "Subscriber", lambda *_: stub)
    wish = VideoWish(HubOptions(), "cam01", tmp_path / "takes")
    (tmp_path / "takes" / "walk.partial").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()

    def hear(**texts: str) -> None:
        stub.healths.append(ServiceHealth(service="recorder", boot_id=1, texts=texts))

    assert wish.folder(0.0) is None
    hear(**{VIDEOS: "walk.partial"})
    assert wish.folder(1.0) == tmp_path / "takes" / "walk.partial" / "videos"
    assert wish.folder(1.0 + LASTING_S) is None  # the recorder is gone
    for name in ("../elsewhere", "..", ".", "", "none", str(tmp_path / "elsewhere")):
        hear(**{VIDEOS: name})
        assert wish.folder(9.0) is None
    hear(**{VIDEOS: "walk.partial"})
    assert wish.folder(20.0) is not None
    hear(take="walk.partial")  # it says no more that it wants videos
    assert wish.folder(20.1) is None
