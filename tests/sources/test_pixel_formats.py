"""Pixels of industrial cameras become BGR of 8 bits."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.errors import SourceError
from multiview.sources._pixel_formats import to_bgr

BGR = np.array([30, 90, 200], np.uint8)  # one colour everywhere, so that interpolation gives it back
CHANNEL = {"B": 0, "G": 1, "R": 2}
ROWS = {"BayerRG": ("RG", "GB"), "BayerGR": ("GR", "BG"), "BayerGB": ("GB", "RG"), "BayerBG": ("BG", "GR")}


@pytest.mark.parametrize("pattern", ROWS)
@pytest.mark.parametrize("bits", [8, 12])
def test_bayer_pattern_gives_the_colour_behind_its_filters(pattern: str, bits: int) -> None:
    tile = [[int(BGR[CHANNEL[colour]]) << (bits - 8) for colour in row] for row in ROWS[pattern]]
    mosaic = np.tile(np.array(tile, np.uint8 if bits == 8 else np.uint16), (8, 8))
    image = to_bgr(mosaic, f"{pattern}{bits}")
    np.testing.assert_array_equal(image, np.broadcast_to(BGR, (16, 16, 3)))


def test_deep_pixels_keep_their_upper_bits() -> None:
    grey = np.array([[0, 15, 16, 4095]], np.uint16)
    np.testing.assert_array_equal(to_bgr(grey, "Mono12")[..., 1], [[0, 0, 1, 255]])


def test_rgb_is_turned_round() -> None:
    np.testing.assert_array_equal(to_bgr(BGR[None, None, ::-1], "RGB8"), BGR[None, None])
    np.testing.assert_array_equal(to_bgr(BGR[None, None], "BGR8"), BGR[None, None])


@pytest.mark.parametrize("name", ["Mono12p", "Mono12Packed", "YUV422_8", "RGB16", "Coord3D_C16", ""])
def test_pixel_format_that_is_not_read_is_named(name: str) -> None:
    with pytest.raises(SourceError, match=rf"pixel format {name} is not read here: set pixel_format to Mono8"):
        to_bgr(np.zeros((2, 2), np.uint16), name)
