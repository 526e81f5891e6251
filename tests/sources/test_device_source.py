"""Frames of an industrial camera: what is lost is counted, stamps are the camera's, and it comes back."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from multiview.errors import SourceError
from multiview.sources._device import RawFrame
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._device_source import DeviceSource
from multiview.sources._genicam_features import Value

PIXELS = np.zeros((4, 6), np.uint8)
AHEAD_NS = 5 * 10**12  # of the camera's clock
EXPOSURE_US = 4000.0
LATE_NS = 30_000_000  # from the exposure's start until a frame is here


class Features:
    """Of a camera that can be asked for its time."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {"ExposureTime": EXPOSURE_US, "ResultingFrameRate": 50.0}
        self.fired = 0

    def read(self, name: str) -> Value | None:
        return self.values.get(name)

    def write(self, name: str, value: Value) -> None:
        self.values[name] = value

    def execute(self, name: str) -> bool:
        if name == "TimestampLatch":
            self.values["TimestampLatchValue"] = time.monotonic_ns() + AHEAD_NS
        self.fired += name == "TriggerSoftware"
        return name in ("TimestampLatch", "TriggerSoftware")


class Camera:
    """Gives these frames: (id, whether it is whole), None where it is silent for one wait, or an error."""

    pixel_format, size = "Mono8", (6, 4)

    def __init__(self, frames: Iterator[tuple[int, bool] | SourceError | None]) -> None:
        self.features, self._frames, self.closed = Features(), frames, False
        self.taken_ns: list[int] = []

    def grab(self, timeout_s: float) -> RawFrame | None:
        frame = next(self._frames)
        if isinstance(frame, SourceError):
            raise frame
        if frame is None:
            return None
        arrival_ns = time.monotonic_ns()
        self.taken_ns.append(arrival_ns - LATE_NS)
        pixels = PIXELS if frame[1] else None
        return RawFrame(pixels, frame[0], self.taken_ns[-1] + AHEAD_NS, arrival_ns)

    def losses(self) -> dict[str, int]:
        return {"packets lost": 3}

    def close(self) -> None:
        self.closed = True


def source_of(*cameras: Camera | SourceError, fps: float = 0.0, settings: DeviceSettings | None = None) -> DeviceSource:
    left = iter(cameras)

    def opened() -> Camera:
        camera = next(left)
        if isinstance(camera, SourceError):
            raise camera
        return camera

    class Source(DeviceSource):
        prefix = "made:"

        @staticmethod
        def connect(wanted: str, fps: float, settings: DeviceSettings) -> Camera:
            assert wanted == "7"
            return opened()

    return Source("made:7", "cam01", fps, settings, reconnect_s=5.0)


def read(source: DeviceSource, count: int) -> list[int]:
    return [frame.index for _ in range(count) if (frame := source.read()) is not None]


def test_device_source_counts_missing_and_incomplete_frames() -> None:
    source = source_of(Camera(iter([(7, True), (8, False), (11, True), (12, True)])))
    assert read(source, 3) == [0, 4, 5]
    assert (source.missing, source.incomplete, source.dropped) == (2, 1, 3)
    assert source.fps == 50.0


def test_device_source_stamps_the_middle_of_the_exposure_by_the_cameras_clock() -> None:
    camera = Camera(iter([(number, True) for number in range(5)]))
    source = source_of(camera)
    for number in range(5):
        frame = source.read()
        assert frame is not None
        middle_ns = camera.taken_ns[number] + round(EXPOSURE_US * 500)
        # Each probe of this clock takes the time of two calls; a machine that stalls between them says so.
        bound = max(1_000_000, 2 * source._clock.uncertainty_ns)
        assert frame.time_ns == pytest.approx(middle_ns, abs=bound)


def test_device_source_comes_back_and_says_where_it_was() -> None:
    first = Camera(iter([(1, True), (2, True), SourceError("it was unplugged")]))
    second = Camera(iter([(1, True), (2, True)]))
    source = source_of(first, SourceError("there is no camera"), second)
    assert read(source, 2) == [0, 1]
    assert source.trouble == ""
    index = read(source, 2)
    assert first.closed
    assert (source.reconnects, source.missing, source.trouble) == (1, 0, "")
    assert index[1] == index[0] + 1
    assert index[0] >= 1 + 0.25 * 50  # frames of the pause, which was at least one wait long


def test_device_source_that_stays_away_is_an_error() -> None:
    gone = SourceError("there is no camera 7")
    source = source_of(Camera(iter([gone])), *[gone] * 1000)
    source._reconnect_s = 0.0
    with pytest.raises(SourceError, match=r"no picture for 0 s: there is no camera 7"):
        source.read()
    assert source.trouble == "there is no camera 7; it is opened again"


def test_device_source_waits_for_its_trigger_and_counts_its_pulses() -> None:
    camera = Camera(iter([None, (4, True), (6, True)]))
    source = source_of(camera, settings=DeviceSettings(trigger="Line1"))
    assert source.patience_s == float("inf")
    frames = [source.read(), source.read()]
    assert [frame.trigger for frame in frames if frame is not None] == [0, 2]


def test_device_source_fires_its_own_trigger_on_a_grid_of_the_clock() -> None:
    camera = Camera(iter([(number, True) for number in range(4)]))
    with pytest.raises(SourceError, match="set fps"):
        source_of(camera, settings=DeviceSettings(trigger="software"))
    source = source_of(camera, fps=100.0, settings=DeviceSettings(trigger="software"))
    counts = [frame.trigger for _ in range(3) if (frame := source.read()) is not None]
    assert camera.features.fired == 3
    assert counts == sorted(set(counts))
    assert counts[0] * 10**7 <= camera.taken_ns[0] + LATE_NS  # pulse n is at n / 100 s or later


def test_device_source_ends_when_it_is_closed() -> None:
    camera = Camera(itertools.repeat(None))
    source = source_of(camera, settings=DeviceSettings(trigger="Line1"))
    closing = threading.Thread(target=source.close)
    closing.start()
    assert source.read() is None
    closing.join()
    assert camera.closed


def test_device_source_reports_what_the_camera_tells() -> None:
    camera = Camera(iter([]))
    told: dict[str, Value] = {"DeviceLinkSpeed": 125_000_000, "DeviceTemperature": 41.5, "PtpEnable": True}
    camera.features.values |= told | {"PtpStatus": "Slave", "PtpOffsetFromMaster": -320, "DeviceFirmwareVersion": "2.1"}
    report = source_of(camera).report()
    assert (report.firmware, report.link_mbit_s, report.temperature_c) == ("2.1", 1000.0, 41.5)
    assert (report.ptp, report.ptp_offset_ns, report.losses) == ("Slave", -320.0, {"packets lost": 3})


def test_device_source_refuses_a_pixel_format_at_the_start() -> None:
    camera = Camera(iter([]))
    camera.pixel_format = "Mono12p"
    with pytest.raises(SourceError, match="Mono12p is not read here"):
        source_of(camera)
    assert camera.closed
