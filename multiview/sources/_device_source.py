"""Frames of an industrial camera: numbered by its ids, stamped by its clock, opened again when it comes back."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import ClassVar

from multiview.data import NS_PER_S, FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.sources._device import Device, DeviceReport, RawFrame, report_of
from multiview.sources._device_clock import DeviceClock
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._frame_ids import FrameIds
from multiview.sources._genicam_features import Features, first_value
from multiview.sources._pixel_formats import bits_of, to_bgr

__all__ = ["DeviceSource"]

GRAB_S = 0.25  # a wait that can be ended
SILENCE_S, SILENCE_FRAMES = 0.75, 10.0  # after which a camera of its own rate is taken to be gone; the longer
RETRY_S = 0.25
FIRST_PROBES = 8
PROBE_S = 0.5
SLACK_S = 20.0
FUTURE_NS = 5_000_000  # a frame stamped so long after it came: its camera's clock has jumped
RATES = ("ResultingFrameRate", "ResultingFrameRateAbs", "AcquisitionResultingFrameRate", "AcquisitionFrameRate")
LATCHES = (("TimestampLatch", "TimestampLatchValue"), ("GevTimestampControlLatch", "GevTimestampValue"))


class DeviceSource(ABC):
    """Frames of a camera that `connect` opens, and opens again for at most `reconnect_s` when it is unplugged.

    Attributes:
        prefix: Of the addresses of such cameras.
        missing: Frames that the camera counted and that never came.
        incomplete: Frames of which packets were missing; they are not passed on.
        reconnects: How often it was opened again.
        trouble: Why no frame comes just now.
        patience_s: The longest that `read` may take without being blocked.
    """

    prefix: ClassVar[str]
    live = True
    frames = 0

    def __init__(
        self,
        address: str,
        name: str = "",
        fps: float = 0.0,
        settings: DeviceSettings | None = None,
        reconnect_s: float = 60.0,
    ) -> None:
        """Open it.

        Args:
            address: The prefix, and the camera's serial number, name, id or IP address.
            name: The camera's.
            fps: Frame rate; 0: as the camera has it.
            settings: What it is set to.
            reconnect_s: How long it is waited for when it is unplugged.

        Raises:
            SourceError: It is not there, in use, or does not take a setting.
        """
        settings = settings or DeviceSettings()
        self._wanted, self._fps, self._settings = address.removeprefix(self.prefix), fps, settings
        self.name = name or self._wanted or self.prefix.rstrip(":")
        self._reconnect_s = reconnect_s
        self.patience_s = float("inf") if settings.triggered else reconnect_s + SLACK_S
        self.incomplete = self.reconnects = 0
        self.trouble = ""
        self._ids = FrameIds()
        self._index, self._last_ns = -1, 0
        self._resumed = False
        self._closed = threading.Event()
        self._lock = threading.Lock()  # held while the device is in use: `close` may come from another thread
        self._clock = DeviceClock()
        self._probes, self._next_probe_s, self._half_exposure_ns = 0, 0.0, 0
        self._device = self._open()
        self.size = self._device.size
        rate = first_value(self._device.features, RATES)
        self.fps = fps or (float(rate) if rate is not None and not settings.triggered else 0.0)
        if settings.trigger == "software" and not self.fps:
            self.close()
            raise SourceError('trigger = "software" needs a rate: set fps')

    @staticmethod
    @abstractmethod
    def connect(wanted: str, fps: float, settings: DeviceSettings) -> Device:
        """The camera of an address without its prefix, acquiring; SourceError if it cannot be opened, or set so."""

    @property
    def missing(self) -> int:
        return self._ids.missing

    @property
    def dropped(self) -> int:
        """Frames that the camera took and that were never read: missing and incomplete ones."""
        return self.missing + self.incomplete

    def read(self) -> VideoFrame | None:
        """The next whole frame; SourceError when the camera stayed away for longer than `reconnect_s`."""
        while (taken := self._next()) is not None:
            raw, time_ns, trigger = taken
            if raw.pixels is not None:
                image = to_bgr(raw.pixels, self._device.pixel_format)
                return VideoFrame(image, FrameNumber(self._index), TimeNs(time_ns), self.name, trigger)
        return None

    def skip(self) -> bool:
        """Take the next frame without unpacking its pixels."""
        return self._next() is not None

    def report(self) -> DeviceReport:
        """What the camera says of itself; SourceError if it is gone."""
        with self._lock:
            return report_of(self._device)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._device.close()

    def _next(self) -> tuple[RawFrame, int, int] | None:
        """The next frame, when it was taken, and its trigger's count; None once closed."""
        since = time.monotonic()
        while not self._closed.is_set():
            fired = self._fire()
            try:
                with self._lock:
                    self._probe()
                    raw = None if self._closed.is_set() else self._device.grab(GRAB_S)
            except SourceError as error:
                self._reopen(str(error), since)
                continue
            if raw is not None:
                self.trouble = ""
                return self._number(raw, fired)
            silent_s = time.monotonic() - since
            if self._settings.triggered:
                self.trouble = f"it waits for its trigger ({self._settings.trigger})"
            elif silent_s > max(SILENCE_S, SILENCE_FRAMES / (self.fps or 30.0)):
                self._reopen("it sends nothing", since)
        return None

    def _number(self, raw: RawFrame, fired: int) -> tuple[RawFrame, int, int]:
        """Count a frame, and find its time."""
        time_ns = max(self._time_ns(raw), self._last_ns + 1)
        step = self._ids.step(raw.frame_id)
        if self._resumed:  # its ids began anew: those of the pause are known by the time alone
            step = max(1, round((time_ns - self._last_ns) / NS_PER_S * self.fps)) if self._index >= 0 else 1
            self._resumed = False
        self._index += step
        self._last_ns = time_ns
        self.incomplete += raw.pixels is None
        triggered = self._index if self._settings.triggered else -1
        return raw, time_ns, fired if fired >= 0 else triggered

    def _time_ns(self, raw: RawFrame) -> int:
        """The middle of the exposure by the camera's clock; where it has none, the time of arrival."""
        if not raw.stamp_ns:
            return raw.arrival_ns
        self._clock.add_arrival(raw.stamp_ns, raw.arrival_ns)
        if not self._clock.known:
            return raw.arrival_ns
        time_ns = self._clock.host_ns(raw.stamp_ns + self._half_exposure_ns)
        if time_ns > raw.arrival_ns + FUTURE_NS + self._half_exposure_ns:
            self._clock = DeviceClock()
            return raw.arrival_ns
        return time_ns

    def _fire(self) -> int:
        """Fire a software trigger when it is due, on a grid that all cameras here share; its count, or -1."""
        if self._settings.trigger != "software":
            return -1
        step_ns = NS_PER_S / self.fps
        count = int(time.monotonic_ns() / step_ns) + 1
        self._closed.wait(max(0.0, (count * step_ns - time.monotonic_ns()) / NS_PER_S))
        with self._lock:
            if not self._closed.is_set():
                self._device.features.execute("TriggerSoftware")
        return count

    def _probe(self) -> None:
        """Relate the camera's clock to this machine's, twice a second; several times at first."""
        while time.monotonic() >= self._next_probe_s and not self._closed.is_set():
            features = self._device.features
            exposure = first_value(features, ("ExposureTime", "ExposureTimeAbs"))
            self._half_exposure_ns = round(float(exposure) * 500) if exposure is not None else 0
            asked_ns = time.monotonic_ns()
            stamp = latch_ns(features)
            answered_ns = time.monotonic_ns()
            self._probes += 1
            if stamp is None:
                self._next_probe_s = time.monotonic() + PROBE_S
                return
            self._clock.add_probe(asked_ns, stamp, answered_ns)
            if self._probes >= FIRST_PROBES:
                self._next_probe_s = time.monotonic() + PROBE_S

    def _open(self) -> Device:
        device = self.connect(self._wanted, self._fps, self._settings)
        try:
            bits_of(device.pixel_format)
        except SourceError:
            device.close()
            raise
        self._clock = DeviceClock()
        self._probes, self._next_probe_s, self._half_exposure_ns = 0, 0.0, 0
        return device

    def _reopen(self, reason: str, since: float) -> None:
        """Open it again; SourceError where it stayed away for longer than `reconnect_s`."""
        self.trouble = f"{reason}; it is opened again"
        self.reconnects += 1
        with self._lock:
            self._device.close()
        while not self._closed.is_set():
            try:
                with self._lock:
                    self._device = self._open()
            except SourceError as error:
                if (away_s := time.monotonic() - since) > self._reconnect_s:
                    raise SourceError(f"it has given no picture for {away_s:.0f} s: {error}") from None
                self._closed.wait(RETRY_S)
                continue
            self._ids.restart()
            self._resumed = True
            return


def latch_ns(features: Features) -> int | None:
    """What the camera's clock shows now, ns; None if it cannot be asked."""
    for command, value in LATCHES:
        if features.execute(command) and (ticks := features.read(value)) is not None:
            rate = features.read("GevTimestampTickFrequency") or NS_PER_S
            return round(int(ticks) * NS_PER_S / int(rate))
    return None
