"""TRC, the marker file of OpenSim and Cortex: a head of five lines, then frame, time and x y z of every marker.

https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089592 (Marker .trc files)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.marker_files._markers import Markers

__all__ = ["read"]


def read(path: Path) -> Markers:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    settings = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    names = tuple(word.strip() for word in lines[3].split("\t")[2:] if word.strip())
    width = 2 + 3 * len(names)
    rows = []
    for line in lines[5:]:
        cells = [cell.strip() for cell in line.split("\t")]
        if any(cells):
            rows.append([float(cell) if cell else np.nan for cell in (cells + [""] * width)[:width]])
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    xyz = table[:, 2:].reshape(len(table), len(names), 3)
    return Markers(table[:, 1], xyz, names, settings["Units"].strip())
