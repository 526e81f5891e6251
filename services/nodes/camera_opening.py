"""The cameras of a worker, opened: each here, or live ones that share it in processes of their own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from multiview.cameras.camera import Rig
from multiview.errors import SourceError
from multiview.sources import DeviceSettings, FrameSource, is_file_address, open_source, rotated
from multiview.studio.config import CameraSource, Studio
from services.nodes.camera_process import PATIENCE_S, CameraProcess

__all__ = ["Opener", "camera_opener", "open_all"]

FIRST_OPEN_S = 20.0  # for so long those that share a worker wait for each other to open
USUAL_FPS = 30.0  # Hz, of a camera that has not opened yet

Opener = Callable[[], FrameSource]


def camera_opener(studio: Studio, camera: str, beside: int) -> Opener:
    """Opens a camera's source, again and again.

    Args:
        studio: Whose camera.
        camera: Its name.
        beside: How many other cameras share this machine's cores.
    """
    options = studio.source_of(camera)
    assert isinstance(options, CameraSource)
    address = options.address_of(camera)
    settings, hardware = options.settings, options.hardware
    return partial(_open, address, camera, Path.cwd(), options.fps, beside, settings, hardware, options.rotate)


def _open(
    address: str,
    name: str,
    folder: Path,
    fps: float,
    beside: int,
    settings: DeviceSettings,
    hardware: str,
    rotate: int,
) -> FrameSource:
    return rotated(open_source(address, name, folder, fps, beside, settings, hardware), rotate)


def open_all(openers: dict[str, Opener], studio: Studio, rig: Rig) -> dict[str, FrameSource]:
    """Open the cameras of a worker; those that are live and share it in processes of their own.

    Args:
        openers: By the cameras' names.
        studio: Whose cameras.
        rig: With their sizes.

    Returns:
        The sources, by name; one in a process of its own may open later.

    Raises:
        SourceError: None of them can be opened, or one that is read here cannot.
    """
    sources: dict[str, FrameSource] = {}
    for name, opener in openers.items():
        options = studio.source_of(name)
        assert isinstance(options, CameraSource)
        apart = len(openers) > 1 and _may_block(options.address_of(name))
        size, fps = rig.cameras[rig.index(name)].size, options.fps or studio.sync.rate_hz or USUAL_FPS
        sources[name] = CameraProcess(opener, name, size, fps, PATIENCE_S) if apart else opener()
    processes = [source for source in sources.values() if isinstance(source, CameraProcess)]
    end = time.monotonic() + FIRST_OPEN_S
    for process in processes:
        if not process.wait_open(end - time.monotonic()):
            logging.warning("%s joins when it can: %s", process.name, process.trouble)
    if processes and len(processes) == len(sources) and all(process.failed for process in processes):
        for process in processes:
            process.close()
        raise SourceError(f"{processes[0].name}: {processes[0].trouble}")
    return sources


def _may_block(address: str) -> bool:
    """Whether a source may be live: a device, a stream, or somebody's own."""
    return not is_file_address(address) or address.endswith(".py")
