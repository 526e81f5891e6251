"""A few pictures of each camera with the corners that were found in them, for people to look at."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import UInt8

from calib.board.found import Found
from multiview.data import FrameNumber
from multiview.errors import ConfigError

__all__ = ["SamplePicture", "SamplePictures", "pictures_from_json", "pictures_to_json"]

_WIDTH, _QUALITY = 480, 70  # px and JPEG's
_MAX_BYTES = 200_000

_Coordinate = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_Corner = Annotated[int, msgspec.Meta(ge=0, le=40_000)]


class SamplePicture(msgspec.Struct, frozen=True):
    """One picture, smaller than it was.

    Attributes:
        camera: Name of the camera.
        frame: Number of the frame in its recording.
        jpeg: The picture.
        corner: Numbers of the corners that were found.
        xy: Where, px of the whole picture.
    """

    camera: str
    frame: FrameNumber
    jpeg: bytes
    corner: tuple[_Corner, ...]
    xy: tuple[tuple[_Coordinate, _Coordinate], ...]


class SamplePictures:
    """Chooses one camera's pictures as they are searched: for each quarter of its image that with the most corners."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._best: dict[tuple[bool, bool], SamplePicture] = {}

    def offer(self, frame: FrameNumber, grey: UInt8[np.ndarray, "h w"], found: Found) -> None:
        """Consider a picture.

        Args:
            frame: Its number.
            grey: The picture.
            found: Its corners, one at least.
        """
        height, width = grey.shape
        middle = found.xy.mean(axis=0)
        quarter = bool(middle[0] > width / 2), bool(middle[1] > height / 2)
        if quarter in self._best and len(self._best[quarter].corner) >= len(found.corner):
            return
        corners = tuple(found.corner.tolist()), tuple((x, y) for x, y in found.xy.round(2).tolist())
        self._best[quarter] = SamplePicture(self._camera, frame, _jpeg(grey), *corners)

    def chosen(self) -> tuple[SamplePicture, ...]:
        """In the order of time."""
        return tuple(sorted(self._best.values(), key=lambda one: one.frame))


def pictures_to_json(pictures: tuple[SamplePicture, ...]) -> bytes:
    """As they stand in the metadata of corners.parquet."""
    return msgspec.json.encode(pictures)


def pictures_from_json(text: bytes) -> tuple[SamplePicture, ...]:
    """Raises ConfigError, in one line, for what are no such pictures."""
    try:
        pictures = msgspec.json.decode(text, type=tuple[SamplePicture, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(str(error)) from None
    for one in pictures:
        if len(one.corner) != len(one.xy) or len(one.jpeg) > _MAX_BYTES:
            raise ConfigError(f"the picture of {one.camera!r} is larger than it can be, or lacks corners")
    return pictures


def _jpeg(grey: UInt8[np.ndarray, "h w"]) -> bytes:
    import cv2

    height, width = grey.shape
    if width > _WIDTH:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
