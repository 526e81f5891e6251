"""Webcams on stand-ins: a driver that answers V4L2's requests, and OpenCV's capture with such a driver behind it."""

from __future__ import annotations

import struct
import sys
from typing import Any

import cv2
import numpy as np
import pytest

from multiview.errors import SourceError
from multiview.sources import DeviceSettings, WebcamMode, open_source
from multiview.sources._webcam import Webcam, exposure_value
from multiview.sources._webcam_modes import modes_by

# Of <linux/videodev2.h>: ioctl numbers as the kernel's headers give them on every 64-bit machine.
ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0xC0405602, 0xC02C564A, 0xC034564B
OFFERED = {
    b"MJPG": {(1280, 720): [(1, 30), (1, 60)], (1920, 1080): [(1, 30)]},
    b"YUYV": {(640, 480): [(2, 15)], (320, 240): []},
}


class Driver:
    """A camera with modes of its own; of `GREY` any size in steps."""

    def __call__(self, request: int, data: bytearray) -> bool:
        index = struct.unpack_from("=I", data)[0]
        code = struct.pack("=I", struct.unpack_from("=I", data, 4)[0])
        if request == ENUM_FMT:
            formats = [*OFFERED, b"GREY"]
            return self._put(data, 44, formats[index : index + 1], lambda one: one)
        if request == ENUM_FRAMESIZES and code == b"GREY":
            return self._put(data, 8, [()][index:], lambda _: struct.pack("=7I", 3, 16, 1920, 8, 16, 1200, 8))
        if request == ENUM_FRAMESIZES:
            return self._put(data, 8, [*OFFERED[code]][index : index + 1], lambda size: struct.pack("=3I", 1, *size))
        assert request == ENUM_FRAMEINTERVALS
        if code == b"GREY":
            return self._put(data, 16, [()][index:], lambda _: struct.pack("=7I", 3, 1, 100, 1, 1, 1, 100))
        rates = OFFERED[code][struct.unpack_from("=2I", data, 8)]
        return self._put(data, 16, rates[index : index + 1], lambda rate: struct.pack("=3I", 1, *rate))

    @staticmethod
    def _put(data: bytearray, at: int, entries: list[Any], packed: Any) -> bool:
        for one in entries:
            part = packed(one)
            data[at : at + len(part)] = part
        return bool(entries)


def test_webcam_modes_are_all_that_the_driver_offers() -> None:
    modes = modes_by(Driver())
    assert modes == [
        WebcamMode("GREY", (1920, 1200), 100.0),
        WebcamMode("GREY", (1920, 1080), 100.0),
        WebcamMode("MJPG", (1920, 1080), 30.0),
        WebcamMode("GREY", (1280, 720), 100.0),
        WebcamMode("MJPG", (1280, 720), 60.0),
        WebcamMode("MJPG", (1280, 720), 30.0),
        WebcamMode("GREY", (640, 480), 100.0),
        WebcamMode("YUYV", (640, 480), 7.5),
        WebcamMode("YUYV", (320, 240), 0.0),
    ]


class Capture:
    """OpenCV's capture of a camera that has MJPG at 1280x720 and 640x480, else YUYV at 640x480."""

    exposes = True

    def __init__(self, _: int | str) -> None:
        self.set_to: dict[int, float] = {}
        self.released = False
        Capture.last = self

    def isOpened(self) -> bool:
        return True

    def set(self, what: int, value: float) -> bool:
        self.set_to[what] = value
        return self.exposes or what != cv2.CAP_PROP_EXPOSURE

    def get(self, what: int) -> float:
        mjpg = self.set_to.get(cv2.CAP_PROP_FOURCC) == cv2.VideoWriter.fourcc(*"MJPG")
        wide = mjpg and self.set_to.get(cv2.CAP_PROP_FRAME_WIDTH) == 1280
        code = float(cv2.VideoWriter.fourcc(*("MJPG" if mjpg else "YUYV")))
        size = {cv2.CAP_PROP_FRAME_WIDTH: (640.0, 1280.0), cv2.CAP_PROP_FRAME_HEIGHT: (480.0, 720.0)}
        return size[what][wide] if what in size else {cv2.CAP_PROP_FOURCC: code}.get(what, 30.0)

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((int(self.get(cv2.CAP_PROP_FRAME_HEIGHT)), 640, 3), np.uint8)

    def release(self) -> None:
        self.released = True


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(Capture, "exposes", True)


@pytest.mark.skipif(sys.platform != "linux", reason="values as V4L2 counts them")
def test_webcam_is_set_to_its_mode_and_exposure() -> None:
    settings = DeviceSettings(size=[1280, 720], pixel_format="MJPG", exposure_us=5000.0)
    camera = open_source("0", settings=settings)
    assert camera.size == (1280, 720)
    told = Capture.last.set_to
    assert list(told)[:1] == [cv2.CAP_PROP_FOURCC]  # sizes depend on it
    # 1 is "manual" in the menu of V4L2_CID_EXPOSURE_AUTO, and V4L2_CID_EXPOSURE_ABSOLUTE counts 100 us.
    assert (told[cv2.CAP_PROP_AUTO_EXPOSURE], told[cv2.CAP_PROP_EXPOSURE]) == (1.0, 50.0)


def test_webcam_that_is_told_nothing_stays_as_it_is() -> None:
    Webcam(0)
    assert set(Capture.last.set_to) == {cv2.CAP_PROP_BUFFERSIZE}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (DeviceSettings(size=[1920, 1080], pixel_format="MJPG"), "gives 640x480, not 1920x1080"),
        (DeviceSettings(pixel_format="H264"), "gives YUYV, not H264"),
        (DeviceSettings(exposure_us=5000.0), "takes no exposure time"),
        (DeviceSettings(gain_db=3.0), "of a webcam can be set: size, pixel_format, exposure_us, exposure_auto"),
    ],
)
def test_webcam_that_cannot_be_set_so_says_it(
    settings: DeviceSettings, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Capture, "exposes", False)
    with pytest.raises(SourceError, match=said):
        open_source("0", settings=settings)


def test_exposure_is_a_power_of_two_of_a_second_where_drivers_count_so() -> None:
    assert exposure_value(1e6 / 128, "win32") == -7.0
    assert exposure_value(10_000.0, "linux") == 100.0
