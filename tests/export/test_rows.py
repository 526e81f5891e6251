"""Numbers as text: read back by Python's own float, they are what they were."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from multiview.__main__ import main
from multiview.errors import ConfigError
from multiview.export import load_exporter
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import write_poses
from tests.contracts.test_export import POSES, offered


@pytest.mark.slow
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-1e5, 1e5)),
    st.integers(0, 6),
    st.sampled_from([b"", b"NaN"]),
)
def test_what_is_written_is_what_was_given(values: np.ndarray, decimals: int, unknown: bytes) -> None:
    values = np.where(values > 9e4, np.nan, values)
    file = io.BytesIO()
    write_rows(file, [Block(values, decimals), Block(np.arange(len(values))[:, None] * 1.0, 0)], "\t", unknown=unknown)
    rows = [line.split("\t") for line in file.getvalue().decode().splitlines()]
    read = np.array([[float(cell or "NaN") for cell in row] for row in rows])
    np.testing.assert_allclose(read[:, :-1], values, atol=0.500001 * 10.0**-decimals, rtol=1e-12)
    np.testing.assert_array_equal(read[:, -1], np.arange(len(values)))
    cells = [cell for row in rows for cell in row[:-1] if cell not in ("", "NaN")]
    assert all(len(cell.partition(".")[2]) == decimals for cell in cells)
    assert all(not (cell.lstrip("-").startswith("0") and cell.lstrip("-")[1:2].isdigit()) for cell in cells)


def test_many_rows_report_how_far_they_are() -> None:
    told: list[float] = []
    file = io.BytesIO()
    write_rows(file, [Block(np.arange(2500.0)[:, None], 1)], ",", told.append)
    assert told == [0.4, 0.8, 1.0]
    assert file.getvalue().count(b"\n") == 2500


@pytest.mark.parametrize("name", offered())
def test_every_format_says_how_far_it_is(name: str, tmp_path) -> None:
    told: list[float] = []
    load_exporter(name).write(POSES, tmp_path / "take", told.append)
    assert all(0.0 <= share <= 1.0 for share in told)
    assert told == sorted(told)


def test_units_are_those_that_a_format_knows(tmp_path, capsys) -> None:
    for name, unit, message in (
        ("gltf", "mm", "gltf files are always in metres: leave --units out"),
        ("angles", "m", "angles files are always in degrees: leave --units out"),
        ("c3d", "cm", "c3d files have mm or m, not cm: choose one, or leave --units out for mm"),
        ("trc", "inch", "trc files have m, cm or mm, not inch: choose one, or leave --units out for m"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_exporter(name, unit)
    load_exporter("gltf", "m")
    write_poses(POSES, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "trc", "--units", "mm", "--person", "3"]) == 0
    (path, _) = map(str, capsys.readouterr().out.split())
    head, row = (Path(path).read_text().splitlines()[i].split("\t") for i in (2, 6))
    assert head[4] == "mm"
    first = POSES.xyz[POSES.person == 3][0, 0] * 1000
    np.testing.assert_allclose([float(cell) for cell in row[2:5]], [first[0], first[2], -first[1]], atol=1e-6)
    assert main(["export", str(tmp_path), "--to", "csv", "--units", "mm"]) == 0
    with open(capsys.readouterr().out.strip()) as file:
        assert "x_mm,y_mm,z_mm,cxx_mm2" in file.readline().replace('"', "")
