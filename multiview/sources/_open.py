"""A camera, stream, video or folder of pictures from the one string that a user writes for it."""

from __future__ import annotations

from pathlib import Path

from multiview.common.names import name_of_file
from multiview.common.plugins import load_plugin
from multiview.common.secret import hide_secrets
from multiview.errors import SourceError
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._parts import Parts, later_parts
from multiview.sources._source import FrameSource

__all__ = ["device_addresses", "is_device", "is_file_address", "is_webcam", "open_source", "settings_fault"]

DEVICES = ("basler", "genicam")  # plugins whose addresses begin with their name
WEBCAM_SETTINGS = ("size", "pixel_format", "exposure_us", "exposure_auto")


def is_device(address: str) -> bool:
    """Whether it is that of an industrial camera: "basler:SERIAL", "genicam:SERIAL"."""
    return address.partition(":")[0] in DEVICES and ":" in address


def is_webcam(address: str) -> bool:
    """Whether it is that of a camera of this computer: "0", "/dev/video0", "/dev/v4l/by-path/..."."""
    return address.isdigit() or address.startswith("/dev/")


def settings_fault(address: str, settings: DeviceSettings) -> str:
    """Why a camera cannot be set so; empty if it can.

    Args:
        address: Its own.
        settings: Of a studio file.

    Returns:
        Words.
    """
    if is_webcam(address):
        return "" if settings.only(*WEBCAM_SETTINGS) else f"of a webcam can be set: {', '.join(WEBCAM_SETTINGS)}"
    if is_device(address):
        return "size is for webcams: set roi" if settings.size else ""
    known = "basler: and genicam: cameras and for webcams"
    return "" if settings.only() else f"settings are for {known}, not for {hide_secrets(address)}"


def device_addresses() -> list[str]:
    """Of the industrial cameras that answer, each once; takes a second where Aravis asks a network for them."""
    found: dict[str, str] = {}
    for kind in DEVICES:
        for address in load_plugin("multiview.sources", kind).addresses():
            found.setdefault(address.partition(":")[2], address)
    return list(found.values())


def is_file_address(address: str) -> bool:
    """Whether it is a path: no webcam, stream or industrial camera."""
    return not (is_webcam(address) or "://" in address or is_device(address))


def open_source(
    address: str,
    name: str = "",
    folder: Path | None = None,
    fps: float = 0.0,
    beside: int = 0,
    settings: DeviceSettings | None = None,
    hardware: str = "",
) -> FrameSource:
    """Open a camera, a stream, a video, a folder of pictures, or a source of one's own.

    Args:
        address: "0", "/dev/video0" or "/dev/v4l/by-path/..." (webcam), "rtsp://..." or "http://..." (stream),
            "basler:SERIAL" or "genicam:SERIAL" (industrial camera), a video, a folder, or "./my.py". A recorded video
            has later parts.
        name: The camera's.
        folder: Where relative paths start.
        fps: Frame rate, where it is not that of the file or camera; 0: theirs.
        beside: How many other videos are read at once; they share the cores.
        settings: What an industrial camera or a webcam is set to.
        hardware: What decodes a video or stream: "off", "auto", or a kind of device as FFmpeg names it; empty: what the
            environment's MULTIVIEW_HARDWARE says, else off.

    Returns:
        The source, opened.

    Raises:
        SourceError: It cannot be opened.
    """
    if settings is not None and (fault := settings_fault(address, settings)):
        raise SourceError(fault)
    if is_device(address):
        return load_plugin("multiview.sources", address.partition(":")[0]).Source(address, name, fps, settings)
    if is_webcam(address) or "://" in address:
        return load_plugin("multiview.sources", "stream").Source(
            address, name, fps=fps, hardware=hardware, settings=settings
        )
    path = Path(address) if folder is None else folder / address
    if path.suffix == ".py":
        return _own(path, name)
    if path.is_dir():
        return load_plugin("multiview.sources", "images").Source(path, name, fps)
    if path.is_file():
        video = load_plugin("multiview.sources", "video").Source
        if parts := later_parts(path):
            own_name = name or name_of_file(path.stem)
            return Parts([path, *parts], lambda part: video(part, own_name, fps, beside, hardware))
        return video(path, name, fps, beside, hardware)
    raise SourceError(
        f"there is no source {path}: give a video, a folder of pictures, a webcam's number or a stream's address"
    )


def _own(path: Path, name: str) -> FrameSource:
    module = load_plugin("multiview.sources", str(path))
    if not hasattr(module, "Source"):
        raise SourceError(f'{path} has no "Source"; a source file has a class Source(name)')
    source: FrameSource = module.Source(name)
    wanted = sorted(set(FrameSource.__annotations__) | {"read", "skip", "close"})
    if missing := [member for member in wanted if not hasattr(source, member)]:
        raise SourceError(f"{path}: its Source has no {', '.join(missing)} (see multiview/sources/__init__.py)")
    return source
