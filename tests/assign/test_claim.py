import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from multiview.assign.claim_kernels import assign, mahalanobis


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (6, 6), (4, 1)])
def test_assignment_is_the_best_there_is(shape: tuple[int, int]) -> None:
    for seed in range(20):
        benefit = np.random.default_rng(seed).normal(0, 1, shape)
        chosen = assign(benefit)
        used = chosen[chosen >= 0]
        assert len(set(used.tolist())) == len(used)
        optional = np.maximum(benefit, 0)
        best = optional[linear_sum_assignment(optional, maximize=True)].sum()
        assert sum(benefit[row, column] for row, column in enumerate(chosen) if column >= 0) == pytest.approx(best)


def test_mahalanobis_is_the_plain_formula() -> None:
    rng = np.random.default_rng(6)
    uv, xy = rng.normal(size=2), rng.normal(size=2)
    S, noise = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([[0.5, -0.1], [-0.1, 0.8]])
    flat = (S[[0, 0, 1], [0, 1, 1]], noise[[0, 0, 1], [0, 1, 1]])
    assert mahalanobis(uv, flat[0], xy, flat[1]) == pytest.approx((xy - uv) @ np.linalg.inv(S + noise) @ (xy - uv))
