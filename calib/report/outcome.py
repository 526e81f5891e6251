"""Outcome of a calibration: the rig in its world, the links between cameras, a verdict and advice in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.corners.corners import Corners
from calib.report.camera_verdict import (
    CameraVerdict,
    of_brief_sight,
    of_clock,
    of_doubtful_clock,
    of_fault,
    of_inliers,
    of_residual,
    of_unsteady_clock,
    upside_down,
)
from calib.report.links import ENOUGH_BOARDS, Link, links_of
from calib.solve.camera_fault import Cause, Findings
from calib.solve.faults import find_faults
from calib.solve.solve import Calibration
from calib.solve.uncertainty import VolumeError, clock_deviation, seconds_together, volume_error
from multiview.cameras.camera import Camera, Rig
from multiview.common.counted import counted

__all__ = ["CameraOutcome", "Outcome", "judge", "rig_of"]

_TOO_FEW_VIEWS, _FEW_VIEWS = 5, 12
_GOOD_PX = 1.0
_GOOD_MM, _USABLE_MM = 2.0, 10.0
_LOOP_PX, _LOOP_RAD = 3.0, np.radians(10.0)
_SAME_PRINT = (
    "cameras that see the board from opposite sides contradict each other: both sides seem to bear the same print; "
    "cover one, or print both with `multiview calibrate board --two-sided`"
)
_GOOD_COVERAGE, _POOR_COVERAGE = 0.35, 0.12  # share of the picture's cells that some corner fell into


@dataclass(frozen=True, slots=True)
class CameraOutcome:
    """One camera of the solved rig: its error over inlier corners, boards observed, share of the image covered.

    An unsteady clock's stamps are `time_wander_s` off (RMS), beyond the time offset: by a random walk of
    `time_walk_s` per root second, and white jitter of `time_jitter_s`.
    """

    name: str
    rms_px: float
    frames: int
    corners: int
    inlier_fraction: float
    coverage: float
    time_offset_s: float
    time_offset_sigma_s: float
    sigma_px: float
    model: str
    held_out_px: dict[str, float]
    time_wander_s: float = 0.0
    time_walk_s: float = 0.0
    time_jitter_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A calibration in the user's words; `verdict` is "good", "usable" or "record again", with its reasons.

    `verdicts` are those on single cameras with something wrong, the worst first.
    """

    rig: Rig
    rms_px: float
    inlier_fraction: float
    cameras: tuple[CameraOutcome, ...]
    links: tuple[Link, ...]
    left_out: dict[str, str]
    volume: VolumeError
    verdicts: tuple[CameraVerdict, ...]
    verdict: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def rig_of(calibration: Calibration, names: tuple[str, ...], sizes: tuple[tuple[int, int], ...]) -> Rig:
    """The solved cameras in the world of the first of them."""
    state = calibration.state
    cameras = tuple(
        Camera(names[c], sizes[c], lens.K, lens.dist, R, t, "fisheye" if lens.model == "fisheye" else "pinhole", offset)
        for c, lens, R, t, offset in zip(
            calibration.cameras, state.lenses, state.R, state.t, calibration.time_offset.tolist(), strict=True
        )
    )
    return Rig(cameras, "camera")


