"""The picture of the error that a rig leads to, as text in its SVG."""

import re

import numpy as np
import pytest

from calib.report.rig_pictures import rig_with_errors
from multiview.synthetic.board import ring


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(4.0, 33.0, ["5", "10", "20"]), (0.11, 0.6, ["0.2", "0.5"]), (18.6, 19.4, ["18.6", "19.4"])],
)
def test_errors_are_told_in_round_millimetres(low: float, high: float, labels: list[str]) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    drawn = rig_with_errors(ring(3, rng=np.random.default_rng(0)), points, points, np.linspace(low, high, 20), 1)
    bar = drawn[drawn.index('id="axes_3"') :]
    assert re.findall(r">([\d.]+)</text>", bar) == labels
