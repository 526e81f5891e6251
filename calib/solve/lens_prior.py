"""What lenses usually are: assumed where the board's pictures do not tell, and without weight where they do.

A polynomial that is fitted to a tenth of an image runs off in the rest of it. Real lenses do not: their distortion
moves the corner of an image by a share of its distance from the middle.
"""

from __future__ import annotations

import numpy as np

from multiview.geometry.bundle import Bundle, BundleState, Lens, LensPrior

__all__ = ["determines", "lens_prior"]

# Deviation of each term at the image's corner, as a share of the corner's distance from the middle.
_RADIAL = {"pinhole5": (0.3, 0.2, 0.1), "fisheye": (0.3, 0.2, 0.1, 0.1), "pinhole8": (3.0, 3.0, 3.0, 3.0, 3.0, 3.0)}
_TANGENTIAL = 0.02
_OFF_CENTRE = 0.03  # deviation of the principal point from the middle, as a share of the longer side
_RUNS_OFF = 20.0  # times what is expected without measuring: an extrapolation to the corner that means nothing


def lens_prior(model: str, lens: Lens, size: tuple[int, int]) -> LensPrior:
    """Of a lens about as long as this one; nothing is assumed of the focal length.

    The deviations are generous: in phones and action cameras the second coefficient follows as 0.8 of the first one's
    square (Lopez-Antequera et al. 2019), so that a lens of 0.3, which is strong, has 0.07.

    References:
        Lopez-Antequera et al. 2019, Deep single image camera calibration with radial distortion, section 3.
    """
    middle = (np.array(size) - 1) / 2
    corner = min(float(np.hypot(*middle)) / float(lens.focal[:2].mean()), 1.0)  # wider lenses are not more distorted
    radial = np.array(_RADIAL[model])
    if model == "fisheye":
        sigma = radial / corner ** np.array([2, 4, 6, 8])
    else:
        tangential = np.full(2, _TANGENTIAL / corner)
        radial = radial / corner ** np.array([2, 4, 6, 2, 4, 6])[: len(radial)]
        sigma = np.concatenate([radial[:2], tangential, radial[2:]])
    weight = np.concatenate([[0, 0], np.full(2, 1 / (_OFF_CENTRE * max(size))), 1 / sigma])
    return LensPrior(np.concatenate([[0, 0], middle, np.zeros(len(sigma))]), weight)


def determines(bundle: Bundle, state: BundleState, prior: LensPrior) -> bool:
    """Whether a single camera's views tell of every coefficient at least its order of magnitude.

    Then they say more of the lens, together with the other cameras' views, than the prior could.
    """
    if not bundle.free_lens[0].all():
        return False
    sigma = np.sqrt(np.diag(bundle.linearised(state).shared_covariance()))
    return bool(max((sigma * prior.weight).max(), np.abs(prior.scaled(state.lenses[0])).max()) < _RUNS_OFF)
