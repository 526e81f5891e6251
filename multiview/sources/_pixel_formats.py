"""Pictures as industrial cameras send them to BGR of 8 bits."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from multiview.errors import SourceError

__all__ = ["bits_of", "to_bgr"]

# OpenCV names a Bayer pattern by the second row's second and third pixel, GenICam by the first row's first two.
BAYER = {
    "BayerRG": cv2.COLOR_BayerBG2BGR,
    "BayerGR": cv2.COLOR_BayerGB2BGR,
    "BayerGB": cv2.COLOR_BayerGR2BGR,
    "BayerBG": cv2.COLOR_BayerRG2BGR,
}
DEPTHS = (8, 10, 12, 14, 16)


def bits_of(pixel_format: str) -> int:
    """Bits of a pixel's channel; SourceError for a format that is not read here.

    Formats in which pixels share bytes ("Mono12Packed", "Mono12p") are not.
    """
    name = pixel_format.removesuffix("Packed") if pixel_format.startswith(("RGB", "BGR")) else pixel_format
    kind = name.rstrip("0123456789")
    depth = name[len(kind) :]
    depths = (8,) if kind in ("RGB", "BGR") else DEPTHS
    if kind in ("Mono", *BAYER, "RGB", "BGR") and depth in map(str, depths):
        return int(depth)
    raise SourceError(
        f"its pixel format {pixel_format} is not read here: set pixel_format to Mono8, Mono16, BayerRG8 (or GR, GB, "
        "BG), RGB8 or BGR8"
    )


def to_bgr(
    pixels: UInt8[np.ndarray, "H W *C"] | UInt16[np.ndarray, "H W *C"], pixel_format: str
) -> UInt8[np.ndarray, "H W 3"]:
    """One picture as OpenCV has it; the upper 8 bits of a deeper one.

    Raises:
        SourceError: As of `bits_of`.
    """
    if (bits := bits_of(pixel_format)) > 8:
        pixels = (pixels >> (bits - 8)).astype(np.uint8)
    kind = pixel_format.rstrip("0123456789")
    if kind in BAYER:
        return np.asarray(cv2.cvtColor(pixels, BAYER[kind]), np.uint8)
    if kind == "Mono":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(pixels[..., ::-1] if kind.startswith("RGB") else pixels).astype(np.uint8, copy=False)
