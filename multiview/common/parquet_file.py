"""Parquet files of any origin: one that says a value a billion times in a few bytes takes no memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.ledger import reading

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet"]

MOST_PACKED = 1000  # of what was measured a file is a tenth, not a thousandth
SLACK = 256 << 20  # bytes that are taken without asking


def read_parquet(path: Path) -> pa.Table:
    """The whole table.

    Args:
        path: Of the file.

    Returns:
        The table.

    Raises:
        ValueError: It would be far larger than the file; and whatever Arrow raises at a damaged one.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(reading(path)) as file:
        size = 8 * file.metadata.num_rows * file.metadata.num_columns
        if size > SLACK + MOST_PACKED * path.stat().st_size:
            raise ValueError(f"it would be {size >> 20} MB, of which hardly anything is in the file")
        return file.read()
