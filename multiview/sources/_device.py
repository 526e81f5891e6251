"""What every industrial camera does, whichever library reaches it: an open connection that frames come from."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from multiview.sources._genicam_features import Features, first_value

__all__ = ["Device", "DeviceReport", "RawFrame", "ReportsState", "report_of"]


class RawFrame(NamedTuple):
    """One frame as it came.

    Attributes:
        pixels: (H, W) or (H, W, 3), uint8 or uint16; None where packets of it are missing.
        frame_id: The camera's own count; -1 if it has none.
        stamp_ns: On the camera's clock; 0 if it has none.
        arrival_ns: When it was here, on this machine's monotonic clock.
    """

    pixels: np.ndarray | None
    frame_id: int
    stamp_ns: int
    arrival_ns: int


@runtime_checkable
class Device(Protocol):
    """A camera that is acquiring."""

    features: Features
    pixel_format: str
    size: tuple[int, int]  # width, height

    def grab(self, timeout_s: float) -> RawFrame | None:
        """The next frame; None if none came in time; SourceError, with the reason, once the camera is gone."""
        ...

    def losses(self) -> dict[str, int]:
        """What its driver has counted since it was opened: packets and frames that never arrived."""
        ...

    def close(self) -> None:
        """Let go of the camera, which may be gone; may be called twice."""
        ...


class DeviceReport(NamedTuple):
    """What a camera says of itself; empty, or None, where it does not tell."""

    model: str
    firmware: str
    link_mbit_s: float | None
    temperature_c: float | None
    ptp: str
    ptp_offset_ns: float | None
    losses: dict[str, int]


@runtime_checkable
class ReportsState(Protocol):
    """A source whose camera can be asked how it is."""

    def report(self) -> DeviceReport:
        """What the camera says of itself; SourceError if it is gone."""
        ...


def report_of(device: Device) -> DeviceReport:
    """Ask a camera for its state; what it does not know is left out."""
    features = device.features
    for latch in ("PtpDataSetLatch", "GevIEEE1588DataSetLatch"):
        features.execute(latch)
    model = " ".join(str(v) for name in ("DeviceVendorName", "DeviceModelName") if (v := features.read(name)))
    return DeviceReport(
        model=model,
        firmware=str(first_value(features, ("DeviceFirmwareVersion", "DeviceVersion")) or ""),
        link_mbit_s=_link(features),
        temperature_c=_number(features, "DeviceTemperature", "TemperatureAbs"),
        ptp=_ptp(features),
        ptp_offset_ns=_number(features, "PtpOffsetFromMaster", "GevIEEE1588OffsetFromMaster"),
        losses=device.losses(),
    )


def _ptp(features: Features) -> str:
    """Its state, where PTP is on."""
    if not first_value(features, ("PtpEnable", "GevIEEE1588")):
        return ""
    return str(first_value(features, ("PtpStatus", "GevIEEE1588Status")) or "on")


def _link(features: Features) -> float | None:
    """Mbit/s; DeviceLinkSpeed is in bytes per second, GevLinkSpeed in Mbit/s."""
    if (in_bytes := _number(features, "DeviceLinkSpeed")) is not None:
        return in_bytes * 8e-6
    return _number(features, "GevLinkSpeed")


def _number(features: Features, *names: str) -> float | None:
    value = first_value(features, names)
    return None if value is None or isinstance(value, str) else float(value)
