"""Exposure and sharpness of an image, with advice."""

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
        """Advice; empty where the image is good."""
        advice = []
        if self.black > DARK:
            advice.append("dark: use more light or a longer exposure")
        if self.white > BRIGHT:
            advice.append("too bright: use a shorter exposure")
        if self.sharpness < BLURRED:
            advice.append("blurred: focus the lens, or clean it")
        return advice


def measure_quality(frame: VideoFrame) -> ImageQuality:
    """Compute the figures of one image."""
    grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (640, round(640 * grey.shape[0] / grey.shape[1])), interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
    return ImageQuality(float((small < 5).mean()), float((small > 250).mean()), float(small.mean()), sharpness)
