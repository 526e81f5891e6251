"""CSV: the same rows and columns as the parquet table; what is unknown is empty."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from multiview.files import replacing
from multiview.poses import Poses, to_table

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        table = to_table(poses)
        for i, field in enumerate(table.schema):
            if pa.types.is_floating(field.type):
                column = table[field.name]
                known = pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
                table = table.set_column(i, field.name, known)
        path = stem.with_name(stem.name + ".csv")
        with replacing(path) as temporary:
            csv.write_csv(table, temporary)
        return [path]
