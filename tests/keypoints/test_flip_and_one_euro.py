"""Mirroring is undone exactly; the One-Euro filter smooths, follows and survives gaps."""

import numpy as np

from multiview.keypoints.flip import answer_both_ways, flip_pairs, merge_flipped
from multiview.keypoints.one_euro import one_euro_step

PAIRS = ((1, 2), (3, 4))


def test_a_mirrored_answer_merges_into_itself():
    maps = np.random.default_rng(0).uniform(size=(2, 5, 8, 6))
    mirrored = maps[:, flip_pairs(PAIRS, 5), :, ::-1]
    np.testing.assert_allclose(merge_flipped(maps, mirrored, PAIRS), maps)


def test_the_classic_shift_moves_by_one_pixel():
    maps = np.zeros((1, 5, 8, 6))
    maps[0, 1, 4, 2] = 1.0
    merged = merge_flipped(np.zeros_like(maps), maps, PAIRS, shift=True)
    assert merged[0, 2, 4, 4] == 0.5  # column 2 mirrors to 3, and moves on to 4


def test_both_ways_lie_on_one_grid():
    crops = np.random.default_rng(0).normal(size=(2, 3, 16, 24)).astype(np.float32)

    def network(images):  # sees every fourth pixel, and confuses nothing
        return images[..., ::4, ::4]

    np.testing.assert_array_equal(answer_both_ways(network, crops, ()), network(crops))
    both = answer_both_ways(network, crops, ((1, 2),))
    np.testing.assert_allclose(both[:, 1], network(crops)[:, 1:].mean(axis=1), rtol=1e-6)


def run(values, times, **options):
    state, out = None, []
    for x, t in zip(values, times, strict=True):
        state = one_euro_step(state, x, t, **options)
        out.append(state.x)
    return np.array(out)


def test_one_euro_smooths_noise_and_follows_a_constant():
    rng = np.random.default_rng(1)
    noisy = 5 + rng.normal(0, 1, 500)
    smooth = run(noisy, range(0, 500 * 16_666_667, 16_666_667))
    assert smooth[100:].std() < 0.4 * noisy.std()
    np.testing.assert_array_equal(run(np.full(10, 3.0), range(10)), 3.0)


def test_one_euro_opens_with_speed():
    ramp = np.arange(200) * 10.0
    times = range(0, 200 * 16_666_667, 16_666_667)
    assert abs(run(ramp, times, beta=0.05) - ramp)[-1] < abs(run(ramp, times, beta=0.0) - ramp)[-1] / 3


def test_one_euro_restarts_after_a_gap():
    out = run(np.array([1.0, np.nan, 9.0]), [0, 10, 20])
    assert np.isnan(out[1])
    assert out[2] == 9.0
