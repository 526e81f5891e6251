"""Features of a camera by their standard names (GenICam SFNC 2.7), and by the older names of GigE Vision 1 cameras."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from multiview.errors import SourceError
from multiview.sources._device_settings import DeviceSettings

__all__ = ["Features", "Value", "apply_settings", "first_value"]

Value = bool | int | float | str

WHITE_BALANCE = ("Red", "Green", "Blue")
AUTO = {"off": "Off", "once": "Once", "continuous": "Continuous"}


@runtime_checkable
class Features(Protocol):
    """What a camera can be asked and set."""

    def read(self, name: str) -> Value | None:
        """The value; None if the camera has no such feature, or cannot tell now."""
        ...

    def write(self, name: str, value: Value) -> None:
        """SourceError, in the camera's words, if it does not take the value or has no such feature."""
        ...

    def execute(self, name: str) -> bool:
        """Run a command; False if the camera has none of this name."""
        ...


def first_value(features: Features, names: Iterable[str]) -> Value | None:
    """The value of the first of these features that the camera has."""
    return next((value for name in names if (value := features.read(name)) is not None), None)


def apply_settings(features: Features, settings: DeviceSettings, fps: float) -> None:
    """Set a camera that is not acquiring.

    Args:
        features: Of the camera.
        settings: What was asked for.
        fps: Frame rate; 0: as the camera has it.

    Raises:
        SourceError: It has no such feature, or does not take the value.
    """
    s = settings
    _set_format(features, s)
    _set_automatic(features, ("ExposureAuto",), s.exposure_auto, "exposure_auto")
    if s.exposure_us:
        _set(features, ("ExposureTime", "ExposureTimeAbs"), s.exposure_us, "exposure_us")
    _set_automatic(features, ("GainAuto",), s.gain_auto, "gain_auto")
    if s.gain_db >= 0:
        _set(features, ("Gain",), s.gain_db, "gain_db")
    _set_automatic(features, ("BalanceWhiteAuto",), s.white_balance_auto, "white_balance_auto")
    for colour, ratio in zip(WHITE_BALANCE, s.white_balance, strict=False):
        _set(features, ("BalanceRatioSelector",), colour, "white_balance")
        _set(features, ("BalanceRatio", "BalanceRatioAbs"), ratio, "white_balance")
    if s.packet_size:
        _set(features, ("GevSCPSPacketSize",), s.packet_size, "packet_size")
    if s.packet_delay:
        _set(features, ("GevSCPD",), s.packet_delay, "packet_delay")
    if s.ptp:
        _set(features, ("PtpEnable", "GevIEEE1588"), True, "ptp")
    _set_trigger(features, s)
    if fps and not s.triggered:
        _set_rate(features, fps)
    for name, value in s.features.items():
        _set(features, (name,), value, f"features.{name}")


def _set_format(features: Features, s: DeviceSettings) -> None:
    """Binning before the region, which counts binned pixels; the region's corner is moved away first."""
    if s.pixel_format:
        _set(features, ("PixelFormat",), s.pixel_format, "pixel_format")
    if s.binning:
        _set(features, ("BinningHorizontal",), s.binning, "binning")
        _set(features, ("BinningVertical",), s.binning, "binning")
    if s.roi:
        x, y, width, height = s.roi
        for name in ("OffsetX", "OffsetY"):
            if features.read(name):
                features.write(name, 0)
        _set(features, ("Width",), width, "roi")
        _set(features, ("Height",), height, "roi")
        for name, corner in (("OffsetX", x), ("OffsetY", y)):
            if corner or features.read(name):
                _set(features, (name,), corner, "roi")


def _set_trigger(features: Features, s: DeviceSettings) -> None:
    if not s.trigger:
        return
    if features.read("TriggerSelector") is not None:
        _set(features, ("TriggerSelector",), "FrameStart", "trigger")
    if s.triggered:
        _set(features, ("TriggerSource",), "Software" if s.trigger == "software" else s.trigger, "trigger")
        if s.trigger != "software" and features.read("TriggerActivation") is not None:
            edge = "RisingEdge" if s.trigger_edge == "rising" else "FallingEdge"
            _set(features, ("TriggerActivation",), edge, "trigger_edge")
    _set(features, ("TriggerMode",), "On" if s.triggered else "Off", "trigger")


def _set_rate(features: Features, fps: float) -> None:
    if features.read("AcquisitionFrameRateEnable") is not None:
        _set(features, ("AcquisitionFrameRateEnable",), True, "fps")
    _set(features, ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"), fps, "fps")


def _set_automatic(features: Features, names: tuple[str, ...], wanted: str, option: str) -> None:
    if wanted:
        _set(features, names, AUTO[wanted], option)


def _set(features: Features, names: tuple[str, ...], value: Value, option: str) -> None:
    """The first of these features that the camera has; SourceError names the option."""
    name = next((name for name in names if features.read(name) is not None), "")
    if not name:
        raise SourceError(f"{option} = {value}: this camera has no {' or '.join(names)}")
    try:
        features.write(name, value)
    except SourceError as error:
        raise SourceError(f"{option} = {value}: {error}") from None
