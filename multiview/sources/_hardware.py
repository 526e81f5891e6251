"""Decoding by a graphics card or a media engine, where it is asked for and there is one; else by the processor.

The standards of H.264 and HEVC fix every bit of a decoded picture; what unpacks it to BGR may round otherwise. So that
results are the same on every machine, hardware is used only where it is asked for.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING

from multiview.errors import ConfigError

if TYPE_CHECKING:
    import av

__all__ = ["open_container"]

VARIABLE = "MULTIVIEW_HARDWARE"
OFF, AUTO = "off", "auto"


def open_container(
    address: str, options: dict[str, str] | None, timeouts_s: tuple[float, float] | None, hardware: str
) -> av.container.InputContainer:
    """A file or stream, whose video is decoded by hardware if that is wanted and offered; what falls back is said.

    Args:
        address: As FFmpeg takes it.
        options: Of FFmpeg's demuxer and protocol.
        timeouts_s: To open it, and the longest silence while reading.
        hardware: "off", "auto", or a kind of device as FFmpeg names it; empty: what MULTIVIEW_HARDWARE says, else off.

    Raises:
        ConfigError: FFmpeg has no such kind of device here.
    """
    import av
    from av.codec.hwaccel import HWAccel

    hardware = hardware or os.environ.get(VARIABLE, "") or OFF
    for device in _devices(hardware):
        accelerated = HWAccel(device, allow_software_fallback=False)
        try:
            return av.open(
                address, options=options or {}, timeout=timeouts_s, metadata_errors="replace", hwaccel=accelerated
            )
        except (av.FFmpegError, OSError, RuntimeError, NotImplementedError, ValueError):
            continue  # there is none, or it does not decode this codec; a bad file fails once more below
    container = av.open(address, options=options or {}, timeout=timeouts_s, metadata_errors="replace")
    if hardware != OFF and container.streams.video:
        _say(hardware, container.streams.video[0].codec_context.name)
    return container


def _devices(hardware: str) -> list[str]:
    from av.codec.hwaccel import hwdevices_available

    offered = hwdevices_available()
    if hardware in (OFF, AUTO):
        return offered if hardware == AUTO else []
    if hardware not in offered:
        raise ConfigError(f'hardware = "{hardware}": FFmpeg has {", ".join(offered) or "none"} here; or "auto", "off"')
    return [hardware]


@cache
def _say(hardware: str, codec: str) -> None:
    """Once, not for every camera."""
    logging.warning('hardware = "%s": no device here decodes %s; the processor does', hardware, codec)