def judge(calibration: Calibration, corners: Corners, problems: tuple[str, ...] = ()) -> Outcome:
    """`problems` are found elsewhere (a length that does not fit) and mean that the rig must not be used."""
    rig = rig_of(calibration, corners.names, corners.sizes)
    cameras = _cameras(calibration, corners)
    links = links_of(calibration, corners.names)
    volume = volume_error(calibration, corners.sizes)
    inlier_fraction = float(calibration.inlier.mean())
    findings = find_faults(calibration)
    verdicts = _verdicts(calibration, findings, cameras, rig)
    bad = [*problems, *(entry.problem for entry in verdicts if entry.unusable)]
    poor = [entry.problem for entry in verdicts if not entry.unusable]
    if findings.same_print:
        bad.insert(0, _SAME_PRINT)
    elif not findings.faults:
        bad += _contradictions(calibration, corners.names, links)
    if calibration.rms_px > _GOOD_PX:
        poor.append(f"corners lie {calibration.rms_px:.2f} px from where the rig puts them: blur, or a bent board")
    if len(rig) > 1:
        if not volume.median_mm <= _USABLE_MM:
            bad.append(f"a point in the volume is expected to be {volume.median_mm:.1f} mm off")
        elif volume.median_mm > _GOOD_MM:
            poor.append(f"a point in the volume is expected to be {volume.median_mm:.1f} mm off")
    if len(rig) == 1 and len(corners.names) > 1:
        bad.append(f"only {rig.names[0]} could be placed")
    for entry in cameras:
        if entry.frames < _TOO_FEW_VIEWS:
            bad.append(f"{entry.name} has only {counted(entry.frames, 'image')}")
    for name, why in calibration.left_out.items():
        poor.append(f"{name} is left out: it {why}")
    estimated = any(free.any() for free in calibration.bundle.free_lens)  # known lenses are not extrapolated
    thin = [camera.name for camera in cameras if camera.coverage < _POOR_COVERAGE and estimated]
    if thin:
        poor.append(
            f"the board covered a small part of the image of {', '.join(thin)}: elsewhere the lens is extrapolated"
        )
    for entry, notes in zip(cameras, (intrinsics.notes for intrinsics in calibration.intrinsics), strict=True):
        if "all boards are parallel" in notes:
            bad.append(
                f"{entry.name} observed the board only in parallel poses, which do not determine its focal length"
            )
    poor += [f"{link.a} and {link.b} share only {counted(link.boards, 'board')}" for link in links if link.weak]
    verdict = "record again" if bad else "usable" if poor else "good"
    fits = f"corners fit within {calibration.rms_px:.2f} px"
    within = f"a point in the volume is expected within {volume.median_mm:.2f} mm, and {fits}"
    reasons = tuple(bad + poor) or (within if len(rig) > 1 else f"one lens; {fits}",)
    remedies = dict.fromkeys(entry.remedy for entry in verdicts)
    advice = (*remedies, *_advice(cameras, links, calibration.left_out, estimated))
    return Outcome(
        rig,
        calibration.rms_px,
        inlier_fraction,
        cameras,
        links,
        calibration.left_out,
        volume,
        verdicts,
        verdict,
        reasons,
        advice,
    )


def _verdicts(
    calibration: Calibration, findings: Findings, cameras: tuple[CameraOutcome, ...], rig: Rig
) -> tuple[CameraVerdict, ...]:
    """On every camera with something wrong, the worst first; the same thing is not said twice of one camera."""
    names = tuple(camera.name for camera in cameras)
    verdicts = [of_fault(fault, names) for fault in findings.faults]
    rms = np.array([camera.rms_px for camera in cameras])
    misled = any(fault.cause is not Cause.CHANGED for fault in findings.faults)  # corners of others are its doing
    for c in [] if misled else np.argsort(-np.nan_to_num(rms)):
        others = np.delete(rms, c)
        beside = float(np.nanmedian(others)) if np.isfinite(others).any() else np.inf
        for found in (of_residual(names[c], float(rms[c]), beside), of_inliers(names[c], cameras[c].inlier_fraction)):
            if found is not None and found.camera not in {entry.camera for entry in verdicts}:
                verdicts.append(found)
    clocks = [of_unsteady_clock(clock, names) for clock in calibration.unsteady_clocks]
    verdicts += [found for found in clocks if found is not None]
    clock = np.zeros(len(names)) if misled else clock_deviation(calibration)
    together = np.full(len(names), np.inf) if misled else seconds_together(calibration)
    clock[[unsteady.camera for unsteady in calibration.unsteady_clocks]] = 0.0  # of which worse is said
    for c in np.argsort(-clock):
        both = of_clock(names[c], float(clock[c])), of_brief_sight(names[c], float(together[c]))
        verdicts += sorted((entry for entry in both if entry is not None), key=lambda entry: not entry.unusable)[:1]
    sure, offset = calibration.sure_clock, calibration.state.offset
    moved_s = offset - np.median(offset[sure] if sure.any() else offset)
    unsure = np.flatnonzero(~sure).tolist()
    doubtful = [of_doubtful_clock(names[c], moved_s[c], _wander_with(calibration, c)) for c in unsure]
    verdicts += [found for found in doubtful if found is not None]
    verdicts += upside_down(rig)
    return tuple(sorted(verdicts, key=lambda entry: not entry.unusable))


