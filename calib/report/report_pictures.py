"""The pictures of report.html as SVG: rig and expected error, links, time offsets, coverage, error histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64

from calib.corners.corners import Corners
from calib.report.figures import BLUE, INK, QUIET, RED, as_svg, empty_figure, plain_names
from calib.report.outcome import Outcome
from calib.report.rig_pictures import bars_of_offsets, rig_with_errors, table_of_pairs
from calib.solve.solve import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["coverage", "histograms", "links", "offsets", "rig_views", "wander"]

_MAX_CORNERS, _MAX_REJECTED = 1500, 400  # more than that is a solid colour


def rig_views(outcome: Outcome, calibration: Calibration) -> str:
    """From above and from the side, in the rig's world."""
    rig = outcome.rig
    R, t = _world_from_solved(outcome, calibration)
    used = np.unique(calibration.bundle.knot[(calibration.bundle.weight > 0).any(axis=1)])
    points, path = outcome.volume.points @ R.T + t, calibration.state.target_t[used] @ R.T + t
    return rig_with_errors(rig, path, points, outcome.volume.error_mm, digits=2)


def links(outcome: Outcome) -> str:
    """A table of pairs with the boards that they share."""
    shared = [(link.a, link.b, link.boards, link.weak) for link in outcome.links]
    return table_of_pairs(
        outcome.rig.names, shared, 0.5, "boards shared by each pair;\nred: too few to determine a pose"
    )


def offsets(outcome: Outcome) -> str:
    """Time offsets as bars with two deviations."""
    entries = outcome.cameras
    if not any(entry.time_offset_sigma_s for entry in entries):
        return (
            "<p>Time offsets were not estimated: the board did not move between images, or --no-offsets was given.</p>"
        )
    offset_s, sigma_s = zip(*((entry.time_offset_s, entry.time_offset_sigma_s) for entry in entries), strict=True)
    return bars_of_offsets(outcome.rig.names, offset_s, sigma_s)


def wander(calibration: Calibration) -> str:
    """What unsteady clocks' stamps lack, over time."""
    figure, panels = _grid(len(calibration.unsteady_clocks), 1, 1.8)
    for axes, clock in zip(panels, calibration.unsteady_clocks, strict=True):
        axes.plot(calibration.stamps[clock.views], 1000 * clock.wander, ".-", color=BLUE, linewidth=0.6, markersize=2)
        axes.axhline(0, color=QUIET)
        axes.set_xlabel(f"stamp of {plain_names(calibration.names)[clock.camera]}, s")
        axes.set_ylabel("wander, ms")
    return as_svg(figure)


def coverage(calibration: Calibration, corners: Corners) -> str:
    """Every camera's picture with its corners and enlarged errors."""
    figure, panels = _grid(len(calibration.cameras), 3, 2.5)
    residuals = calibration.bundle.residuals(calibration.state)
    rng = np.random.default_rng(0)
    names = plain_names(corners.names)
    for i, (axes, c) in enumerate(zip(panels, calibration.cameras, strict=True)):
        used = _used(calibration, i)
        xy, error = calibration.bundle.xy[used], residuals[used]
        width, height = corners.sizes[c]
        typical = float(np.sqrt(np.mean(error**2))) if error.size else 1.0
        enlarged = float(10 ** np.floor(np.log10(0.035 * width / max(typical, 1e-6))))
        shown = rng.permutation(len(xy))[:_MAX_CORNERS]
        ends = np.stack([xy[shown], xy[shown] + enlarged * error[shown], np.full((len(shown), 2), np.nan)], axis=1)
        axes.plot(*ends.reshape(-1, 2).T, color=BLUE, linewidth=0.5, alpha=0.5, rasterized=True)
        axes.plot(*xy[shown].T, ".", color=INK, markersize=1.5, rasterized=True)
        rejected = corners.xy[(corners.camera == c) & ~calibration.inlier][:_MAX_REJECTED]
        axes.plot(*rejected.T, "x", color=RED, markersize=3, markeredgewidth=0.7, rasterized=True)
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=(), yticks=(), aspect="equal", facecolor="#f1f5f9")
        axes.set_xlabel(f"{names[c]}: {len(xy)} corners, errors x {enlarged:g}")
    return as_svg(figure)


def histograms(calibration: Calibration, corners: Corners) -> str:
    """Errors of every camera's corners, with what pure noise of the same size would give."""
    figure, panels = _grid(len(calibration.cameras), 4, 2.0)
    errors = calibration.errors()
    names = plain_names(corners.names)
    for i, (axes, c) in enumerate(zip(panels, calibration.cameras, strict=True)):
        own, sigma = errors[_used(calibration, i)], calibration.sigma[i]
        counts, edges = np.histogram(own, bins=30, range=(0, 4.5 * sigma))
        axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.55)
        middle = (edges[1:] + edges[:-1]) / 2
        rayleigh = middle / sigma**2 * np.exp(-(middle**2) / (2 * sigma**2))
        axes.plot(middle, len(own) * edges[1] * rayleigh, color=INK, linewidth=1)
        axes.set_yticks(())
        axes.set_xlabel(f"{names[c]}, px; line: pure noise of {sigma:.2f} px")
    return as_svg(figure)


def _used(calibration: Calibration, i: int) -> Bool[np.ndarray, "M N"]:
    """The corners that count of one of the solved cameras."""
    return (calibration.bundle.camera == i)[:, None] & (calibration.bundle.weight > 0)


def _world_from_solved(
    outcome: Outcome, calibration: Calibration
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    camera, R, t = outcome.rig.cameras[0], calibration.state.R[0], calibration.state.t[0]
    return camera.R.T @ R, camera.R.T @ (t - camera.t)


def _grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, `height` inches each."""
    rows = -(-count // columns)
    figure = empty_figure(11.5, height * rows)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
