"""A camera that hangs on its side gives upright pictures."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.sources import FrameSource, rotated


class Still:
    """One picture, again and again: a bright pixel in the top left corner."""

    name, live, frames, fps, size, trouble = "cam01", True, 0, 30.0, (6, 4), "dusty"

    def read(self) -> VideoFrame | None:
        image = np.zeros((4, 6, 3), np.uint8)
        image[0, 0] = 255
        return VideoFrame(image, 7, 11, self.name, trigger=13)

    def skip(self) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, 3)), (180, (3, 5)), (270, (5, 0))])
def test_rotated_pictures_are_turned_clockwise(degrees: int, corner: tuple[int, int]) -> None:
    source = rotated(Still(), degrees)
    assert isinstance(source, FrameSource)
    frame = source.read()
    assert frame is not None
    height, width = frame.image.shape[:2]
    assert (width, height) == source.size
    assert np.argwhere(frame.image[..., 0]).tolist() == [
        list(corner)
    ]  # the top left corner goes to the top right first
    assert (frame.index, frame.time_ns, frame.trigger, source.name, source.skip()) == (7, 11, 13, "cam01", True)
    assert getattr(source, "trouble", "") == "dusty"  # and whatever else a source says
