"""How much of a guessed lens is estimated: focal length, and what held-out time agrees with besides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import ASPECT, FOCAL, LENS, PRINCIPAL, RADIAL, UNBOUND, JointBundle, RigState
from calib.people.refine import Refined, kept, refine
from multiview.geometry.bundle import Lens
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["LEVELS", "LensGuess", "freed_lenses", "freedom"]

LEVELS = (
    "known", "focal length estimated", "focal length, distortion and aspect estimated",
    "focal length, principal point, distortion and aspect estimated",
)  # fmt: skip
_BLOCK_S = 2.0
# By how much the robust cost of held-out time must fall, per camera freed, to free more. Errors that last for some
# frames count several times: where a level is not needed it fell by at most 4 a camera, where it is, by 7 and more.
_GAIN = 5.0


@dataclass(frozen=True, slots=True)
class LensGuess:
    """How far a guessed lens may be off: deviations of the focal length (relative), of the principal point (share of
    the width), of radial coefficients, and of the pixels' aspect (relative; scaled and cropped videos are not quite
    square)."""

    focal: float = 0.15
    principal: float = 0.03
    radial: float = 0.1
    aspect: float = 0.005


def freed_lenses(
    bundle: JointBundle, priors: list[LensGuess | None], lenses: tuple[Lens, ...], level: int
) -> JointBundle:
    """The bundle with guessed lenses free, as far as a level says.

    Args:
        bundle: With fixed lenses.
        priors: Of every camera; None where the lens is known.
        lenses: As they were guessed.
        level: 0 nothing, 1 focal length, 2 radial distortion and the pixels' aspect as well, 3 the principal point as
            well.

    Returns:
        The same measurements.
    """
    free, sigma = bundle.free.copy(), np.ones((len(priors), LENS.stop))
    for c, prior in enumerate(priors):
        if prior is None or level == 0:
            continue
        width = 2 * lenses[c].focal[2]
        centre = 2 * [prior.principal * width]
        sigma[c] = prior.focal * lenses[c].focal[0], *centre, prior.radial, prior.radial / 2, prior.aspect
        free[c, FOCAL], free[c, RADIAL], free[c, ASPECT], free[c, PRINCIPAL] = True, level > 1, level > 1, level > 2
    acceleration = bundle.acceleration if level == 0 else UNBOUND
    return replace(bundle, free=free, prior=lenses, prior_sigma=sigma, acceleration=acceleration)


def freedom(refined: Refined, priors: list[LensGuess | None], lenses: tuple[Lens, ...]) -> tuple[Refined, int]:
    """Free more of the lenses while time that was held out is explained better.

    Args:
        refined: The rig with free focal lengths.
        priors: Of every camera.
        lenses: As they were guessed.

    Returns:
        The rig, and how much was estimated, a place in `LEVELS`.
    """
    # The rig goes through the middle of an image that is held out in turns: even and odd blocks of time.
    block = np.floor(refined.observed.bundle.time / _BLOCK_S).astype(np.int64) % 2
    costs = [_held_out(refined, block == 0, priors, lenses, level) for level in (1, 2, 3)]
    needed = _GAIN * sum(prior is not None for prior in priors)
    best = 1
    for level in (2, 3):
        if costs[level - 1] < costs[best - 1] - needed:
            best = level
    if best == 1:
        return refined, 1
    again = refine(refined.scene, refined.placement, lambda bundle: freed_lenses(bundle, priors, lenses, best), 2)
    return (again, best) if again is not None else (refined, 1)


def _held_out(
    refined: Refined,
    first: Bool[np.ndarray, " N"],
    priors: list[LensGuess | None],
    lenses: tuple[Lens, ...],
    level: int,
) -> float:
    """Robust cost of each half of the time under the rig of the other half."""
    total = 0.0
    for train in (first, ~first):
        bundle = freed_lenses(refined.observed.bundle, priors, lenses, level)
        learnt = levenberg_marquardt(bundle.kept(train), refined.state, max_steps=20, tolerance=1e-6).state
        # Curves of held-out time were held by nothing: they begin where they were.
        learnt = replace(learnt, coefficients=refined.state.coefficients)
        total += _cost(kept(refined.observed, ~train), learnt)
    return total


def _cost(observed: Observed, state: RigState) -> float:
    bundle = replace(observed.bundle, free=np.zeros_like(observed.bundle.free), prior=(), prior_sigma=None)
    # Re-weighting converges slowly: stopped early, this cost is off by more than what a level gains.
    return levenberg_marquardt(bundle, state, max_steps=40, tolerance=1e-6).cost
