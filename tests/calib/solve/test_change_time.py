"""When a camera changed, of views whose information is made up: the truth is known, and no recording is solved."""

import numpy as np
import pytest

from calib.solve.change_time import changes_between, displaced_views, noisier_part

VIEWS = 40
KNOWN = np.zeros((VIEWS, 7, 7))  # lens, clock and all else are known exactly
SIGMA = np.array([2e-3, 1e-3, 1e-3, 2e-3, 2e-3, 2e-3, 4e-3])  # of what one view tells: zoom, turn (rad), shift (m)


def told(change, rng):
    """Normal equations of views that measure these changes (n, 7) with noise, and each some directions worse."""
    sigma = SIGMA * np.exp(rng.normal(0, 0.5, (len(change), 7)))
    measured = change + sigma * rng.normal(size=sigma.shape)
    square = np.eye(7) / (sigma**2)[:, None]
    return square, -measured / sigma**2


def changes(begin, end, mean=0.0, scatter=0.0, seed=0):
    """A camera that is in place but for the views from `begin` to `end`, in which it turns."""
    rng = np.random.default_rng(seed)
    change = np.zeros((VIEWS, 7))
    change[begin:end, 1:4] = mean + scatter * rng.normal(size=(end - begin, 3))
    return told(change, rng)


@pytest.mark.parametrize(("begin", "end"), [(12, VIEWS), (0, 17), (10, 30), (33, VIEWS)])
@pytest.mark.parametrize("seed", range(3))
def test_change_of_pose_is_dated_to_the_view(begin, end, seed):
    square, gradient = changes(begin, end, mean=0.02, seed=seed)
    found = displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20)
    expected = (np.arange(VIEWS) >= begin) & (np.arange(VIEWS) < end)
    assert (found == expected).all() or (found == ~expected).all()


@pytest.mark.parametrize(("begin", "end"), [(12, VIEWS), (10, 30)])
def test_trembling_is_dated_although_the_camera_is_now_and_then_in_place(begin, end):
    for seed in range(5):
        square, gradient = changes(begin, end, scatter=0.01, seed=seed)
        found = np.flatnonzero(displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20))
        # A view in place says nothing, and may lie at either end.
        assert abs(found[0] - begin) <= 2
        assert abs(found[-1] - (end - 1)) <= 2


def test_single_views_that_are_seen_wrongly_are_no_change():
    square, gradient = changes(0, 0)
    gradient[[7, 25]] = -square[[7, 25]] @ np.array([0.0, 0.5, -0.5, 0.2, 0.3, 0.3, 0.3])
    assert not displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20).any()
    square, gradient = changes(12, VIEWS, mean=0.02)
    gradient[[3, 30]] = -square[[3, 30]] @ np.array([0.0, 0.5, -0.5, 0.2, 0.3, 0.3, 0.3])
    assert np.flatnonzero(displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20))[0] == 12


def test_noisier_part_is_where_a_camera_trembles():
    square, gradient = changes(12, VIEWS, scatter=0.02)
    found = noisier_part(square, gradient, 5)  # a first guess: views in place at its edge may lie on either side
    assert (found != (np.arange(VIEWS) >= 12)).sum() <= 2
    assert noisier_part(square[:8], gradient[:8], 5).all()


def held_true_change(seed, scatter):
    """Whether the interval of a change holds the true one, and how many views it spans."""
    begin = int(np.random.default_rng(seed).integers(5, 35))
    change = {"scatter": 0.006} if scatter else {"mean": 0.006}
    square, gradient = changes(begin, VIEWS, seed=seed, **change)
    found = displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20)
    before, after = changes_between(square, gradient, KNOWN, found)[0]
    return before < begin <= after, after - before


@pytest.mark.parametrize("scatter", [False, True])
def test_interval_of_a_change_holds_the_true_one(scatter):
    """In 95 of 100 at least; and it is no wider than the few views that a camera of 6 mrad leaves in doubt."""
    held, width = zip(*(held_true_change(seed, scatter) for seed in range(60)), strict=True)
    assert np.mean(held) >= 0.95
    assert np.median(width) <= 4


def test_interval_of_a_change_spans_the_views_that_tell_nothing():
    square, gradient = changes(12, VIEWS, mean=0.02)
    square[8:17], gradient[8:17] = 1e-6 * square[8:17], 0.0
    found = displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20)
    before, after = changes_between(square, gradient, KNOWN, found)[0]
    assert before <= 7
    assert after >= 17


def test_end_of_a_change_is_told_by_a_few_steady_views():
    """Back in place for the last four views: no view that is seen wrongly looks as if it were."""
    square, gradient = changes(12, VIEWS - 4, scatter=0.02)
    found = displaced_views(square, gradient, KNOWN, np.arange(VIEWS) >= 20)
    (_, first), (before, after) = changes_between(square, gradient, KNOWN, found)
    assert first >= 12
    assert before < VIEWS - 4 <= after


def test_views_elsewhere_in_the_picture_are_no_change_where_the_lens_is_not_known_there():
    """It seems to turn by 0.02 rad in the views from 12 to 20, which the lens leaves unknown; then it turns by more."""
    change = np.zeros((VIEWS, 7))
    change[12:20, 1] = 0.02
    change[20:, 2] = 0.1
    square, gradient = told(change, np.random.default_rng(0))
    unknown = np.zeros((VIEWS, 7, 7))
    unknown[12:20, 1, 1] = 0.02**2
    expected = [np.arange(VIEWS) >= first for first in (12, 20)]
    assert (displaced_views(square, gradient, KNOWN, expected[0]) == expected[0]).all()
    assert (displaced_views(square, gradient, unknown, expected[0]) == expected[1]).all()
    ((before, after),) = changes_between(square, gradient, unknown, expected[1])
    assert 18 <= before < after == 20
