"""Any maker's GigE Vision and USB3 Vision cameras by Aravis: "genicam:SERIAL", by serial number, id or IP address.

Without a camera, "genicam:Fake_1", "genicam:Fake_2" ... are simulated.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from typing import Any

import numpy as np

from multiview.errors import SourceError
from multiview.sources._aravis import CONTROL_LOST, Aravis, load_aravis
from multiview.sources._device import Device, RawFrame
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._device_source import DeviceSource
from multiview.sources._genicam_features import Features, Value, apply_settings
from multiview.sources._pixel_formats import bits_of

__all__ = ["PREFIX", "Source", "addresses"]

PREFIX = "genicam:"
SIMULATED = "Fake_"
SUCCESS, ABORTED = 0, 7  # of ArvBufferStatus
CHECKED = 1  # of ArvRangeCheckPolicy
LOSSES = {
    "n_missing_packets": "packets lost",
    "n_resent_packets": "packets sent again",
    "n_failures": "frames damaged",
    "n_underruns": "frames without a buffer",
}
TEXTS, WHOLE = ("StringReg", "String", "Enumeration"), ("Integer", "IntReg", "MaskedIntReg", "IntSwissKnife")
NUMBERS = (*WHOLE, "IntConverter", "Float", "FloatReg", "SwissKnife", "Converter")


class Source(DeviceSource):
    """Frames of one camera, by its serial number, id or IP address."""

    prefix = PREFIX

    @staticmethod
    def connect(wanted: str, fps: float, settings: DeviceSettings) -> Device:
        return _Camera(wanted, fps, settings)


def addresses() -> list[str]:
    """Of the cameras that are connected; none where Aravis is not installed."""
    try:
        return [PREFIX + names[0] for names in _devices(load_aravis())]
    except SourceError:
        return []


def _devices(aravis: Aravis) -> list[tuple[str, str, str]]:
    """Serial number, id and address of every camera; takes a second, for those of a network to answer."""
    aravis("arv_update_device_list")
    kinds = ("arv_get_device_serial_nbr", "arv_get_device_id", "arv_get_device_address")
    return [
        (aravis.text(kinds[0], i), aravis.text(kinds[1], i), aravis.text(kinds[2], i))
        for i in range(aravis("arv_get_n_devices"))
    ]


class _Features:
    """Features of one device's GenICam file."""

    def __init__(self, aravis: Aravis, device: int) -> None:
        self._aravis, self._device = aravis, device

    def read(self, name: str) -> Value | None:
        node, kind = self._node(name)
        if node is None or kind == "Command":
            return None
        try:
            if not self._aravis("arv_device_is_feature_available", self._device, name.encode()):
                return None
            text = self._aravis.text("arv_gc_feature_node_get_value_as_string", node)
            if kind == "Boolean":
                return text.lower() in ("true", "1")
            if kind in TEXTS:
                return text
            return int(float(text)) if kind in WHOLE else float(text)
        except (SourceError, ValueError):
            return None

    def write(self, name: str, value: Value) -> None:
        node, kind = self._node(name)
        if node is None:
            raise SourceError(f"this camera has no {name}")
        if kind in NUMBERS and isinstance(value, str):
            raise SourceError(f"{name} is a number")
        try:
            if kind in WHOLE:
                self._aravis("arv_device_set_integer_feature_value", self._device, name.encode(), int(value))
            elif kind in NUMBERS:
                self._aravis("arv_device_set_float_feature_value", self._device, name.encode(), float(value))
            else:
                text = str(value).lower() if kind == "Boolean" else str(value)
                self._aravis("arv_gc_feature_node_set_value_from_string", node, text.encode())
        except SourceError as error:
            raise SourceError(f"the camera refuses it: {error}") from None

    def execute(self, name: str) -> bool:
        node, kind = self._node(name)
        if node is None or kind != "Command":
            return False
        try:
            self._aravis("arv_gc_command_execute", node)
        except SourceError:
            return False
        return True

    def _node(self, name: str) -> tuple[int | None, str]:
        """A feature's node, and what kind of node it is in the camera's file."""
        node = self._aravis("arv_device_get_feature", self._device, name.encode())
        return node, self._aravis.text("arv_dom_node_get_node_name", node) if node else ""


