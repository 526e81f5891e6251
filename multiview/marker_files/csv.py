"""CSV with a column `time` in seconds and three columns for each marker: NAME_x, NAME_y, NAME_z (or NAME.X, NAME X).

A last row that does not end its line may be cut within a number: it is left out.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from multiview.errors import SourceError
from multiview.marker_files._markers import Markers

__all__ = ["read"]

_COLUMN = re.compile(r"(.+?)[_. :]([xyzXYZ])")


def read(path: Path) -> Markers:
    text = path.read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if len(rows) > 1 and not text.endswith(("\n", "\r")):
        rows.pop()
    head = [cell.strip() for cell in rows[0]] if rows else []
    lower = [cell.lower() for cell in head]
    if "time" not in lower:
        raise SourceError(f"{path}: it has no column time, in seconds")
    places: dict[str, dict[str, int]] = {}
    for column, cell in enumerate(head):
        if found := _COLUMN.fullmatch(cell):
            places.setdefault(found[1], {})[found[2].lower()] = column
    names = tuple(name for name, axes in places.items() if len(axes) == 3)
    if not names:
        raise SourceError(f"{path}: it has no marker with the columns NAME_x, NAME_y and NAME_z")
    for row in rows[1:]:
        if any(row) and len(row) != len(head):
            raise SourceError(f"{path}: the row of {row[0][:20]} has {len(row)} cells under {len(head)} headings")
    table = np.array([[float(cell) if cell.strip() else np.nan for cell in row] for row in rows[1:] if any(row)])
    columns = [[places[name][axis] for axis in "xyz"] for name in names]
    return Markers(table[:, lower.index("time")], table[:, columns], names)
