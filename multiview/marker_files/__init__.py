"""Marker trajectories of other motion-capture systems, to measure poses against: a file here for each format.

A format is found by the ending of its files, `trc.py` reads `.trc`, and has

    UNIT_M          metres per unit, if the format fixes it; None: by --unit or by the size of what is seen
    read(path)      `Markers` in the file's own unit; raises SourceError
"""

from __future__ import annotations

from multiview.marker_files._markers import Markers, read_markers

__all__ = ["Markers", "read_markers"]
