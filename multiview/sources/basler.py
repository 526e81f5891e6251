"""Basler cameras by pypylon: "basler:SERIAL", by serial number, user-defined name or IP address; "basler:" the first.

Without a camera, `PYLON_CAMEMU=2` in the environment gives two emulated ones, 0815-0000 and 0815-0001.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from multiview.data import NS_PER_S
from multiview.errors import SourceError, one_line
from multiview.sources._device import Device, RawFrame
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._device_source import DeviceSource
from multiview.sources._genicam_features import Features, Value, apply_settings

__all__ = ["PREFIX", "Source", "addresses"]

PREFIX = "basler:"
NO_ID = (1 << 64) - 1
NO_PYPYLON = 'Basler cameras need one more package: pip install "multiview-mocap[basler]"'
LOSSES = {
    "packets lost": "Statistic_Failed_Packet_Count",
    "packets sent again": "Statistic_Resend_Packet_Count",
    "frames damaged": "Statistic_Failed_Buffer_Count",
    "frames without a buffer": "Statistic_Buffer_Underrun_Count",
}


class Source(DeviceSource):
    """Frames of one Basler camera, by its serial number, user-defined name or IP address."""

    prefix = PREFIX

    @staticmethod
    def connect(wanted: str, fps: float, settings: DeviceSettings) -> Device:
        return _Camera(wanted, fps, settings)


def addresses() -> list[str]:
    """Of the Basler cameras that are connected; none where pypylon is not installed."""
    try:
        return [PREFIX + info.GetSerialNumber() for info in _load().TlFactory.GetInstance().EnumerateDevices()]
    except SourceError:
        return []


def _load() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it crashes where a warning of its import is an error
            from pypylon import pylon
    except ImportError:
        raise SourceError(NO_PYPYLON) from None
    return pylon


class _Features:
    """Features of a node map of pylon's."""

    def __init__(self, node_map: Any) -> None:
        from pypylon import genicam

        self._map, self._genicam = node_map, genicam

    def read(self, name: str) -> Value | None:
        try:
            node = self._map.GetNode(name)
            if node is None or not self._genicam.IsReadable(node):
                return None
            value = node.Value
        except (self._genicam.GenericException, AttributeError):
            return None
        return value if isinstance(value, bool | int | float | str) else None

    def write(self, name: str, value: Value) -> None:
        try:
            node = self._map.GetNode(name)
            if node is None:
                raise SourceError(f"this camera has no {name}")
            node.Value = type(node.Value)(value) if isinstance(value, int | float) else value
        except (self._genicam.GenericException, AttributeError, TypeError, ValueError) as error:
            raise SourceError(f"the camera refuses it: {_words(error)}") from None

    def execute(self, name: str) -> bool:
        try:
            node = self._map.GetNode(name)
            if node is None or not self._genicam.IsWritable(node):
                return False
            node.Execute()
        except (self._genicam.GenericException, AttributeError):
            return False
        return True


class _Camera:
    """One opened camera that is acquiring."""

    def __init__(self, wanted: str, fps: float, settings: DeviceSettings) -> None:
        self._pylon = pylon = _load()
        from pypylon import genicam

        self._error = genicam.GenericException
        info = _find(pylon, wanted)
        try:
            self._camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateDevice(info))
            self._camera.Open()
        except self._error as error:
            raise SourceError(
                f"the Basler camera {info.GetSerialNumber()} cannot be opened: is another program using it? "
                f"({_words(error)})"
            ) from None
        self.features: Features = _Features(self._camera.GetNodeMap())
        try:
            apply_settings(self.features, settings, fps)
            self._camera.MaxNumBuffer.Value = settings.buffers
            self.pixel_format = str(self.features.read("PixelFormat")).replace("8Packed", "8")
            self.size = (int(self._camera.Width.Value), int(self._camera.Height.Value))
            self._tick_hz = int(self.features.read("GevTimestampTickFrequency") or NS_PER_S)
            self._camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        except self._error as error:
            self.close()
            raise SourceError(f"the Basler camera {info.GetSerialNumber()} does not start: {_words(error)}") from None
        except SourceError:
            self.close()
            raise

    def grab(self, timeout_s: float) -> RawFrame | None:
        try:
            result = self._camera.RetrieveResult(round(1e3 * timeout_s), self._pylon.TimeoutHandling_Return)
            arrival_ns = time.monotonic_ns()
            if self._camera.IsCameraDeviceRemoved():
                raise SourceError("it was unplugged")
            if result is None or not result.IsValid():
                return None
            try:
                return self._frame(result, arrival_ns)
            finally:
                result.Release()
        except self._error as error:
            raise SourceError(f"it broke off ({_words(error)})") from None

    def losses(self) -> dict[str, int]:
        features = _Features(self._camera.GetStreamGrabberNodeMap())
        counts = {what: features.read(name) for what, name in LOSSES.items()}
        return {what: int(count) for what, count in counts.items() if count is not None}

    def close(self) -> None:
        try:
            self._camera.StopGrabbing()
            self._camera.Close()
        except self._error:  # it is gone
            pass

    def _frame(self, result: Any, arrival_ns: int) -> RawFrame:
        frame_id = int(result.BlockID)
        stamp_ns = round(int(result.TimeStamp) * NS_PER_S / self._tick_hz)
        pixels = np.asarray(result.Array) if result.GrabSucceeded() else None
        return RawFrame(pixels, -1 if frame_id == NO_ID else frame_id, stamp_ns, arrival_ns)


def _find(pylon: Any, wanted: str) -> Any:
    """The device of this serial number, name or address; SourceError listing those that are there."""
    found = list(pylon.TlFactory.GetInstance().EnumerateDevices())
    for info in found:
        ip = info.GetIpAddress() if info.IsIpAddressAvailable() else ""
        if wanted in ("", info.GetSerialNumber(), info.GetUserDefinedName(), ip):
            return info
    there = ", ".join(info.GetSerialNumber() for info in found)
    raise SourceError(
        f"there is no Basler camera {wanted}".rstrip()
        + (f"; there are {there}" if there else ": check its cable and power, and that its IP address is of this net")
    )


def _words(error: Exception) -> str:
    """What pylon says, without where in its source code it says so."""
    return " : ".join(part for part in one_line(error).split(" : ") if "thrown" not in part).rstrip(".")
