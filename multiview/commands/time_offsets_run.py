"""The work of `multiview time-offsets`: every camera's constant time offset, estimated, confirmed and drawn."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table
from rich.text import Text

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.reprojection import reprojection_errors
from multiview.common.atomic_file import replacing
from multiview.common.console import plain_console
from multiview.data import NS_PER_S, Views
from multiview.errors import CalibrationError
from multiview.fusion.pipeline import Pipeline
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.selfcalib.clock_rate import clock_rates
from multiview.selfcalib.time_offset import MIN_OFFSET_S, TimeOffset, TimeOffsetEstimator
from multiview.selfcalib.time_offset_scan import TimeOffsetScan, scan_time_offsets

__all__ = ["TimeOffsetResult", "corrected_rig", "draw", "estimate_time_offsets", "table_of"]

SCAN_HZ = 30.0  # a finer scan costs time and tells nothing: the estimator refines it
MIN_SCAN_TICKS = 1.5  # smaller offsets are left to the estimator
MAX_RESIDUAL_RATIO = 0.9  # of the residual without offset, for an offset of the scan to be accepted
MAX_ROUNDS = 4
CONVERGED_S = 0.0005
MAX_REMAINING_S = 0.002  # beyond its uncertainty: a camera that still moves with every round has no offset found
MIN_FALL, MIN_FALL_OF_LARGE, LARGE_S = 0.99, 0.9, 0.05  # reprojection error after / before, and what a large offset is
MAX_ERROR_RATIO = 2.5  # of a camera that is in step, to the median of all cameras
COMPARED_TICKS = 200  # whose reprojection errors are compared
SCAN_TOLERANCE = 3  # steps of the scan
DRIFT_Z_SCORE = 3.0  # of the difference between both halves of the recording
CONFIRMED, IN_STEP, UNKNOWN, NOT_FOUND = "confirmed", "in step", "nobody moved in view", "not found"
SETTLED = (CONFIRMED, IN_STEP)
MAX_BLOCKS = 300  # of two seconds


@dataclass(frozen=True, slots=True, eq=False)
class TimeOffsetResult:
    """`offsets` in the rig's order, and each camera's median reprojection error before and after the correction."""

    rig: Rig
    offsets: list[TimeOffset]
    found: list[str]  # what was found of each camera: CONFIRMED, IN_STEP, UNKNOWN or why not
    scan: TimeOffsetScan
    scan_ticks: np.ndarray  # the offsets in steps of the scan
    before_px: Float64[np.ndarray, " C"]
    after_px: Float64[np.ndarray, " C"]
    guess_s: Float64[np.ndarray, " C"]  # was added to the stamps before; `offsets` are what remains
    seconds: float = 0.0  # that were recorded

    def confirmed_s(self) -> Float64[np.ndarray, " C"]:
        """The whole confirmed offsets, 0 for the others; a guess is confirmed by a camera that is in step after it."""
        rows = zip(self.offsets, self.found, self.guess_s, strict=True)
        return np.array(
            [
                guess + (o.offset_s if words == CONFIRMED else 0.0) if words in SETTLED else 0.0
                for o, words, guess in rows
            ]
        )

    def drifts(self) -> list[str]:
        """A line about every camera whose offset changes while it records, beyond doubt."""
        lines = []
        for name, offset, words in zip(self.rig.names, self.offsets, self.found, strict=True):
            first, second = offset.halves_s
            if words in SETTLED and abs(second - first) > max(MIN_OFFSET_S, DRIFT_Z_SCORE * 2 * offset.sigma_s):
                share = 2 * (second - first) / self.seconds
                lines.append(
                    f"{name}'s clock is {'slow' if share > 0 else 'fast'} by {1e6 * abs(share):.0f} millionths: its "
                    "offset is that in the middle of the recording. Has it another rate, such as 59.94 Hz for 60?"
                )
        return lines

    @property
    def settled(self) -> bool:
        """Whether every camera is found to be in step, or by how much it is not."""
        return all(words in SETTLED for words in self.found)


def estimate_time_offsets(
    rig: Rig,
    skeleton: Skeleton,
    recordings: list[Recording],
    max_offset_s: float,
    guess_s: dict[str, float] | None = None,
) -> TimeOffsetResult:
    """Scan offsets up to `max_offset_s`, then refine them by regression; CalibrationError if nobody moves.

    `guess_s` is what was added to the recordings' times already, by camera.
    """
    views = list(recorded_views(rig, recordings))
    if not views:
        raise CalibrationError("no keypoints: the time offsets of these cameras cannot be estimated")
    fps = max(recording.fps for recording in recordings)
    every = max(1, round(fps / SCAN_HZ))
    console = plain_console(stderr=True)
    with console.status("scanning offsets") if console.is_terminal else nullcontext():
        scan = scan_time_offsets(rig, views[::every], every / fps, max_offset_s)
    coarse = _accepted(scan)
    before = _fuse(rig, skeleton, views, fps, "fusing without correction", console)
    offsets, last = np.zeros(len(rig)), before
    step = coarse * scan.step_s if coarse.any() else _step(before.offsets)
    for number in range(1, MAX_ROUNDS + 1):
        if np.abs(step).max() < CONVERGED_S:
            break
        offsets = offsets + step
        corrected = list(recorded_views(rig, _corrected(rig, recordings, offsets), by_time=True))
        last = _fuse(rig, skeleton, corrected, fps, f"fusing with correction {number} of at most {MAX_ROUNDS}", console)
        step = _step(last.offsets)
    remaining, found_whole = last.offsets, last.estimator.time_offsets(offsets)
    if remaining is None or found_whole is None:
        raise CalibrationError("too little data: at least two cameras must see people move for ten seconds")
    whole = [_whole(*both) for both in zip(found_whole, remaining, strict=True)] if offsets.any() else remaining
    ticks = np.rint(offsets / scan.step_s).astype(int)
    found = [
        _judge(c, whole[c], remaining[c], scan, ticks, max_offset_s, before.errors_px, last.errors_px)
        for c in range(len(rig))
    ]
    if any(words.startswith(NOT_FOUND) for words in found):  # the others were compared with a camera that is nowhere
        found = ["not confirmed: not all cameras are found" if words == CONFIRMED else words for words in found]
    if any(words not in SETTLED for words in found):
        rates = clock_rates(rig, views[::every], every / fps, max_offset_s)
        found = [_rate_words(fps, rate) if rate else words for rate, words in zip(rates.tolist(), found, strict=True)]
    guess = np.array([(guess_s or {}).get(name, 0.0) for name in rig.names])
    seconds = views[-1].time - views[0].time
    return TimeOffsetResult(rig, whole, found, scan, ticks, before.errors_px, last.errors_px, guess, seconds)


def _rate_words(fps: float, rate: float) -> str:
    return f"{NOT_FOUND}: its frames come at {fps / (1 + rate):.2f} a second, not {fps:g}; give their times"


def _whole(whole: TimeOffset, remaining: TimeOffset) -> TimeOffset:
    """The whole offset; what the last round would still change is part of its uncertainty."""
    return whole._replace(sigma_s=float(np.hypot(whole.sigma_s, remaining.offset_s)))


def _judge(
    c: int,
    whole: TimeOffset,
    remaining: TimeOffset,
    scan: TimeOffsetScan,
    ticks: Int64[np.ndarray, " C"],
    max_offset_s: float,
    before_px: Float64[np.ndarray, " C"],
    after_px: Float64[np.ndarray, " C"],
) -> str:
    """What was found of one camera. An offset that only pulls a regression is none: the rounds must settle, within the
    range, where the scan has its minimum as well, and the camera must agree better with the others than before."""
    large = abs(whole.offset_s) > LARGE_S
    if abs(whole.offset_s) > max_offset_s - scan.step_s:
        return "not found: beyond --max-offset?"
    if not whole.known:
        return UNKNOWN
    if abs(remaining.offset_s) > MAX_REMAINING_S + 3 * remaining.sigma_s:
        return "not found: does not settle"
    if after_px[c] > MAX_ERROR_RATIO * np.nanmedian(after_px):
        return "not found: disagrees with the others at any offset within --max-offset"
    if not whole.confirmed:
        return (
            IN_STEP if abs(whole.offset_s) <= max(MIN_OFFSET_S, 2 * whole.sigma_s) else "not confirmed: record longer"
        )
    if not after_px[c] < (MIN_FALL_OF_LARGE if large else MIN_FALL) * before_px[c]:
        return "not found: agrees no better with it"
    if large and not _is_minimum(scan.curve(c, ticks), scan.reach + round(whole.offset_s / scan.step_s)):
        return "not found: the scan has no minimum there"
    return CONFIRMED


def _is_minimum(curve: Float64[np.ndarray, " K"], place: int) -> bool:
    """Whether a curve is lowest at a place, or beside it."""
    return bool(np.isfinite(curve).any()) and abs(int(np.nanargmin(curve)) - place) <= SCAN_TOLERANCE


def _step(offsets: list[TimeOffset] | None) -> np.ndarray:
    """The next correction; 0 where nothing is known."""
    return np.array([offset.offset_s if offset.known else 0.0 for offset in offsets or []] or [0.0])


def corrected_rig(result: TimeOffsetResult) -> Rig:
    """The rig with the confirmed offsets added to `time_offset_s`."""
    cameras = (
        replace(camera, time_offset_s=round(camera.time_offset_s + float(offset), 6))
        for camera, offset in zip(result.rig.cameras, result.confirmed_s(), strict=True)
    )
    return replace(result.rig, cameras=tuple(cameras))


def _accepted(scan: TimeOffsetScan) -> np.ndarray:
    """Offsets in ticks that are large and lower the residual in both halves of the time, at the same place."""
    offsets = scan.offsets()
    accepted = np.zeros_like(offsets)
    for camera, offset in enumerate(offsets):
        if abs(offset) < MIN_SCAN_TICKS:
            continue
        curves = [scan.curve(camera, offsets, half) for half in (0, 1)]
        if not all(np.isfinite(curve).any() for curve in curves):
            continue
        same = abs(int(np.nanargmin(curves[0])) - int(np.nanargmin(curves[1]))) <= 1
        at, zero = scan.reach + offset, scan.reach
        if same and all(
            np.nanmin(curve) < MAX_RESIDUAL_RATIO * curve[zero] or np.isnan(curve[zero]) for curve in curves
        ):
            accepted[camera] = at - scan.reach
    return accepted


def _corrected(rig: Rig, recordings: list[Recording], offsets_s: np.ndarray) -> list[Recording]:
    return [one.moved(round(float(offsets_s[rig.index(one.camera)]) * NS_PER_S)) for one in recordings]


class _Pass(NamedTuple):
    """One fusion of everything: the estimated offsets, and each camera's median reprojection error."""

    estimator: TimeOffsetEstimator
    offsets: list[TimeOffset] | None
    errors_px: np.ndarray


