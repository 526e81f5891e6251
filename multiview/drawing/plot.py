"""Pictures of a take: where people went, how fast, whether their bones keep their lengths, what was measured, and how
well the cameras agree. Each function fills one figure; whoever calls saves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.body.actor import BONE_LENGTHS, lengths_by_frame
from multiview.cameras.camera import Rig
from multiview.common.palette import RGB, blend, person_colour
from multiview.data import NS_PER_S
from multiview.recordings.pose_table import Poses

__all__ = ["CameraErrors", "Figure", "bone_lengths", "coverage", "reprojection", "speeds", "trajectories"]

Figure = Any  # of matplotlib, which not everyone who imports this has to wait for

_BINS = 240  # of coverage over time
_STEP_S = 0.1  # speeds are over this time, so that noise does not look like movement
_GAP_S = 0.25  # a line is broken where its person was away for longer


class CameraErrors(NamedTuple):
    """One camera's distances (px) between projected joints and its 2D joints, and when (s)."""

    camera: str
    time_s: Float64[np.ndarray, " N"]
    px: Float64[np.ndarray, " N"]


def trajectories(figure: Figure, poses: Poses, rig: Rig | None, joint: str = "") -> None:
    """From above: each person's way, where it began (o) and ended (x), and the cameras."""
    axes = figure.subplots()
    for person in poses.people.tolist():
        time_s, place = _way(poses, person, joint)
        colour, name = _colour(person), _name(poses, person)
        where = _broken(time_s, place)
        axes.plot(where[:, 0], where[:, 1], color=colour, linewidth=1.4, label=name)
        known = place[np.isfinite(place[:, 0])]
        if len(known):
            axes.plot(*known[0, :2], "o", color=colour, markersize=6)
            axes.plot(*known[-1, :2], "x", color=colour, markersize=7, markeredgewidth=2)
            axes.annotate(name, known[-1, :2], textcoords="offset points", xytext=(7, 5), color=colour, fontsize=8)
    for camera in rig.cameras if rig is not None else ():
        (x, y, _), look = camera.centre, 0.6 * camera.R[2]
        axes.annotate("", (x + look[0], y + look[1]), (x, y), arrowprops={"arrowstyle": "-|>", "color": "0.55"})
        axes.annotate(camera.name, (x, y), textcoords="offset points", xytext=(0, -11), ha="center", color="0.4")
        axes.plot(x, y, "s", color="0.4", markersize=4)
    floor = rig is None or rig.world != "camera"
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("x, m")
    axes.set_ylabel("y, m")
    axes.set_title(f"{_what(joint)} from above; o begins, x ends" if floor else f"{_what(joint)} in x and y (no floor)")
    axes.grid(alpha=0.25)


