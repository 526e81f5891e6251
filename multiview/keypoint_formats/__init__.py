"""Recorded 2D keypoints of other programs: one module per format, found by its file's name.

A format says what its files hold in its first lines, and has

    SUFFIXES                 the endings of its files
    recognises(path, head)   whether a file is of this format, by its first bytes and, for HDF5, by what is in it
    read(path)               all that is in it, a `KeypointFile`; raises SourceError
"""

from __future__ import annotations

from multiview.keypoint_formats._format import Format, format_names, format_of, load_format
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen
from multiview.keypoint_formats._recording import OPENPOSE, OpenedKeypoints, holds_keypoints, open_keypoints

__all__ = [
    "OPENPOSE",
    "Format",
    "KeypointFile",
    "OpenedKeypoints",
    "Seen",
    "format_names",
    "format_of",
    "holds_keypoints",
    "load_format",
    "open_keypoints",
]
