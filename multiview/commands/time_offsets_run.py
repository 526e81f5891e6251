"""The work of `multiview sync`: every camera's constant offset in time, found, confirmed, and shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.reprojection import reprojection_errors
from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S, Views
from multiview.errors import CalibrationError
from multiview.fusion.pipeline import Pipeline
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.selfcalib.time_offset import WORTH_S, Latency, LatencyWatch
from multiview.selfcalib.time_offset_scan import ShiftScan, scan_shifts

__all__ = ["InStep", "corrected", "draw", "find_offsets", "table_of"]

SCAN_HZ = 30.0  # a finer comb costs time and tells nothing: what is between is found afterwards
FAR_FRAMES = 1.5  # offsets that trying finds and that are larger are taken over before the fine search
GAIN = 0.9  # of the residual, below which trying has found something
ROUNDS = 4
SETTLED_S = 0.0005
COMPARED = 200  # ticks whose reprojection errors are looked at
LONGEST = 300  # stretches of two seconds


@dataclass(frozen=True, slots=True, eq=False)
class InStep:
    """What was found: `latencies` in the rig's order, and each camera's median reprojection error before and after."""

    rig: Rig
    latencies: list[Latency]
    scan: ShiftScan
    ticks: np.ndarray  # the offsets in steps of the scan
    before_px: Float64[np.ndarray, " C"]
    after_px: Float64[np.ndarray, " C"]

    def offsets_s(self) -> Float64[np.ndarray, " C"]:
        """What may be used: the confirmed ones, 0 for the others."""
        return np.array([latency.offset_s if latency.confirmed else 0.0 for latency in self.latencies])


def find_offsets(rig: Rig, skeleton: Skeleton, recordings: list[Recording], furthest_s: float) -> InStep:
    """Try shifts up to `furthest_s`, then let those who move tell the rest; CalibrationError if nobody does."""
    views = list(recorded_views(rig, recordings))
    if not views:
        raise CalibrationError("no keypoints: nothing says whether these cameras are in step")
    fps = max(recording.fps for recording in recordings)
    every = max(1, round(fps / SCAN_HZ))
    console = Console(stderr=True)
    with console.status("trying shifts") if console.is_terminal else nullcontext():
        scan = scan_shifts(rig, views[::every], every / fps, furthest_s)
    coarse = _trusted(scan)
    before = _watch(rig, skeleton, views, fps, "fusing as it is", console)
    offsets, last = np.zeros(len(rig)), before
    step = coarse * scan.step_s if coarse.any() else _step(before.latencies)
    for turn in range(ROUNDS):
        if np.abs(step).max() < SETTLED_S:
            break
        offsets = offsets + step
        moved = list(recorded_views(rig, _shifted(rig, recordings, offsets)))
        last = _watch(rig, skeleton, moved, fps, f"fusing with shifts, {turn + 1} of at most {ROUNDS}", console)
        step = _step(last.latencies)
    if last.latencies is None:
        raise CalibrationError("too little to go by: two or more cameras must see people move for ten seconds or more")
    whole = [latency.after(float(offset)) for latency, offset in zip(last.latencies, offsets, strict=True)]
    return InStep(rig, whole, scan, np.rint(offsets / scan.step_s).astype(int), before.errors_px, last.errors_px)


def _step(latencies: list[Latency] | None) -> np.ndarray:
    """What to move by next; nothing where nothing is known."""
    return np.array([latency.offset_s if latency.known else 0.0 for latency in latencies or []] or [0.0])


def corrected(found: InStep) -> Rig:
    """The rig with what was confirmed added to `time_offset_s`."""
    cameras = (
        replace(camera, time_offset_s=round(camera.time_offset_s + float(offset), 6))
        for camera, offset in zip(found.rig.cameras, found.offsets_s(), strict=True)
    )
    return replace(found.rig, cameras=tuple(cameras))


def _trusted(scan: ShiftScan) -> np.ndarray:
    """Offsets in ticks that are large, that lower the residual in both halves of the time, and at the same place."""
    offsets = scan.offsets()
    trusted = np.zeros_like(offsets)
    for camera, offset in enumerate(offsets):
        if abs(offset) < FAR_FRAMES:
            continue
        curves = [scan.curve(camera, offsets, half) for half in (0, 1)]
        if not all(np.isfinite(curve).any() for curve in curves):
            continue
        same = abs(int(np.nanargmin(curves[0])) - int(np.nanargmin(curves[1]))) <= 1
        at, zero = scan.reach + offset, scan.reach
        if same and all(np.nanmin(curve) < GAIN * curve[zero] or np.isnan(curve[zero]) for curve in curves):
            trusted[camera] = at - scan.reach
    return trusted


def _shifted(rig: Rig, recordings: list[Recording], offsets_s: np.ndarray) -> list[Recording]:
    moved = []
    for recording in recordings:
        shift = round(float(offsets_s[rig.index(recording.camera)]) * NS_PER_S)
        moved.append(replace(recording, times_ns=[time_ns + shift for time_ns in recording.times_ns]))
    return moved


class _Pass(NamedTuple):
    """One fusion of everything: what was said of the cameras, and each one's median reprojection error."""

    latencies: list[Latency] | None
    errors_px: np.ndarray