class _Camera:
    """One opened camera that is acquiring."""

    def __init__(self, wanted: str, fps: float, settings: DeviceSettings) -> None:
        self._aravis = aravis = load_aravis()
        self._gone, self._stream = threading.Event(), None
        self._camera = _open(aravis, wanted)
        device = aravis("arv_camera_get_device", self._camera)
        self._on_lost = CONTROL_LOST(lambda *_: self._gone.set())  # kept: C code holds no reference to it
        aravis("g_signal_connect_data", device, b"control-lost", self._on_lost, None, None, 0)
        aravis("arv_device_set_range_check_policy", device, CHECKED)
        self.features: Features = _Features(aravis, device)
        try:
            apply_settings(self.features, settings, fps)
            self.pixel_format = str(self.features.read("PixelFormat"))
            self._channels = 3 if self.pixel_format.startswith(("RGB", "BGR")) else 1
            self._kind = np.dtype(np.uint8 if bits_of(self.pixel_format) == 8 else np.uint16)
            self.size = (_whole(self.features, "Width"), _whole(self.features, "Height"))
            payload = aravis("arv_camera_get_payload", self._camera)
            self._stream = aravis("arv_camera_create_stream", self._camera, None, None)
            for _ in range(settings.buffers):
                aravis("arv_stream_push_buffer", self._stream, aravis("arv_buffer_new_allocate", payload))
            aravis("arv_camera_start_acquisition", self._camera)
        except SourceError:
            self.close()
            raise

    def grab(self, timeout_s: float) -> RawFrame | None:
        if self._gone.is_set():
            raise SourceError("it was unplugged")
        buffer = self._aravis("arv_stream_timeout_pop_buffer", self._stream, round(1e6 * timeout_s))
        arrival_ns = time.monotonic_ns()
        if not buffer:
            return None
        try:
            status = self._aravis("arv_buffer_get_status", buffer)
            if status == ABORTED:
                return None
            frame_id = int(self._aravis("arv_buffer_get_frame_id", buffer))
            stamp_ns = int(self._aravis("arv_buffer_get_timestamp", buffer))
            return RawFrame(self._pixels(buffer) if status == SUCCESS else None, frame_id, stamp_ns, arrival_ns)
        finally:
            self._aravis("arv_stream_push_buffer", self._stream, buffer)

    def losses(self) -> dict[str, int]:
        aravis, stream = self._aravis, self._stream
        counts = {}
        for i in range(aravis("arv_stream_get_n_infos", stream)):
            if what := LOSSES.get(aravis.text("arv_stream_get_info_name", stream, i)):
                counts[what] = int(aravis("arv_stream_get_info_uint64", stream, i))
        return counts

    def close(self) -> None:
        camera, self._camera = self._camera, None
        stream, self._stream = self._stream, None
        if camera is None:
            return
        if not self._gone.is_set():
            with contextlib.suppress(SourceError):
                self._aravis("arv_camera_stop_acquisition", camera)
        if stream is not None:
            self._aravis("g_object_unref", stream)
        self._aravis("g_object_unref", camera)

    def _pixels(self, buffer: int) -> np.ndarray | None:
        """A copy of the picture; None where the buffer does not hold all of it."""
        size = ctypes.c_size_t()
        data = self._aravis("arv_buffer_get_data", buffer, ctypes.byref(size))
        width = self._aravis("arv_buffer_get_image_width", buffer)
        height = self._aravis("arv_buffer_get_image_height", buffer)
        count = width * height * self._channels
        if not data or size.value < count * self._kind.itemsize:
            return None
        pixels = np.frombuffer(ctypes.string_at(data, count * self._kind.itemsize), self._kind)
        return pixels.reshape((height, width, 3) if self._channels == 3 else (height, width))


def _open(aravis: Aravis, wanted: str) -> Any:
    """The camera of this serial number, id or address; SourceError listing those that are there."""
    if wanted.startswith(SIMULATED) and wanted.removeprefix(SIMULATED).isdigit():
        return aravis("arv_camera_new_with_device", aravis("arv_fake_device_new", wanted.encode()))
    name = wanted
    if not _is_address(wanted):
        found = _devices(aravis)
        name = next((names[1] for names in found if wanted in ("", *names)), "")
        if not name:
            there = ", ".join(names[0] for names in found)
            raise SourceError(
                f"there is no camera {wanted}".rstrip()
                + (
                    f"; there are {there}"
                    if there
                    else ": check its cable, power and IP address (it may be of another net)"
                )
            )
    try:
        return aravis("arv_camera_new", name.encode())
    except SourceError as error:
        raise SourceError(
            f"the camera {wanted or name} cannot be opened: is another program using it? ({error})"
        ) from None


def _is_address(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)


def _whole(features: Features, name: str) -> int:
    value = features.read(name)
    if not isinstance(value, int):
        raise SourceError(f"this camera does not tell its {name}")
    return value
