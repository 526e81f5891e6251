"""One person in one picture: what every data source gives and augmentation takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

__all__ = ["ABSENT", "HIDDEN", "VISIBLE", "Sample"]

ABSENT, HIDDEN, VISIBLE = 0, 1, 2  # COCO's visibility flags


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A person to learn from.

    `image` RGB; `xy` px (pixel (0, 0) is the centre of the first); `visibility` 0 absent, 1 hidden, 2 visible; `box`
    x1 y1 x2 y2 px. Where the source has them: `part_labels`, the index in `synthetic.body.PARTS` of each pixel of
    this person, and `orientation`, unit vectors to the person's left through shoulders, hips and ears, in camera axes.
    """

    image: UInt8[np.ndarray, "H W 3"]
    xy: Float64[np.ndarray, "J 2"]
    visibility: Int64[np.ndarray, " J"]
    box: Float64[np.ndarray, " 4"]
    part_labels: UInt8[np.ndarray, "H W"] | None = None
    orientation: Float64[np.ndarray, "3 3"] | None = None
