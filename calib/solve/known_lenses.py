"""Lenses that are known beforehand, and the noise of a recording's corners about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calib.board.poses import CameraViews, noise, planar_poses
from calib.board.target import Target, bodies_of, least_corners, middles_of
from calib.board.wand import Wand
from calib.corners.corners import BoardViews, Corners
from calib.solve.intrinsics import Intrinsics
from calib.solve.wand import line_noise
from multiview.cameras.camera import Camera, Rig
from multiview.errors import ConfigError
from multiview.geometry.bundle import Lens

__all__ = ["MOST_NOISE_PX", "known_lens", "known_lenses", "within_reason"]

MOST_NOISE_PX = 1.5  # of a board's own corners about its best pose; more means another lens, focus or zoom
_LEAST_NOISE_PX, _UNTOLD_PX = 0.1, 0.3  # of what fits anywhere, as two balls do


def known_lens(corners: Corners, c: int, board: Target, camera: Camera) -> Intrinsics:
    """A camera's lens with the noise that it leaves.

    Args:
        corners: Of a recording.
        c: The camera's number in it.
        board: What it shows.
        camera: With the lens.

    Returns:
        The lens; its noise is NaN where no view tells it.

    Raises:
        ConfigError: The lens has a skew.
    """
    points = board.points - middles_of(board)
    views = BoardViews.of(corners, len(points), bodies_of(board))
    own, lens = views.camera == c, _lens(camera)
    xy, seen = views.xy[own], views.row[own] >= 0
    if isinstance(board, Wand):
        errors = line_noise(board, xy, seen, lens) if len(board.balls) > 2 else np.full(len(xy), 1.17741 * _UNTOLD_PX)
    else:
        *_, errors = planar_poses(CameraViews(points, xy, seen, least=least_corners(board)), lens, 20.0, sigma=1.0)
    return Intrinsics(lens, noise(errors), "fisheye" if camera.model == "fisheye" else f"pinhole{len(camera.dist)}")


def within_reason(lens: Intrinsics) -> Intrinsics:
    """The same with a noise that weights can be made of."""
    sigma = lens.sigma if np.isfinite(lens.sigma) else MOST_NOISE_PX
    return replace(lens, sigma=min(max(sigma, _LEAST_NOISE_PX), MOST_NOISE_PX))


def known_lenses(corners: Corners, board: Target, lenses: Rig, where: str) -> dict[int, Intrinsics]:
    """Lenses of all cameras of a recording.

    Args:
        corners: Of the recording.
        board: What it shows.
        lenses: Cameras by name; their places do not matter.
        where: The file, for what an error says.

    Returns:
        By the cameras' numbers.

    Raises:
        ConfigError: A camera is missing in the file, has pictures of another size, or another lens than it says.
    """
    known = {}
    for c, name in enumerate(corners.names):
        if name not in lenses.names:
            raise ConfigError(f"{where} has no lens of {name}; it has {', '.join(lenses.names)}")
        camera = lenses.cameras[lenses.index(name)]
        if camera.size != corners.sizes[c]:
            recorded, stated = ("x".join(map(str, size)) for size in (corners.sizes[c], camera.size))
            raise ConfigError(f"{where}: {name} has pictures of {stated}, and recorded {recorded}")
        own = known_lens(corners, c, board, camera)
        if own.sigma > MOST_NOISE_PX:
            raise ConfigError(
                f"{where}: the lens of {name} does not fit its pictures ({own.sigma:.1f} px): calibrate it again "
                "(changed focus or zoom?)"
            )
        known[c] = within_reason(own)
    return known


def _lens(camera: Camera) -> Lens:
    K = camera.K
    if K[0, 1]:
        raise ConfigError(f"camera {camera.name!r}: K has a skew of {K[0, 1]:g}, which the check does not support")
    return Lens(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]), camera.dist, camera.model)
