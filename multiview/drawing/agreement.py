"""Agreement with another system: each joint's distances, and Bland and Altman's plot of every angle."""

from __future__ import annotations

import numpy as np

from multiview.drawing.plot import Figure
from multiview.evaluation.agreement import LIMITS, Agreement, Angle

__all__ = ["bland_altman", "joint_distances"]

_COLUMNS = 3
_LEAST_DEG = 1.0  # of an axis


def joint_distances(figure: Figure, found: Agreement) -> None:
    """A box for each joint: median, quartiles, 5 and 95 %."""
    axes = figure.subplots()
    distances = [1e3 * column[np.isfinite(column)] for column in found.distance.T]
    shown = [(joint, values) for joint, values in zip(found.joints, distances, strict=True) if len(values)]
    axes.boxplot([values for _, values in shown], whis=(5, 95), showfliers=False, orientation="horizontal")
    axes.set_yticks(range(1, len(shown) + 1), [joint.replace("_", " ") for joint, _ in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("distance from the other system's joint, mm")
    axes.grid(axis="x", alpha=0.3)


def bland_altman(figure: Figure, angles: tuple[Angle, ...]) -> None:
    """For each angle the difference over the mean of both, its mean and the limits of agreement.

    References:
        Bland and Altman 1986, Lancet 327, 307-310.
    """
    rows = -(-len(angles) // _COLUMNS)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, angle in zip(grid, angles, strict=False):
        difference, mean = angle.ours - angle.truth, (angle.ours + angle.truth) / 2
        axes.plot(mean, difference, ".", markersize=2, alpha=0.4)
        middle, half = angle.mean_difference, LIMITS * angle.deviation
        for level, style in ((middle, "-"), (middle - half, "--"), (middle + half, "--")):
            axes.axhline(level, linestyle=style, color="tab:red", linewidth=1)
        reach = max(1.3 * (abs(middle) + half), 1.05 * float(np.abs(difference).max()), _LEAST_DEG)
        axes.set_ylim(-reach, reach)
        axes.set_title(angle.name.removesuffix("_deg").replace("_", " "), fontsize=9)
        axes.text(
            0.98, 0.03, f"{middle:+.1f} ± {half:.1f}", transform=axes.transAxes, ha="right", fontsize=8, color="tab:red"
        )
    for axes in grid[len(angles) :]:
        axes.set_visible(False)
    figure.supxlabel("mean of both, deg")
    figure.supylabel("ours minus theirs, deg")