def _watch(rig: Rig, skeleton: Skeleton, views: list[Views], fps: float, words: str, console: Console) -> _Pass:
    pipeline = Pipeline(rig, skeleton)
    watch, tracks = LatencyWatch(pipeline, fps, LONGEST), []
    for seen in progress(views, words, console=console, transient=True, disable=not console.is_terminal):
        tracks.append(pipeline.step(seen))
        watch.look(seen.time_ns)
    errors = reprojection_errors(rig, views, tracks[:: max(1, len(tracks) // COMPARED)])
    return _Pass(watch.latencies(), np.array([errors.median(name) for name in rig.names]))


def table_of(found: InStep) -> Table:
    """What was found of each camera, and whether it is to be used."""
    table = Table(caption="error: median reprojection, before -> after", box=SIMPLE_HEAD)
    for column in ("camera", "stamps are", "error, px", ""):
        table.add_column(column, justify="left" if column in ("camera", "") else "right", no_wrap=True)
    for c, (name, latency) in enumerate(zip(found.rig.names, found.latencies, strict=True)):
        errors = f"{found.before_px[c]:.1f} -> {found.after_px[c]:.1f}"
        words = "[bold]confirmed[/]" if latency.confirmed else "in step"
        if not latency.known:
            words = "[yellow]nobody moved before it[/]"
        elif not latency.confirmed and abs(latency.offset_s) > WORTH_S:
            words = "[yellow]not confirmed: record longer[/]"
        table.add_row(name, lateness(latency) if latency.known else "?", errors, words)
    return table


def lateness(latency: Latency) -> str:
    """In words: what is to be added to the stamps is negative for a camera that is late."""
    late = "late" if latency.offset_s < 0 else "early"
    return f"{1e3 * abs(latency.offset_s):.1f} ± {2e3 * latency.sigma_s:.1f} ms {late}"


def draw(found: InStep, path: Path) -> None:
    """A picture for each camera: how far its rays pass the others', against what is added to its stamps."""
    from matplotlib.figure import Figure

    cameras = len(found.rig)
    columns = int(np.ceil(np.sqrt(cameras)))
    rows = int(np.ceil(cameras / columns))
    figure = Figure(figsize=(4.2 * columns, 3.0 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel in panels[cameras:]:
        panel.set_axis_off()
    shifts_ms = 1e3 * found.scan.shifts_s()
    for c, panel in enumerate(panels[:cameras]):
        curve = 1e3 * found.scan.curve(c, found.ticks)
        latency = found.latencies[c]
        at, sigma = 1e3 * latency.offset_s, 1e3 * latency.sigma_s
        panel.plot(shifts_ms, curve, color="0.25", lw=1.2, marker=".", ms=3)
        panel.axvline(0, color="0.6", lw=1, ls=":")
        title = f"{found.rig.names[c]}: unknown"
        if latency.known:
            colour = "tab:red" if latency.confirmed else "tab:green"
            panel.axvspan(at - 2 * sigma, at + 2 * sigma, color=colour, alpha=0.3, lw=0)
            panel.axvline(at, color=colour, lw=1.5)
            title = f"{found.rig.names[c]}: {at:+.1f} ± {2 * sigma:.1f} ms"
            title += " (confirmed)" if latency.confirmed else ""
        panel.set(title=title, xlim=_window(shifts_ms, at if latency.known else 0.0))
        panel.set_ylim(bottom=0)
    figure.supxlabel("added to the camera's stamps, ms")
    figure.supylabel("rays pass those of the other cameras at, mm")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _window(shifts_ms: np.ndarray, at: float) -> tuple[float, float]:
    """Enough to see both where the camera was and where it belongs."""
    wide = max(250.0, 2.0 * abs(at))
    return max(float(shifts_ms[0]), -wide), min(float(shifts_ms[-1]), wide)
