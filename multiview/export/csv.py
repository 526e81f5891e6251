"""CSV: the same rows and columns as the parquet table; what is unknown is empty. Another unit stands in the names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from multiview.common.atomic_file import replacing
from multiview.export import PER_METRE, Progress, silent
from multiview.recordings.pose_table import COVARIANCE, Poses, to_table

__all__ = ["UNITS", "Exporter"]

UNITS = ("m", "cm", "mm")
_ROWS = 100_000  # at a time


class Exporter:
    def __init__(self, unit: str = "m") -> None:
        self._unit = unit

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        table = to_table(poses)
        for i, field in enumerate(table.schema):
            if pa.types.is_floating(field.type):
                column = table[field.name]
                known = pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
                table = table.set_column(i, field.name, known)
        if self._unit != "m":
            table = _in_unit(table, self._unit)
        path = stem.with_name(stem.name + ".csv")
        with replacing(path) as temporary, csv.CSVWriter(temporary, table.schema) as writer:
            for begin in range(0, len(table), _ROWS):
                writer.write_table(table.slice(begin, _ROWS))
                progress(min(1.0, (begin + _ROWS) / len(table)))
        return [path]


def _in_unit(table: pa.Table, unit: str) -> pa.Table:
    """Lengths as x_mm, covariances as cxx_mm2."""
    for i, name in enumerate(table.column_names):
        power = 1 if name in ("x", "y", "z", "sigma") else 2 if name in COVARIANCE else 0
        if power:
            scaled = pc.multiply(table[name], PER_METRE[unit] ** power)
            table = table.set_column(i, f"{name}_{unit}{'2' if power == 2 else ''}", scaled)
    return table