def _wander_with(calibration: Calibration, c: int) -> float:
    """s, the largest wander of a camera and of those that are linked to it: a wrong clock of one bends any of them."""
    linked = {c, *(calibration.cameras.index(other) for other in calibration.graph.neighbors(calibration.cameras[c]))}
    return max((clock.rms_s for clock in calibration.unsteady_clocks if clock.camera in linked), default=0.0)


def _contradictions(calibration: Calibration, names: tuple[str, ...], links: tuple[Link, ...]) -> list[str]:
    """Pairs of cameras, each well determined, that close no loop with the others."""
    boards = {(link.a, link.b): link.boards for link in links}
    found = []
    for a, b, angle, metres in calibration.loops:
        pose = calibration.graph.edges[a, b]["pose"]
        determined = boards.get((names[a], names[b]), 0) >= ENOUGH_BOARDS and pose.error_px < _LOOP_PX
        if determined and angle > _LOOP_RAD:
            found.append(
                f"{names[a]} and {names[b]} contradict the other cameras by {np.degrees(angle):.0f} degrees and "
                f"{metres:.2f} m: one of them was moved, or two boards look alike"
            )
    return found


def coverage(xy: Float64[np.ndarray, "M 2"], size: tuple[int, int], cells: tuple[int, int] = (8, 6)) -> float:
    """The share of the picture's cells that hold a corner."""
    return float((np.histogram2d(xy[:, 0], xy[:, 1], bins=cells, range=[[0, size[0]], [0, size[1]]])[0] > 0).mean())


def _cameras(calibration: Calibration, corners: Corners) -> tuple[CameraOutcome, ...]:
    errors, bundle = calibration.errors(), calibration.bundle
    clocks = {clock.camera: clock for clock in calibration.unsteady_clocks}
    outcomes = []
    for i, c in enumerate(calibration.cameras):
        clock = clocks.get(i)
        own = bundle.camera == i
        inlier = bundle.weight[own] > 0
        rows = corners.camera == c
        outcomes.append(
            CameraOutcome(
                name=corners.names[c],
                rms_px=float(np.sqrt(np.mean(errors[own][inlier] ** 2))) if inlier.any() else float("nan"),
                frames=int(inlier.any(axis=1).sum()),
                corners=int(inlier.sum()),
                inlier_fraction=float(calibration.inlier[rows].mean()),
                coverage=coverage(corners.xy[rows & calibration.inlier], corners.sizes[c]),
                time_offset_s=float(calibration.time_offset[i]),
                time_offset_sigma_s=float(calibration.offset_sigma[i]),
                sigma_px=float(calibration.sigma[i]),
                model=calibration.intrinsics[i].model,
                held_out_px=calibration.intrinsics[i].held_out_px,
                time_wander_s=clock.rms_s if clock else 0.0,
                time_walk_s=clock.noise.walk if clock else 0.0,
                time_jitter_s=clock.noise.jitter if clock else 0.0,
            )
        )
    return tuple(outcomes)


def _advice(
    cameras: tuple[CameraOutcome, ...], links: tuple[Link, ...], left_out: dict[str, str], estimated: bool
) -> tuple[str, ...]:
    advice = []
    for link in links:
        if link.weak:
            advice.append(f"{link.a} and {link.b} share {counted(link.boards, 'board')}; record the board between them")
    for camera in cameras:
        if camera.frames < _FEW_VIEWS:
            count = counted(camera.frames, "picture")
            advice.append(f"show the board to {camera.name} more often: {count} so far, 20 are better")
        elif camera.coverage < _GOOD_COVERAGE and estimated:
            advice.append(
                f"bring the board nearer to {camera.name} and to the edges of its image: "
                f"corners cover {100 * camera.coverage:.0f} % of it"
            )
    for name, why in left_out.items():
        if "mirrored" in why:
            continue
        if "shares no board" in why:
            advice.append(f"show the board to {name} and to another camera at the same moment")
        else:
            advice.append(f"show the board to {name}, tilted, near and far, in 20 pictures")
    return tuple(advice)
