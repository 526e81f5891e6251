"""Whether a picture is well exposed and sharp, and what to do where it is not."""

from __future__ import annotations

from typing import NamedTuple

import cv2

from multiview.data import VideoFrame

__all__ = ["ImageQuality", "measure_quality"]

DARK, BRIGHT = 0.25, 0.05  # shares of black and of white pixels from which the exposure is called wrong
BLURRED = 30.0  # variance of the Laplacian at 640 px below which a picture is called blurred


class ImageQuality(NamedTuple):
    """Shares of black and of white pixels, mean brightness (0 to 255), sharpness (variance of the Laplacian)."""

    black: float
    white: float
    brightness: float
    sharpness: float

    def advice(self) -> list[str]:
        """What to do about it; nothing where it is good."""
        advice = []
        if self.black > DARK:
            advice.append("dark: more light, or a longer exposure")
        if self.white > BRIGHT:
            advice.append("too bright: a shorter exposure")
        if self.sharpness < BLURRED:
            advice.append("blurred: focus, clean the lens")
        return advice


def measure_quality(frame: VideoFrame) -> ImageQuality:
    """One picture's figures."""
    grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (640, round(640 * grey.shape[0] / grey.shape[1])), interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
    return ImageQuality(float((small < 5).mean()), float((small > 250).mean()), float(small.mean()), sharpness)
