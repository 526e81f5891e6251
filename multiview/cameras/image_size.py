"""Keypoints from pictures whose size is not the one that the camera was calibrated at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.data import Keypoints2D
from multiview.errors import ConfigError

__all__ = ["fits", "from_calibrated_size", "scaling_note", "to_calibrated_size"]

MAX_PADDING_PX = 16  # video codecs pad pictures to multiples of 8 or 16, and players take the padding off again
MAX_ASPECT_DIFFERENCE = 0.005


def fits(picture: tuple[int, int], calibrated: tuple[int, int]) -> bool:
    """Whether a picture shows what a camera was calibrated with: of the same shape, but for padding.

    Args:
        picture: Width and height, px.
        calibrated: Those of the calibration.

    Returns:
        False where nobody can know how the two belong together.
    """
    (w, h), (cw, ch) = picture, calibrated
    padded = abs(w - cw) < MAX_PADDING_PX and abs(h - ch) < MAX_PADDING_PX
    return padded or abs(w / cw - h / ch) < MAX_ASPECT_DIFFERENCE * w / cw


def scaling_note(picture: tuple[int, int], calibrated: tuple[int, int], camera: str) -> str:
    """Empty where the sizes agree, else how keypoints are brought over; ConfigError where nobody can know."""
    if picture == calibrated:
        return ""
    (w, h), (cw, ch) = picture, calibrated
    sizes = f"{camera}: pictures are {w}x{h}, the calibration is for {cw}x{ch}"
    if abs(w - cw) < MAX_PADDING_PX and abs(h - ch) < MAX_PADDING_PX:
        return f"{sizes}: taken for the same picture without its padding at the right and below"
    if fits(picture, calibrated):
        return f"{sizes}: keypoints are scaled by {cw / w:.4g}"
    raise ConfigError(f"{sizes}, another shape: calibrate at the size that is recorded, or give the camera's own video")


def to_calibrated_size(keypoints: Keypoints2D, picture: tuple[int, int], calibrated: tuple[int, int]) -> Keypoints2D:
    """Keypoints (px of the picture) in pixels of the calibrated size; pixel (0, 0) is the centre of the first."""
    scale = _calibrated_from_picture(picture, calibrated)
    if scale is None:
        return keypoints
    cov = None if keypoints.cov is None else keypoints.cov * scale[:, None] * scale
    return Keypoints2D((keypoints.xy + 0.5) * scale - 0.5, keypoints.score, cov, keypoints.visibility)


def from_calibrated_size(
    xy: Float64[np.ndarray, "N 2"], picture: tuple[int, int], calibrated: tuple[int, int]
) -> Float64[np.ndarray, "N 2"]:
    """The way back: pixels of the calibrated size in pixels of the picture."""
    scale = _calibrated_from_picture(picture, calibrated)
    return xy if scale is None else (xy + 0.5) / scale - 0.5


def _calibrated_from_picture(picture: tuple[int, int], calibrated: tuple[int, int]) -> Float64[np.ndarray, " 2"] | None:
    """The scale of both axes; None where the pixels are the same."""
    (w, h), (cw, ch) = picture, calibrated
    if picture == calibrated or (abs(w - cw) < MAX_PADDING_PX and abs(h - ch) < MAX_PADDING_PX):
        return None
    return np.array([cw / w, ch / h])
