"""Plugins, cameras and files to frames: each file has a class `Source` that follows `FrameSource`."""

from __future__ import annotations

from multiview.sources._container_times import ContainerTimes
from multiview.sources._device import DeviceReport, ReportsState
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._open import device_addresses, is_device, is_file_address, is_webcam, open_source, settings_fault
from multiview.sources._paced import Paced
from multiview.sources._parts import is_chapter, later_parts, open_cameras, without_parts
from multiview.sources._picture_files import PictureDepth, numbered_pictures, read_picture
from multiview.sources._reader import Policy, Reader, Selection
from multiview.sources._rotated import rotated
from multiview.sources._sound import Sound, read_sound
from multiview.sources._source import FrameSource, Seekable
from multiview.sources._timestamps import Timestamps, read_timestamps, timestamps_beside
from multiview.sources._video_start import VideoStart, timecode_s, video_start
from multiview.sources._webcam_modes import WebcamMode, webcam_modes

__all__ = [
    "ContainerTimes",
    "DeviceReport",
    "DeviceSettings",
    "FrameSource",
    "Paced",
    "PictureDepth",
    "Policy",
    "Reader",
    "ReportsState",
    "Seekable",
    "Selection",
    "Sound",
    "Timestamps",
    "VideoStart",
    "WebcamMode",
    "device_addresses",
    "is_chapter",
    "is_device",
    "is_file_address",
    "is_webcam",
    "later_parts",
    "numbered_pictures",
    "open_cameras",
    "open_source",
    "read_picture",
    "read_sound",
    "read_timestamps",
    "rotated",
    "settings_fault",
    "timecode_s",
    "timestamps_beside",
    "video_start",
    "webcam_modes",
    "without_parts",
]
