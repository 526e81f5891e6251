"""Pictures that every calibration's report has, as SVG: the rig with the error expected in it, pairs of cameras, time
offsets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from calib.report.figures import BLUE, INK, QUIET, RED, as_svg, empty_figure, plain_names
from multiview.cameras.camera import Rig

__all__ = ["bars_of_offsets", "rig_with_errors", "table_of_pairs"]

_LOOK_M = 0.5  # length of a camera's arrow


def rig_with_errors(
    rig: Rig,
    path: Float64[np.ndarray, "N 3"],
    points: Float64[np.ndarray, "P 3"],
    error_mm: Float64[np.ndarray, " P"],
    digits: int,
) -> str:
    """From above and from the side, in the rig's world: where the board or people were, and the error at `points`."""
    centres = np.stack([camera.centre for camera in rig.cameras])
    looks = _LOOK_M * np.stack([camera.R[2] for camera in rig.cameras])
    x, y, z = np.eye(3)
    views = {"from above": (x, y), "from the side": (x, z)}
    if rig.world == "camera":  # in a camera's world, down is its y; in a levelled one, up is z
        views = {"from above": (x, z), "from behind the first camera": (x, -y)}
    figure = empty_figure(11, 5)
    panels = figure.subplots(1, 2)
    for axes, (title, right_and_up) in zip(panels, views.items(), strict=True):
        flat = np.stack(right_and_up, axis=1)
        axes.plot(*(path @ flat).T, ".", color=QUIET, markersize=2)
        arrows = (*(centres @ flat).T, *(looks @ flat).T)
        axes.quiver(*arrows, color=INK, angles="xy", scale_units="xy", scale=1, width=0.006)
        for name, place in zip(plain_names(rig.names), (centres - looks) @ flat, strict=True):
            axes.text(*place, name, ha="center", va="center")
        axes.set(title=title, xlabel="m", aspect="equal", adjustable="datalim")
        axes.margins(0.15)
        order = np.argsort(error_mm)  # the worst on top
        shades = error_mm[order]
        dots = axes.scatter(*(points[order] @ flat).T, c=shades, norm="log", s=40, zorder=0)
    if len(points):
        label = f"expected error, mm (median {np.median(error_mm):.{digits}f})"
        bar = figure.colorbar(dots, ax=panels, label=label, shrink=0.8, format="%.3g")
        worst = float(error_mm.max())
        bar.set_ticks(_round_numbers(max(float(error_mm.min()), 1e-3 * worst), worst))
        bar.minorticks_off()
    return as_svg(figure)


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 ... between two positive numbers; these, where not two of them are."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = np.outer(decades, (1, 2, 5)).ravel()
    inside = steps[(steps >= low) & (steps <= high)].tolist()
    return inside if len(inside) > 1 else [low, high]


def table_of_pairs(
    names: tuple[str, ...], pairs: Sequence[tuple[str, str, float, bool]], inches: float, words: str
) -> str:
    """What each pair of cameras shares, by their names, red where it is too little; a column is `inches` wide."""
    shared = np.zeros((len(names), len(names)))
    figure = empty_figure(2 + inches * len(names), 1.2 + 0.4 * len(names))
    axes = figure.subplots()
    for first, second, value, weak in pairs:
        a, b = names.index(first), names.index(second)
        shared[a, b] = shared[b, a] = value
        for x, y in ((a, b), (b, a)):
            axes.text(x, y, f"{value:.0f}", ha="center", va="center", color=RED if weak else INK)
    places = np.arange(len(names))
    axes.pcolormesh(places, places, shared, cmap="Blues", vmin=0, vmax=2 * max(shared.max(), 1), edgecolor="white")
    axes.set_xticks(places, plain_names(names), rotation=45, ha="left")
    axes.set_yticks(places, plain_names(names))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.invert_yaxis()
    axes.set_xlabel(words)
    return as_svg(figure)


def bars_of_offsets(names: tuple[str, ...], offset_s: Sequence[float], sigma_s: Sequence[float]) -> str:
    """The time offset of each camera as a bar with two standard deviations."""
    offset_ms = [1000 * offset for offset in offset_s]
    figure = empty_figure(5, 1 + 0.3 * len(names))
    axes = figure.subplots()
    bars = axes.barh(plain_names(names), offset_ms, xerr=[2000 * sigma for sigma in sigma_s], color=BLUE)
    axes.bar_label(bars, [f"{offset:+.1f} ms" for offset in offset_ms], padding=4)
    axes.axvline(0, color=QUIET)
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.set_xlabel("time offset of each camera, ms, to be added to its stamps")
    return as_svg(figure)
