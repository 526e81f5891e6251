"""A camera that blocks, breaks off or crashes in its own process comes back, and its pictures arrive as they were."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.errors import SourceError
from services.nodes.camera_process import CameraProcess

SMALL, LARGE = (4, 6, 3), (8, 12, 3)
GIVEN = 3  # pictures until its trouble


class Camera:
    """Gives three pictures, then has a trouble of which there is only one: the next process finds none."""

    live, frames, fps, size = True, 0, 25.0, (6, 4)

    def __init__(self, folder: Path, trouble: str) -> None:
        self.name, self._index, self._mark, self._trouble = "cam", 0, folder / "had", trouble
        if trouble.startswith("opening"):
            self._have(trouble.removeprefix("opening "))

    def _have(self, trouble: str) -> None:
        if self._mark.exists():
            return
        self._mark.touch()
        if trouble == "blocks":
            time.sleep(1000.0)
        if trouble == "crashes":
            os._exit(11)
        if trouble == "fails":
            raise ZeroDivisionError("a driver's own")
        raise SourceError("the cable is out")

    def read(self) -> VideoFrame:
        if self._index == GIVEN and not self._trouble.startswith("opening"):
            self._have(self._trouble)
        shape = SMALL if self._index % 2 else LARGE
        self._index += 1
        return VideoFrame(picture(self._index - 1, shape), self._index - 1, 7 * self._index, "cam", self._index)

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        pass


def picture(index: int, shape: tuple[int, ...]) -> np.ndarray:
    return (np.arange(np.prod(shape)) + index).reshape(shape).astype(np.uint8)


@pytest.fixture
def camera(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CameraProcess]:
    source = CameraProcess(partial(Camera, tmp_path, request.param), "cam", (6, 4), 25.0, patience_s=3.0, open_s=60.0)
    yield source
    source.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("blocks", "reading it blocked for 3 s"),
        ("crashes", "its process has died (exit status 11)"),
        ("fails", "ZeroDivisionError: a driver's own"),
        ("opening breaks off", "the cable is out"),
    ],
    indirect=["camera"],
)
def test_camera_with_any_trouble_is_started_again_and_that_is_said_once(
    camera: CameraProcess, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its frames are numbered on, and have the bytes, times and pulses that it gave, whatever their size."""
    with caplog.at_level(logging.WARNING):
        frames = [camera.read() for _ in range(GIVEN + 2)]
    indices = [frame.index for frame in frames if frame is not None]
    assert indices == list(range(GIVEN + 2))
    assert caplog.text.count("cam: ") == 1
    assert f"cam: {said}" in caplog.text
    for frame in frames:
        assert frame is not None
        own = frame.time_ns // 7 - 1
        np.testing.assert_array_equal(frame.image, picture(own, SMALL if own % 2 else LARGE))
        assert (frame.trigger, frame.camera) == (own + 1, "cam")
    assert camera.skip()
    assert camera.trouble == ""


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["opening blocks"], indirect=True)
def test_camera_that_blocks_on_opening_is_waited_for_no_longer_than_is_asked(camera: CameraProcess) -> None:
    assert not camera.wait_open(0.0)
    assert camera.trouble == "it has not opened yet"
    assert camera.size == (6, 4)
    camera.stop()
    assert camera.read() is None
