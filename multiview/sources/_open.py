"""A camera, stream, video or folder of pictures from the one string that a user writes for it."""

from __future__ import annotations

from pathlib import Path

from multiview.common.names import name_of_file
from multiview.common.plugins import load_plugin
from multiview.errors import SourceError
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._parts import Parts, later_parts
from multiview.sources._source import FrameSource

__all__ = ["device_addresses", "is_device", "is_file_address", "open_source"]

DEVICES = ("basler", "genicam")  # plugins whose addresses begin with their name


def is_device(address: str) -> bool:
    """Whether it is that of an industrial camera: "basler:SERIAL", "genicam:SERIAL"."""
    return address.partition(":")[0] in DEVICES and ":" in address


def device_addresses() -> list[str]:
    """Of the industrial cameras that answer, each once; takes a second where Aravis asks a network for them."""
    found: dict[str, str] = {}
    for kind in DEVICES:
        for address in load_plugin("multiview.sources", kind).addresses():
            found.setdefault(address.partition(":")[2], address)
    return list(found.values())


def is_file_address(address: str) -> bool:
    """Whether it is a path: no webcam, stream or industrial camera."""
    return not (address.isdigit() or address.startswith("/dev/") or "://" in address or is_device(address))


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
        address: "0" or "/dev/video0" (webcam), "rtsp://..." or "http://..." (stream), "basler:SERIAL" or
            "genicam:SERIAL" (industrial camera), a video, a folder, or "./my.py". A recorded video has later parts.
        name: The camera's.
        folder: Where relative paths start.
        fps: Frame rate, where it is not that of the file or camera; 0: theirs.
        beside: How many other videos are read at once; they share the cores.
        settings: What an industrial camera is set to.
        hardware: What decodes a video or stream: "off", "auto", or a kind of device as FFmpeg names it; empty: what the
            environment's MULTIVIEW_HARDWARE says, else off.

    Returns:
        The source, opened.

    Raises:
        SourceError: It cannot be opened.
    """
    if is_device(address):
        return load_plugin("multiview.sources", address.partition(":")[0]).Source(address, name, fps, settings)
    if settings is not None and settings != DeviceSettings():
        raise SourceError(f"{address}: settings are for basler: and genicam: cameras; leave them out")
    if address.isdigit() or address.startswith("/dev/video") or "://" in address:
        return load_plugin("multiview.sources", "stream").Source(address, name, fps=fps, hardware=hardware)
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
