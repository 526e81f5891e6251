"""The deviations of a clock, found from errors that were drawn with known ones."""

import numpy as np
import pytest

from multiview.timing.clock_noise import STEADY, ClockEvidence, ClockNoise

STAMPS, HZ = 240, 10.0


def evidence(noise, rng):
    """Every error of a clock told within 0.5 ms (3 ms for half of them), and a constant that nothing tells."""
    time = np.arange(STAMPS) / HZ
    walked = noise.walk * np.cumsum(rng.normal(size=STAMPS)) / np.sqrt(HZ)
    sigma = np.where(rng.uniform(size=STAMPS) < 0.5, 5e-4, 3e-3)
    error = walked + noise.jitter * rng.normal(size=STAMPS) + sigma * rng.normal(size=STAMPS)
    weight = sigma**-2
    information = np.diag(weight) - np.outer(weight, weight) / weight.sum()
    return ClockEvidence(time, information, information @ error)


@pytest.mark.parametrize("noise", [ClockNoise(0.02, 0.005), ClockNoise(0.02, 0.0), ClockNoise(0.0, 0.005)])
def test_clock_noise_is_found_from_the_errors_of_stamps(noise):
    found = [evidence(noise, np.random.default_rng(seed)).likeliest() for seed in range(3)]
    # 240 differences tell a deviation within 1 / sqrt(2 * 240) = 5 %, twice that where the other one hides it
    for true, told in ((noise.walk, [n.walk for n in found]), (noise.jitter, [n.jitter for n in found])):
        assert np.mean(told) == pytest.approx(true, rel=0.2, abs=1e-3)
        assert true or min(told) == 0


def test_clock_noise_of_a_steady_clock_is_none():
    for seed in range(3):
        assert evidence(STEADY, np.random.default_rng(seed)).likeliest() == STEADY


def test_clock_noise_nats_are_the_ratio_of_the_densities():
    """Against the densities themselves, where information has an inverse."""
    rng = np.random.default_rng(0)
    time, noise = np.sort(rng.uniform(0, 3, 12)), ClockNoise(0.01, 0.004)
    measured, square = 0.01 * rng.normal(size=12), np.diag(rng.uniform(1e-3, 5e-3, 12)) ** 2
    information = np.linalg.inv(square)

    def log_density(covariance):
        return -0.5 * (measured @ np.linalg.solve(covariance, measured) + np.linalg.slogdet(covariance)[1])

    since = time - time[0]
    walked = np.minimum(since[:, None], since)
    centre = np.eye(12) - 1 / 12
    wandering = square + noise.walk**2 * centre @ walked @ centre + noise.jitter**2 * np.eye(12)
    evidence = ClockEvidence(time, information, information @ measured)
    nats, expected = evidence.nats(noise), log_density(wandering)
    price = 0.5 * (np.linalg.slogdet(wandering)[1] - np.linalg.slogdet(square)[1])
    assert evidence.price(noise) == pytest.approx(price, rel=1e-6)
    assert nats == pytest.approx(expected - log_density(square), rel=1e-6)
