"""Tables of any size are read, and those that hold hardly anything but their size are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multiview.common import parquet_file
from multiview.common.parquet_file import read_parquet


def test_one_value_a_million_times_is_refused_and_what_was_measured_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_file, "SLACK", 0)
    measured, bomb = tmp_path / "measured.parquet", tmp_path / "bomb.parquet"
    table = pa.table({"frame": np.arange(100_000) // 17, "x": np.random.default_rng(1).normal(size=100_000)})
    pq.write_table(table, measured, compression="zstd")
    assert read_parquet(measured).equals(table)
    pq.write_table(pa.table({"x": np.zeros(1_000_000)}), bomb, compression="zstd")
    assert bomb.stat().st_size < 8_000
    with pytest.raises(ValueError, match="would be 7 MB, of which hardly anything is in the file"):
        read_parquet(bomb)
