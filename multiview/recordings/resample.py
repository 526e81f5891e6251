"""Poses made ready for another program: some people, some seconds, short gaps closed, smoothed, at another rate.

Offline only: it looks ahead. Covariances stay those of the unsmoothed joints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.common.ranges import between
from multiview.data import NS_PER_S, FrameNumbers, TimesNs
from multiview.errors import ConfigError
from multiview.recordings.pose_table import ROW_ARRAYS, Poses

__all__ = ["ResampleOptions", "evenly_timed", "resample_poses"]


_EVEN_S = 0.001  # times of frames that are nearer to a steady rate are taken as steady


class ResampleOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done, in this order."""

    measured_only: bool = False
    """Joints that were filled rather than measured become unknown."""
    people: tuple[int, ...] = ()
    """Only these identities; none means all."""
    start_s: float = -np.inf
    """s, on the poses' own clock."""
    end_s: float = np.inf
    """s"""
    max_gap_s: Annotated[float, between(0, 1e7, "s")] = 0.0
    """s. Gaps of a joint up to this long are closed by a spline, and marked filled; 0 closes none."""
    lowpass_hz: Annotated[float, between(0, 1000, "Hz")] = 0.0
    """Hz. Cut-off of a fourth-order Butterworth filter without delay (Winter 2009, section 3.4); 0 filters nothing."""
    resample_hz: Annotated[float, between(0, 10_000, "frames per second")] = 0.0
    """Hz. Frames per second to bring the poses to; 0 leaves them."""
    y_up: bool = False
    """Turn the world so that y is up: (x, y, z) becomes (x, z, -y)."""


def resample_poses(poses: Poses, options: ResampleOptions) -> Poses:
    """Poses made ready for another program, by the steps of `ResampleOptions` in their order.

    Covariances stay those of the unsmoothed joints.

    Args:
        poses: The poses.
        options: What is done.

    Returns:
        The poses, ready.

    Raises:
        ConfigError: A person does not exist, nobody is there in these seconds, or a frequency makes no sense.
    """
    if options.measured_only:
        poses = poses.measured_only()
    missing = sorted(set(options.people) - set(poses.people.tolist()))
    if missing:
        known = ", ".join(map(str, poses.people.tolist())) or "nobody"
        raise ConfigError(f"no person {', '.join(map(str, missing))}; there are {known}")
    keep = np.isin(poses.person, options.people) if options.people else np.ones(len(poses), dtype=bool)
    time_s = poses.time_ns / NS_PER_S
    inside = (time_s >= options.start_s) & (time_s <= options.end_s)
    if len(poses) and not (keep & inside).any():
        since, until = time_s[keep].min(), time_s[keep].max()
        whose = "of these people " if options.people else ""
        raise ConfigError(
            f"nobody is there {_seconds(options)}: the poses {whose}run from {since:.3f} to {until:.3f} s"
        )
    poses = poses.select(keep & inside)
    rate = poses.frames_per_second
    if options.lowpass_hz and not 0 < options.lowpass_hz < rate / 2:
        raise ConfigError(f"a low pass of {options.lowpass_hz:g} Hz needs more than {rate:g} frames per second")
    if options.resample_hz < 0:
        raise ConfigError(f"frames per second must be positive, not {options.resample_hz:g}")
    if options.max_gap_s or options.lowpass_hz or options.resample_hz:
        poses = _join([_person(poses, int(person), rate, options) for person in poses.people], poses)
    return _y_up(poses) if options.y_up else poses


def _seconds(options: ResampleOptions) -> str:
    since = f"from {options.start_s:g} s on" if np.isfinite(options.start_s) else ""
    until = f"up to {options.end_s:g} s" if np.isfinite(options.end_s) else ""
    return f"{since} {until}".strip()


def evenly_timed(poses: Poses) -> tuple[Poses, float]:
    """Poses for a format that has a frame rate and no times: interpolated, where the frames' own times are uneven.

    Args:
        poses: The poses.

    Returns:
        The poses, and by how much (s) a frame was off a steady rate; 0 where they are as they were.
    """
    frame, first = np.unique(poses.frame, return_index=True)
    if len(frame) < 3:
        return poses, 0.0
    number, time_s = frame - frame[0], (poses.time_ns[first] - poses.time_ns[first[0]]) / NS_PER_S
    slope, start = np.polyfit(number, time_s, 1)
    off = float(np.abs(time_s - (start + slope * number)).max())
    if off <= _EVEN_S:
        return poses, 0.0
    return resample_poses(poses, ResampleOptions(resample_hz=poses.frames_per_second)), off


def _person(poses: Poses, person: int, rate: float, options: ResampleOptions) -> Poses:
    """One person's rows, without gaps between frames, treated."""
    from scipy.signal import butter  # slow to import, and of use to few

    own = poses.select(poses.person == person)
    first, count = int(own.frame[0]), int(own.frame[-1] - own.frame[0]) + 1
    source = np.full(count, -1)
    source[own.frame - first] = np.arange(len(own))
    present = source >= 0
    nearest = source[_nearest(present)]
    frame = np.arange(first, first + count)
    time_ns = own.time_ns[0] + np.round((frame - first) * (NS_PER_S / rate)).astype(np.int64)
    everyone, row = np.unique(poses.frame, return_index=True)
    others = np.isin(frame, everyone)  # a frame has one time, whoever is in it
    time_ns[others] = poses.time_ns[row[np.searchsorted(everyone, frame[others])]]
    xyz = np.where(present[:, None, None], own.xyz[nearest], np.nan)
    filled = own.filled[nearest] & present[:, None]
    was_known = np.isfinite(xyz[..., 0])
    if options.max_gap_s:
        xyz = _close_gaps(xyz, round(options.max_gap_s * rate))
        filled |= np.isfinite(xyz[..., 0]) & ~was_known
    if options.lowpass_hz:
        xyz = _lowpass(xyz, butter(2, options.lowpass_hz, fs=rate, output="sos"))
    near = own.select(nearest)
    utc_ns = np.where(near.utc_ns > 0, near.utc_ns + time_ns - near.time_ns, 0)
    dense = replace(
        near,
        frame=FrameNumbers(frame),
        time_ns=TimesNs(time_ns),
        utc_ns=TimesNs(utc_ns),
        xyz=xyz,
        filled=filled,
    )
    if options.resample_hz:
        dense = _resample(dense, options.resample_hz)
    return _consistent(dense, filled_only=~was_known if not options.resample_hz else None)