def speeds(figure: Figure, poses: Poses, joint: str = "") -> None:
    """Speed over time, of the middle of the body or of a joint; one row a person."""
    people = poses.people.tolist()
    rows = figure.subplots(max(1, len(people)), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, person in zip(rows, people, strict=False):
        time_s, place = _way(poses, person, joint)
        step = max(1, round(_STEP_S * poses.frames_per_second))
        if len(place) > step:
            took = time_s[step:] - time_s[:-step]
            speed = np.linalg.norm(place[step:] - place[:-step], axis=1) / took
            speed = np.where(took < 1.5 * step / poses.frames_per_second, speed, np.nan)
            axes.plot((time_s[step:] + time_s[:-step]) / 2, speed, color=_colour(person), linewidth=1.0)
        axes.set_ylabel("m/s")
        axes.set_ylim(bottom=0.0)
        axes.grid(alpha=0.25)
        axes.text(0.005, 0.94, _name(poses, person), transform=axes.transAxes, va="top", weight="bold", fontsize=9)
    rows[-1].set_xlabel("time, s")
    rows[0].set_title(f"Speed of {_what(joint).lower()}, over {_STEP_S:g} s")


def bone_lengths(figure: Figure, poses: Poses) -> None:
    """How far each length is from the person's median, over time: a straight line at 0 is a person whose bones keep
    their lengths. Only joints that were measured."""
    people = poses.people.tolist()
    grid = figure.subplots(max(1, len(people)), 2, squeeze=False, width_ratios=(3, 1), sharey=True)
    measured = poses.measured_only()
    tones = [figure_colour(i, len(BONE_LENGTHS)) for i in range(len(BONE_LENGTHS))]
    for row, person in zip(grid, people, strict=False):
        own = measured.select(measured.person == person)
        table = lengths_by_frame(poses.joints, own.xyz)
        middle = _middle(table)
        percent = 100 * (table / middle - 1)
        time_s = own.time_ns / NS_PER_S
        for i, name in enumerate(BONE_LENGTHS):
            known = percent[np.isfinite(percent[:, i]), i]
            if len(known) < 2:
                continue
            smooth = _running_median(percent[:, i], 2 * round(poses.frames_per_second / 4) + 1)
            row[0].plot(*_broken(time_s, smooth[:, None], True).T, color=tones[i], linewidth=0.9)
            low, high = np.quantile(known, [0.05, 0.95])
            row[1].plot([i, i], [low, high], color=tones[i], linewidth=4, solid_capstyle="butt")
            words = f"{name.replace('_', ' ')} {1e3 * middle[i]:.0f}"
            row[1].text(i, -14.5, words, rotation=90, fontsize=7, va="bottom", ha="center", color=tones[i])
        row[0].set_ylim(-15, 15)
        row[0].set_ylabel("% of median")
        row[0].grid(alpha=0.25)
        row[0].text(0.005, 0.94, _name(poses, person), transform=row[0].transAxes, va="top", weight="bold", fontsize=9)
        row[1].set_xticks([])
    grid[-1, 0].set_xlabel("time, s")
    grid[0, 0].set_title("Bone lengths: half-second median")
    grid[0, 1].set_title("5 to 95 % of frames; median in mm", fontsize=9)


def _bins(time_s: Float64[np.ndarray, " N"], rate: float) -> Float64[np.ndarray, " E"]:
    """Edges (s) of at most `_BINS` bins over the poses' time; none is so narrow that it falls between two frames."""
    if not len(time_s):
        return np.array([0.0, 1.0])
    first, last = time_s.min() - 0.5 / rate, time_s.max() + 0.5 / rate
    return np.linspace(first, last, min(_BINS, max(1, round((last - first) * rate))) + 1)


def coverage(figure: Figure, poses: Poses) -> None:
    """Over time, which share of each person's joints was measured, filled, or unknown."""
    people = poses.people.tolist()
    rows = figure.subplots(max(1, len(people)), sharex=True, squeeze=False)[:, 0]
    time_s = poses.time_ns / NS_PER_S
    edges = _bins(time_s, poses.frames_per_second)
    bins = len(edges) - 1
    frames = np.histogram(np.unique(time_s), edges)[0]
    for axes, person in zip(rows, people, strict=False):
        own = poses.person == person
        place = np.clip(np.searchsorted(edges, time_s[own], side="right") - 1, 0, bins - 1)
        known, filled = np.isfinite(poses.xyz[own, :, 0]), poses.filled[own]
        shares = [np.bincount(place, share.mean(axis=1), bins) for share in (known & ~filled, known & filled, ~known)]
        measured, guessed, missing = (np.where(frames > 0, share / np.maximum(frames, 1), 0.0) for share in shares)
        colour = _colour(person)
        steps = [np.append(share, share[-1]) for share in (measured, guessed, missing)]  # a step for each two edges
        axes.stackplot(edges, *steps, colors=[colour, blend(colour, (1, 1, 1), 0.6), "0.85"], step="post")
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        seen, views = known & ~filled, poses.views[own]
        parts = {"measured": seen, "filled": known & filled, "unknown": ~known}
        words = ", ".join(f"{word} {100 * part.mean():.1f} %" for word, part in parts.items())
        words += f"; {views[seen].mean():.1f} views a joint" if seen.any() else ""
        axes.set_title(f"{_name(poses, person)}   {words}", loc="left", fontsize=9)
    rows[-1].set_xlabel("time, s")
    figure.suptitle("Joints over time: full colour measured, pale filled, grey unknown, white away", fontsize=11)


def reprojection(figure: Figure, errors: Sequence[CameraErrors]) -> None:
    """Each camera's error over time (median of a bin) and its distribution: one that rises was moved."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    seen = [error for error in errors if len(error.px)]
    top = max((2.5 * float(np.quantile(error.px, 0.75)) for error in seen), default=1.0)
    for i, error in enumerate(seen):
        tone = figure_colour(i, len(seen))
        edges = np.linspace(error.time_s.min(), error.time_s.max() + 1e-9, 61)
        place = np.searchsorted(edges, error.time_s, side="right") - 1
        bins = [error.px[place == b] for b in range(60)]
        middle = np.array([np.median(px) if len(px) else np.nan for px in bins])
        left.plot((edges[1:] + edges[:-1]) / 2, middle, color=tone, linewidth=1.2, label=error.camera)
        low, quarter, half, three, high = np.quantile(error.px, [0.05, 0.25, 0.5, 0.75, 0.95])
        right.plot([i, i], [low, high], color=tone, linewidth=1)
        right.plot([i, i], [quarter, three], color=tone, linewidth=7, solid_capstyle="butt")
        right.plot(i, half, "_", color="white", markersize=9, markeredgewidth=1.6)
        right.text(i, half, f"  {half:.1f}", fontsize=7, va="center", ha="left")
    left.set_ylim(0, top)  # what sticks out are wrong detections, which fusion left out
    left.set_xlabel("time, s")
    left.set_ylabel("px")
    left.grid(alpha=0.25)
    left.legend(fontsize=8, ncols=4, loc="upper left")
    left.set_title("Reprojection error of measured joints, median over time")
    right.set_xticks(range(len(seen)), [error.camera for error in seen], rotation=90, fontsize=8)
    right.set_xlim(-0.6, max(len(seen), 1) - 0.2)
    right.set_title("5, 25, 50, 75, 95 %", fontsize=9)


def figure_colour(index: int, count: int) -> RGB:
    """Colours for things that are not people, far apart."""
    from matplotlib import colormaps

    red, green, blue, _ = colormaps["turbo"]((index + 0.5) / max(count, 1))
    return blend((float(red), float(green), float(blue)), (0.0, 0.0, 0.0), 0.1)


def _way(poses: Poses, person: int, joint: str) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, "T 3"]]:
    """Times (s) and places (m): of a joint, or of the middle of the hips, or of all joints."""
    own = poses.select(poses.person == person)
    names = [joint] if joint else [name for name in ("left_hip", "right_hip") if name in poses.joints]
    columns = [poses.joints.index(name) for name in names] or list(range(len(poses.joints)))
    place: np.ndarray = own.xyz[:, columns].mean(axis=1)
    return own.time_ns / NS_PER_S, place


def _broken(time_s: Float64[np.ndarray, " T"], place: Float64[np.ndarray, "T D"], timed: bool = False) -> np.ndarray:
    """The points with a NaN in between where their person was away; with the time before them if `timed`."""
    rows = np.column_stack([time_s, place]) if timed else place
    away = np.flatnonzero(np.diff(time_s) > _GAP_S) + 1
    broken: np.ndarray = np.insert(rows, away, np.nan, axis=0)
    return broken


def _middle(table: Float64[np.ndarray, "T L"]) -> Float64[np.ndarray, " L"]:
    columns = (column[np.isfinite(column)] for column in table.T)
    return np.array([np.median(column) if len(column) else np.nan for column in columns])


def _running_median(values: Float64[np.ndarray, " T"], width: int) -> Float64[np.ndarray, " T"]:
    from scipy.ndimage import median_filter

    known = np.isfinite(values)
    smooth = np.full(len(values), np.nan)
    if known.any():
        smooth[known] = median_filter(values[known], size=min(width, max(1, int(known.sum()))), mode="nearest")
    return smooth


def _colour(person: int) -> RGB:
    """A person's own, dark enough for a white ground."""
    return blend(person_colour(person), (0.0, 0.0, 0.0), 0.25)


def _name(poses: Poses, person: int) -> str:
    return poses.names.get(person) or f"person {person}"


def _what(joint: str) -> str:
    return joint.replace("_", " ").capitalize() if joint else "Hips"
