"""Every camera's lens before people are looked at: from a file, or guessed from a field of view."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from calib.people.lens_freedom import LensGuess
from multiview.cameras.camera import Camera, Rig
from multiview.errors import ConfigError

__all__ = ["GUESSED_FOV_DEG", "lenses_for"]

GUESSED_FOV_DEG = 65.0  # across a picture's longer side: webcams and phones have 55 to 78
_GUESS, _GIVEN = LensGuess(focal=0.2), LensGuess(focal=0.1)


def lenses_for(
    names: list[str], sizes: list[tuple[int, int] | None], known: Rig | None, fov_deg: float | None
) -> tuple[list[Camera], dict[str, LensGuess], list[str]]:
    """A camera for each name, with its lens, at no certain place.

    Args:
        names: Of the recorded cameras.
        sizes: Of their pictures, px; None where the recording does not tell.
        known: Cameras with their lenses, by name.
        fov_deg: Field of view across the longer side of the pictures of the others.

    Returns:
        The cameras, how far each guessed lens may be off by its camera's name, and where lenses are from, in words.

    Raises:
        ConfigError: The size of a picture is needed and unknown.
    """
    cameras, priors, guessed = [], {}, []
    for name, size in zip(names, sizes, strict=True):
        if known is not None and name in known.names:
            own = known.cameras[known.index(name)]
            cameras.append(replace(own, R=np.eye(3), t=np.zeros(3), time_offset_s=0.0))
            continue
        if size is None:
            raise ConfigError(
                f"the lens of {name} is not known, nor the size of its pictures, which keypoints do not tell: give the "
                "size with --size 1920x1080, or lenses of these names with --lenses"
            )
        focal = max(size) / 2 / math.tan(math.radians(fov_deg or GUESSED_FOV_DEG) / 2)
        middle = (size[0] - 1) / 2, (size[1] - 1) / 2
        K = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
        cameras.append(Camera(name, size, K, np.zeros(5), np.eye(3), np.zeros(3)))
        priors[name] = _GUESS if fov_deg is None else _GIVEN
        guessed.append(name)
    notes = []
    if guessed:
        source = f"of {fov_deg:g} degrees, as given" if fov_deg else f"of {GUESSED_FOV_DEG:g} degrees, a guess"
        notes.append(
            f"The lenses of {', '.join(guessed)} were estimated from people, beginning at a field of view {source}."
        )
    if len(guessed) < len(names):
        notes.append("Known lenses were left as they are.")
    return cameras, priors, notes
