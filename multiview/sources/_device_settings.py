"""What an industrial camera or a webcam is set to: a studio file's `[cameras.NAME.source.settings]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from multiview.common.ranges import between

__all__ = ["DeviceSettings"]

Auto = Literal["", "off", "once", "continuous"]
Pixels = Annotated[int, between(0, 65535, "px")]
Bytes = Annotated[int, between(0, 65535, "bytes")]


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a `basler:` or `genicam:` camera, or a webcam; what is left out stays as the camera has it.

    Webcams take `size`, `pixel_format`, `exposure_us` and `exposure_auto`.
    """

    size: Annotated[list[Pixels], msgspec.Meta(max_length=2)] = []
    """Of a webcam: [width, height] of its pictures, px."""
    pixel_format: str = ""
    """Mono8, BayerRG8, BGR8 ... as the camera calls it; Bayer becomes BGR here, deeper than 8 bits its upper 8.

    Of a webcam four letters: "MJPG" leaves room for several on one USB plug.
    """
    roi: Annotated[list[Pixels], msgspec.Meta(max_length=4)] = []
    """Part of the sensor to read, [x, y, width, height], px after binning."""
    binning: Annotated[int, between(0, 16, "px")] = 0
    """Sensor pixels, each way, that become one."""
    exposure_us: Annotated[float, between(0, 1e8, "us")] = 0.0
    """Exposure time, us."""
    exposure_auto: Auto = ""
    """Whether the camera chooses it."""
    gain_db: Annotated[float, between(-1, 100, "dB")] = -1.0
    """Gain, dB; -1: as it is."""
    gain_auto: Auto = ""
    """Whether the camera chooses it."""
    white_balance: Annotated[list[Annotated[float, between(0, 100)]], msgspec.Meta(max_length=3)] = []
    """Ratios of red, green and blue."""
    white_balance_auto: Auto = ""
    """Whether the camera chooses them."""
    packet_size: Bytes = 0
    """Bytes of a packet on Ethernet: 1500, or 8192 where every device on the way takes jumbo frames."""
    packet_delay: Annotated[int, between(0, 10**9)] = 0
    """Pause between packets, ticks of the camera's clock, where several cameras share a cable."""
    trigger: str = ""
    """What begins an exposure: "off" (its own rate), "software", or a line of the camera, "Line1"."""
    trigger_edge: Literal["rising", "falling"] = "rising"
    """Of the line."""
    ptp: bool = False
    """Set the camera's clock by PTP (IEEE 1588)."""
    buffers: Annotated[int, between(2, 1000)] = 32
    """Frames that may wait in memory."""
    features: dict[str, bool | int | float | str] = {}
    """Any other feature of the camera by its GenICam name, set last."""

    def __post_init__(self) -> None:
        if self.size and (len(self.size) != 2 or 0 in self.size):
            raise ValueError(f"size must be [width, height], not {self.size}")
        if self.roi and (len(self.roi) != 4 or 0 in self.roi[2:]):
            raise ValueError(f"roi must be [x, y, width, height], not {self.roi}")
        if self.white_balance and len(self.white_balance) != 3:
            raise ValueError(f"white_balance must be [red, green, blue], not {self.white_balance}")

    @property
    def triggered(self) -> bool:
        """Whether exposures begin at a trigger's pulses."""
        return self.trigger not in ("", "off")

    def only(self, *names: str) -> bool:
        """Whether nothing is set but these."""
        kept = {name: getattr(self, name) for name in names}
        return self == DeviceSettings(**kept)