def _consistent(poses: Poses, filled_only: Bool[np.ndarray, "N J"] | None) -> Poses:
    """Score 0 and NaN together; what closed a gap rests on no view; rows with nothing known are left out."""
    known = np.isfinite(poses.xyz[..., 0])
    nothing = ~known if filled_only is None else ~known | filled_only
    poses = replace(
        poses,
        cov=np.where(known[..., None, None], poses.cov, np.nan),
        score=np.where(known, np.where(poses.score > 0, poses.score, 0.1), 0.0),
        views=np.where(nothing, 0, poses.views),
        filled=poses.filled & known,
        contact=poses.contact & known,
    )
    return poses.select(known.any(axis=1))


def _close_gaps(xyz: Float64[np.ndarray, "T J 3"], most: int) -> Float64[np.ndarray, "T J 3"]:
    from scipy.interpolate import CubicSpline  # slow to import, and of use to few

    closed = xyz.copy()
    for joint in range(xyz.shape[1]):
        known = np.isfinite(xyz[:, joint, 0])
        if known.sum() < 4 or known.all():
            continue
        at = np.flatnonzero(known)
        spline = CubicSpline(at, xyz[at, joint])
        for begin, end in _runs(~known):
            if begin > 0 and end < len(known) and end - begin <= most:
                closed[begin:end, joint] = spline(np.arange(begin, end))
    return closed


def _lowpass(xyz: Float64[np.ndarray, "T J 3"], filter_: np.ndarray) -> Float64[np.ndarray, "T J 3"]:
    """Forwards and backwards over each stretch without gap; one too short for the filter stays as it is."""
    from scipy.signal import sosfiltfilt

    smooth = xyz.copy()
    shortest = 3 * (2 * len(filter_) + 1)
    whole = np.isfinite(xyz).all(axis=(0, 2))
    if len(xyz) > shortest and whole.any():
        smooth[:, whole] = sosfiltfilt(filter_, xyz[:, whole], axis=0)
    for joint in np.flatnonzero(~whole):
        for begin, end in _runs(np.isfinite(xyz[:, joint, 0])):
            if end - begin > shortest:
                smooth[begin:end, joint] = sosfiltfilt(filter_, xyz[begin:end, joint], axis=0)
    return smooth


def _resample(poses: Poses, rate: float) -> Poses:
    """On a common grid of times, numbered from the clock's zero; nothing is placed across an unknown frame."""
    time_s = poses.time_ns / NS_PER_S
    frame = np.arange(np.ceil(time_s[0] * rate - 1e-6), np.floor(time_s[-1] * rate + 1e-6) + 1).astype(np.int64)
    at = np.clip(frame / rate, time_s[0], time_s[-1])
    after = np.clip(np.searchsorted(time_s, at, side="right"), 1, max(len(time_s) - 1, 1))
    before = np.minimum(after - 1, len(time_s) - 1)
    after = np.minimum(after, len(time_s) - 1)
    span = np.maximum(time_s[after] - time_s[before], 1e-12)
    share = ((at - time_s[before]) / span)[:, None, None]
    between = poses.xyz[before] * (1 - share) + poses.xyz[after] * share
    between = np.where(share < 1e-6, poses.xyz[before], np.where(share > 1 - 1e-6, poses.xyz[after], between))
    nearest = np.where(share[:, 0, 0] < 0.5, before, after)
    moved = replace(poses.select(nearest), frame=FrameNumbers(frame), xyz=between)
    time_ns = np.round(frame * (NS_PER_S / rate)).astype(np.int64)
    utc_ns = np.where(moved.utc_ns > 0, moved.utc_ns + time_ns - moved.time_ns, 0)
    return replace(moved, time_ns=TimesNs(time_ns), utc_ns=TimesNs(utc_ns))


def _y_up(poses: Poses) -> Poses:
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    return replace(poses, xyz=poses.xyz @ turn.T, cov=turn @ poses.cov @ turn.T)


def _join(parts: Iterable[Poses], like: Poses) -> Poses:
    """In the order of frame, then person."""
    parts = list(parts)
    if not parts:
        return like
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ROW_ARRAYS}
    joined = replace(like, **columns)
    return joined.select(np.lexsort((joined.person, joined.frame)))


def _nearest(present: Bool[np.ndarray, " T"]) -> Int64[np.ndarray, " T"]:
    """For each index that of the nearest one that is present."""
    at = np.flatnonzero(present)
    every = np.arange(len(present))
    right = np.clip(np.searchsorted(at, every), 0, len(at) - 1)
    left = np.maximum(right - 1, 0)
    found: np.ndarray = np.where(every - at[left] < at[right] - every, at[left], at[right]).astype(np.int64)
    return found


def _runs(marks: Bool[np.ndarray, " T"]) -> list[tuple[int, int]]:
    """(begin, end) of the stretches that are marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
