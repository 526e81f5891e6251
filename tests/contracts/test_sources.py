"""What every source of frames keeps to, whatever camera or file is behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from multiview.common.plugins import load_plugin, plugin_names
from multiview.errors import SourceError
from multiview.sources import DeviceSettings, FrameSource, open_source
from tests.footage import SIZE, MotionJpeg, digit_of, picture, write_video
from tests.industrial import KINDS, emulated

NAMES = plugin_names("multiview.sources")
FRAMES = 8


LIVE = ("stream", "basler", "genicam")


@pytest.fixture
def settings(name: str, tmp_path: Path) -> DeviceSettings | None:
    """What an emulated camera is set to, so that its pictures tell their number."""
    if name == "genicam":
        return DeviceSettings(pixel_format="Mono8", roi=[0, 0, *SIZE])
    if name != "basler":
        return None
    folder = tmp_path / "emulated"
    folder.mkdir()
    for number in range(10):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    shown = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(folder)}
    return DeviceSettings(pixel_format="BGR8Packed", roi=[0, 0, *SIZE], features=shown)


@pytest.fixture
def address(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a source of eight frames, or of many if live, is found, as a user writes it."""
    if name in KINDS:
        yield from emulated(name, 1, monkeypatch)
    elif name == "video":
        yield str(write_video(tmp_path / "film.avi", FRAMES))
    elif name == "images":
        for number in range(FRAMES):
            cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
        yield str(tmp_path)
    elif name == "stream":
        handler = type("Camera", (MotionJpeg,), {"pictures": 50})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/film.mjpg"
        server.shutdown()
        server.server_close()
        thread.join()
    else:
        raise AssertionError(f"teach this test to make something that {name} can open")


@pytest.mark.parametrize("name", NAMES)
class TestEverySource:
    def test_source_is_found_by_its_address(self, name: str, address: str, settings: DeviceSettings | None) -> None:
        module = load_plugin("multiview.sources", name, "Source")
        assert module.__doc__
        assert module.Source.__doc__
        source = open_source(address, "cam01", settings=settings)
        assert isinstance(source, module.Source)
        assert isinstance(source, FrameSource)
        assert (source.name, source.size) == ("cam01", SIZE)
        assert source.live == (name in LIVE)
        assert source.frames == (0 if source.live else FRAMES)
        assert source.fps >= 0.0
        source.close()

    def test_frames_are_whole_numbered_and_timed(
        self, name: str, address: str, settings: DeviceSettings | None
    ) -> None:
        source = open_source(address, "cam01", settings=settings)
        frames = [frame for _ in range(FRAMES - 2) if (frame := source.read()) is not None]
        source.close()
        assert [frame.index for frame in frames] == list(range(FRAMES - 2))
        first = digit_of(frames[0].image)  # a stream begins where it is, a file at its start
        assert source.live or first == 0
        if name != "genicam":  # a simulated camera chooses its pictures
            assert [digit_of(frame.image) for frame in frames] == [(first + i) % 10 for i in range(FRAMES - 2)]
        assert all(frame.camera == "cam01" for frame in frames)
        assert all(frame.image.shape == (SIZE[1], SIZE[0], 3) and frame.image.dtype == np.uint8 for frame in frames)
        assert all(a.time_ns < b.time_ns for a, b in pairwise(frames))

    def test_skip_passes_over_one_frame(self, name: str, address: str, settings: DeviceSettings | None) -> None:
        source = open_source(address, "cam01", settings=settings)
        before = source.read()
        assert source.skip()
        after = source.read()
        source.close()
        assert before is not None
        assert after is not None
        assert after.index == before.index + 2
        if name != "genicam":
            assert digit_of(after.image) == (digit_of(before.image) + 2) % 10

    def test_file_has_an_end_that_stays(self, name: str, address: str, settings: DeviceSettings | None) -> None:
        source = open_source(address, "cam01", settings=settings)
        if not source.live:
            assert sum(source.read() is not None for _ in range(FRAMES)) == FRAMES
            assert (source.read(), source.skip(), source.read()) == (None, False, None)
        source.close()
        source.close()

    def test_source_that_is_not_there_is_said(self, name: str, address: str, settings: DeviceSettings | None) -> None:
        nowhere = "http://127.0.0.1:9/no.mjpg" if name == "stream" else f"{address}x"
        with pytest.raises(SourceError):
            load_plugin("multiview.sources", name).Source(nowhere)
