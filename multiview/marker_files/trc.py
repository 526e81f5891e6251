"""TRC, the marker file of OpenSim and Cortex: a head of five lines, then frame, time and x y z of every marker.

A file that ends within a line, and has fewer frames than its head says or a shorter one, was cut.
https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089592 (Marker .trc files)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.errors import SourceError
from multiview.marker_files._markers import Markers

__all__ = ["read"]


def read(path: Path) -> Markers:
    text = path.read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    settings = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    names = tuple(word.strip() for word in lines[3].split("\t")[2:] if word.strip())
    width = 2 + 3 * len(names)
    rows, short = [], False
    for line in lines[5:]:
        cells = [cell.strip() for cell in line.split("\t")]
        if any(cells[width:]):
            raise SourceError(f"{path}: the row of frame {cells[0][:20]} has more numbers than {len(names)} markers")
        if any(cells):
            short = len(cells) < width
            rows.append([float(cell) if cell else np.nan for cell in (cells + [""] * width)[:width]])
    promised = int(float(settings.get("NumFrames") or 0))
    if (short or len(rows) < promised) and not text.endswith(("\n", "\r")):
        raise SourceError(f"{path}: it ends within frame {len(rows)} of {promised}: it is cut")
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    xyz = table[:, 2:].reshape(len(table), len(names), 3)
    return Markers(table[:, 1], xyz, names, settings["Units"].strip())
