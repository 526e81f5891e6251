from __future__ import annotations

import numba
import numpy as np

from multiview.geometry.order_kernels import order_statistic


@numba.njit
def called(values, count, place):
    return order_statistic(values, count, place)


def test_order_statistic_is_the_value_at_that_place():
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 17):
        values = rng.integers(0, 8, 20).astype(float)  # with ties
        in_order = np.sort(values[:count])
        assert [called(values, count, place) for place in range(count)] == list(in_order)


def test_order_statistic_of_what_is_no_number_is_none():
    assert np.isnan(called(np.array([np.nan]), 1, 0))
