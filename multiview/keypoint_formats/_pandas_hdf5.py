"""Tables that pandas wrote as HDF5, in both of its layouts, without pandas: only tables of float columns.

"frame" (fixed): names of columns and rows as levels and codes, values in blocks. "frame_table": one array of rows, the
columns' names in pickled lists of text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.common.ranges import shown
from multiview.common.safe_pickle import plain_values
from multiview.errors import SourceError
from multiview.keypoint_formats._hdf5 import text, texts

__all__ = ["FORMATS", "read_table"]

FORMATS = (("pandas_type",),)  # the attribute that pandas gives its tables

Table = tuple[list[tuple[str, ...]], list[str | int], Float64[np.ndarray, "T N"]]


def read_table(file: Any, path: Path) -> Table:
    """Headings of the columns, names or numbers of the rows, and the values of the only table in the file."""
    tables = [group for group in file.values() if "pandas_type" in group.attrs]
    if len(tables) != 1:
        raise SourceError(f"{path}: it has {len(tables)} tables of pandas, expected one")
    kind = text(tables[0].attrs["pandas_type"])
    if kind == "frame":
        return _fixed(tables[0])
    if kind == "frame_table":
        return _appendable(tables[0])
    raise SourceError(f"{path}: a {shown(kind)} of pandas, expected a table of numbers (frame or frame_table)")


def _fixed(group: Any) -> Table:
    columns = [tuple(map(str, _row(name))) for name in _axis(group, "axis0")]
    index = [_name(_row(name)) for name in _axis(group, "axis1")]
    values = np.full((len(index), len(columns)), np.nan)
    place = {column: n for n, column in enumerate(columns)}
    for block in range(int(group.attrs["nblocks"])):
        where = [place[tuple(map(str, _row(name)))] for name in _axis(group, f"block{block}_items")]
        values[:, where] = np.asarray(group[f"block{block}_values"][()], dtype=np.float64)
    return columns, index, values


def _axis(group: Any, axis: str) -> list[Any]:
    """The labels of an axis: values, or tuples of them."""
    if text(group.attrs[f"{axis}_variety"]) == "regular":
        return _labels(group[axis])
    levels = range(int(group.attrs[f"{axis}_nlevels"]))
    named = []
    for n in levels:
        names, codes = _labels(group[f"{axis}_level{n}"]), group[f"{axis}_label{n}"][()].tolist()
        named.append(["" if code < 0 else names[code] for code in codes])
    return list(zip(*named, strict=True))


def _labels(dataset: Any) -> list[Any]:
    return list(dataset[()].tolist()) if dataset.dtype.kind in "iuf" else list(texts(dataset))


def _appendable(group: Any) -> Table:
    (_, columns), *more = plain_values(bytes(group.attrs["non_index_axes"]))
    if more:
        raise ValueError("more than two axes")
    headings = [tuple(map(str, _row(column))) for column in columns]
    table = group["table"][()]
    place = {column: n for n, column in enumerate(headings)}
    values = np.full((len(table), len(headings)), np.nan)
    for block in plain_values(bytes(group.attrs["values_cols"])):
        named = plain_values(bytes(group["table"].attrs[f"{block}_kind"]))
        where = [place[tuple(map(str, _row(name)))] for name in named]
        values[:, where] = np.asarray(table[block], dtype=np.float64).reshape(len(table), len(where))
    index = [text(row) if isinstance(row, bytes) else int(row) for row in table["index"].tolist()]
    return headings, index, values


def _row(name: Any) -> tuple[Any, ...]:
    return tuple(name) if isinstance(name, tuple | list) else (name,)


def _name(parts: tuple[Any, ...]) -> str | int:
    return int(parts[0]) if len(parts) == 1 and isinstance(parts[0], int | float) else "/".join(map(str, parts))