def _fuse(rig: Rig, skeleton: Skeleton, views: list[Views], fps: float, words: str, console: Console) -> _Pass:
    pipeline = Pipeline(rig, skeleton)
    estimator, tracks = TimeOffsetEstimator(rig, fps, MAX_BLOCKS), []
    for seen in progress(views, words, console=console, transient=True, disable=not console.is_terminal):
        tracks.append(pipeline.step(seen))
        estimator.update(seen.time_ns, pipeline.last_observations)
    errors = reprojection_errors(rig, views, tracks[:: max(1, len(tracks) // COMPARED_TICKS)])
    return _Pass(estimator, estimator.time_offsets(), np.array([errors.median(name) for name in rig.names]))


def table_of(result: TimeOffsetResult) -> Table:
    """Each camera's offset, and whether it is confirmed."""
    table = Table(caption="error: median reprojection, before -> after", box=SIMPLE_HEAD)
    for column in ("camera", "stamps are", "error, px", ""):
        table.add_column(column, justify="left" if column in ("camera", "") else "right", no_wrap=column != "")
    for c, name in enumerate(result.rig.names):
        offset = result.offsets[c].plus(float(result.guess_s[c]))
        errors = f"{result.before_px[c]:.1f} -> {result.after_px[c]:.1f}"
        words = result.found[c]
        style = "bold" if words == CONFIRMED else "" if words == IN_STEP else "yellow"
        told = offset.known and not words.startswith(NOT_FOUND)
        table.add_row(name, offset_text(offset) if told else "?", errors, Text(words, style))
    return table


def offset_text(offset: TimeOffset) -> str:
    """The offset in words: what has to be added to the stamps is negative for a camera that is late."""
    late = "late" if offset.offset_s < 0 else "early"
    return f"{1e3 * abs(offset.offset_s):.1f} ± {2e3 * offset.sigma_s:.1f} ms {late}"


def draw(result: TimeOffsetResult, path: Path) -> None:
    """One panel per camera: the distance between its rays and the others' against what is added to its stamps."""
    from matplotlib.figure import Figure

    cameras = len(result.rig)
    columns = int(np.ceil(np.sqrt(cameras)))
    rows = int(np.ceil(cameras / columns))
    figure = Figure(figsize=(4.2 * columns, 3.0 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel in panels[cameras:]:
        panel.set_axis_off()
    lags_ms = 1e3 * result.scan.lags_s()
    for c, panel in enumerate(panels[:cameras]):
        curve = 1e3 * result.scan.curve(c, result.scan_ticks)
        offset = result.offsets[c]
        at, sigma = 1e3 * offset.offset_s, 1e3 * offset.sigma_s
        panel.plot(lags_ms, curve, color="0.25", lw=1.2, marker=".", ms=3)
        panel.axvline(0, color="0.6", lw=1, ls=":")
        title = f"{result.rig.names[c]}: unknown"
        if offset.known:
            colour = {CONFIRMED: "tab:red", IN_STEP: "tab:green"}.get(result.found[c], "tab:gray")
            panel.axvspan(at - 2 * sigma, at + 2 * sigma, color=colour, alpha=0.3, lw=0)
            panel.axvline(at, color=colour, lw=1.5)
            title = f"{result.rig.names[c]}: {at:+.1f} ± {2 * sigma:.1f} ms"
            title += f" ({result.found[c]})"
        panel.set(title=title, xlim=_window(lags_ms, at if offset.known else 0.0))
        panel.set_ylim(bottom=0)
    figure.supxlabel("added to the camera's stamps, ms")
    figure.supylabel("distance to the rays of the other cameras, mm")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _window(lags_ms: np.ndarray, at: float) -> tuple[float, float]:
    """Wide enough for both the stamps as they are and the estimate."""
    wide = max(250.0, 2.0 * abs(at))
    return max(float(lags_ms[0]), -wide), min(float(lags_ms[-1]), wide)
