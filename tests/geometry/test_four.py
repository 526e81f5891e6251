"""Four numbers at once are as each alone, to the last bit."""

import math

import numpy as np

from multiview.geometry.four import choose, four, load, pick, put, read, some, store, transpose, write
from multiview.geometry.jit import Array, kernel


@kernel
def work(a: Array, b: Array, out: Array) -> bool:
    """Every operator, a row of `out` for each."""
    x, y = load(a, 0), load(b, 0)
    sums = x + y
    sums += 1
    for row, value in enumerate((x + y, x - y, x * y, x / y, 2 * x, x - 0.5, math.sqrt(abs(x)), abs(y), sums)):
        store(out, row, value)
    either, both, same = (x < y) | (x >= 1.0), (x > 0.0) & ~(y <= 0.0), x == x
    store(out, 9, choose(either, x, 0.0))
    store(out, 10, choose(both, x, y))
    store(out, 11, choose(same, 1.0, 0.0))
    store(out, 12, four((4, 3, 2, 1)))
    store(out, 13, 7.0)
    return some(x > 100.0)


@kernel
def carry(grid: Array, out: Array) -> None:
    """Reading and writing: rows 0 to 3 of `out` from `grid`, and parts of it back into its last row."""
    columns = transpose(read(grid, 0, 1), read(grid, 1, 1), read(grid, 2, 1), read(grid, 3, 1))
    for row, column in enumerate(columns):
        store(out, row, column)
    store(out, 4, pick(grid, (3, 0, 2, 2), 5))
    write(grid, 4, 2, columns[0])
    put(grid, (0, 1, 2, 3), 0, columns[3])


def test_arithmetic_is_numpys() -> None:
    rng = np.random.default_rng(7)
    a, b, out = rng.normal(size=(1, 4)), rng.normal(size=(1, 4)), np.empty((14, 4))
    a[0, 0] = np.nan
    assert not work(a, b, out)
    x, y = a[0], b[0]
    rows = (x + y, x - y, x * y, x / y, 2 * x, x - 0.5, np.sqrt(abs(x)), abs(y), x + y + 1)
    np.testing.assert_array_equal(out[:9], rows)
    np.testing.assert_array_equal(out[9], np.where((x < y) | (x >= 1), x, 0.0))
    np.testing.assert_array_equal(out[10], np.where((x > 0) & ~(y <= 0), x, y))
    np.testing.assert_array_equal(out[11:], [[0, 1, 1, 1], [4, 3, 2, 1], [7, 7, 7, 7]])
    a[0, 3] = 101.0
    assert work(a, b, out)


def test_rows_are_read_and_written_whatever_their_axes() -> None:
    grid = np.arange(5.0 * 6).reshape(5, 2, 3)
    flat, out = grid.reshape(5, 6).copy(), np.empty((5, 4))
    carry(grid, out)
    np.testing.assert_array_equal(out[:4], flat[:4, 1:5].T)
    np.testing.assert_array_equal(out[4], flat[[3, 0, 2, 2], 5])
    np.testing.assert_array_equal(grid.reshape(5, 6)[4, 2:], flat[:4, 1])
    np.testing.assert_array_equal(grid.reshape(5, 6)[:4, 0], flat[:4, 4])
