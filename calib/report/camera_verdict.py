"""The verdict on one camera: what is wrong with it, from when on, and what to do, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from calib.solve.camera_fault import CameraFault, Cause
from calib.solve.unsteady_clocks import UnsteadyClock
from multiview.cameras.camera import Rig

__all__ = [
    "CameraVerdict",
    "of_brief_sight",
    "of_clock",
    "of_doubtful_clock",
    "of_fault",
    "of_inliers",
    "of_residual",
    "of_unsteady_clock",
    "upside_down",
]  # fmt: skip

_USABLE_PX = 2.5
_WORSE_THAN_OTHERS, _NOTICEABLE_PX = 3.0, 0.75
_MIN_INLIERS = 0.75  # share of corners; gross errors of a detector stay well below the rest
_UNCERTAIN_S, _UNKNOWN_S = 0.001, 0.01  # of a clock, beside the others; somebody who runs goes 5 mm in 1 ms
# Three moments of a hand's motion: time and place of a camera follow from fewer in no linear way, from one in none.
_BRIEF_S, _MOMENT_S = 1.0, 0.3
_CONTRADICTED_S = 0.1  # by which stamps that are of one clock are not off
_MOST = 0.5  # share of a camera's views that is worth keeping
_BRIEF = 0.25  # share of a camera's views that the others make up for
_WALKING_M_S = 1.4
_ROUNDING = 1e-6
_HARMLESS_S = 0.004  # 6 mm at a walk
_UPSIDE_DOWN_COS, _LEVEL_COS = -0.5, 0.5  # beyond 120 degrees from the others' up, which lies within 60 degrees


@dataclass(frozen=True, slots=True)
class CameraVerdict:
    """What is wrong with a camera.

    Attributes:
        camera: Its name.
        problem: A sentence that names the camera, and from when on.
        remedy: What to do.
        unusable: The rig must not be used.
        start_s: When it began, by the camera's stamps; None: with the recording, or at no certain time.
        end_s: When it ended; None: not before the end.
        start_between_s: Two views of the camera between which it began.
        end_between_s: The same of the end.
    """

    camera: str
    problem: str
    remedy: str
    unusable: bool
    start_s: float | None = None
    end_s: float | None = None
    start_between_s: tuple[float, float] | None = None
    end_between_s: tuple[float, float] | None = None


def of_fault(fault: CameraFault, names: tuple[str, ...]) -> CameraVerdict:
    """A camera that disagrees with the others for some time; `names` are those of the calibration's cameras."""
    name = names[fault.camera]
    lasting = fault.end_s is None or fault.share > _BRIEF
    unusable = lasting and fault.decisive
    between = fault.start_between_s, fault.end_between_s
    problem, remedy = _shown_again(fault, names) if fault.cause in _AGAIN else _changed(fault, names)
    return CameraVerdict(name, problem, remedy, unusable, fault.start_s, fault.end_s, *between)


_AGAIN = (Cause.HANGS, Cause.REPEATS, Cause.COPY)


def _changed(fault: CameraFault, names: tuple[str, ...]) -> tuple[str, str]:
    """Problem and remedy of a camera that did not stay as it was."""
    name = names[fault.camera]
    who = name if fault.alternative is None else f"{name} (or {names[fault.alternative]})"
    what = "moved, zoomed, or frames lost"
    if fault.start_between_s is None:
        what = "trembles, is stabilised or refocuses, or its times are wrong"
    if not fault.sure:
        what = "moved, zoomed, or one wrong picture"
    if fault.cause is Cause.FLIPPED:
        what = "its images are turned upside down or mirrored"
    problem = f"{who} {_time(fault)}: {what} ({fault.px:.1f} px from where the other cameras see the board)"
    remedy = f"fix {who} firmly, switch its autofocus, zoom, stabiliser and automatic rotation off, and record again"
    return problem, remedy + _part(fault)


def _shown_again(fault: CameraFault, names: tuple[str, ...]) -> tuple[str, str]:
    """The same of a camera that shows pictures again."""
    name = names[fault.camera]
    if fault.alternative is not None:
        return (
            f"{name} shows the same pictures as {names[fault.alternative]}",
            f"give {name} and {names[fault.alternative]} each its own recording: one file was given twice",
        )
    if fault.cause is Cause.REPEATS:
        return (
            f"{name} shows {100 * fault.share:.0f} % of its pictures twice",
            f"set {name} to the frame rate that it really gives, with more light and a shorter exposure time",
        )
    return (
        f"{name} {_time(fault)}: its picture stands still while the board moves",
        f"check {name}'s cable, computer and disk, and record again{_part(fault)}",
    )


def _time(fault: CameraFault) -> str:
    """From when on, until when."""
    if fault.start_between_s is None:
        return "throughout"
    begin = f"from {_moment(fault.start_between_s)}"
    return f"{begin} on" if fault.end_between_s is None else f"{begin} to {_moment(fault.end_between_s)}"


def _part(fault: CameraFault) -> str:
    """What of the recording can be kept: its larger part."""
    if fault.start_between_s is None or fault.end_between_s is not None:
        return ""
    before, after = fault.start_between_s
    kept = f"before {before:.1f} s" if fault.share < _MOST else f"after {after:.1f} s"
    return f", or keep only what was recorded {kept}"


def _moment(between_s: tuple[float, float]) -> str:
    """When something happened that two views enclose, in tenths of a second that hold both."""
    first, last = math.floor(10 * between_s[0] + _ROUNDING) / 10, math.ceil(10 * between_s[1] - _ROUNDING) / 10
    return f"some moment between {first:.1f} and {last:.1f} s"


def of_unsteady_clock(clock: UnsteadyClock, names: tuple[str, ...]) -> CameraVerdict | None:
    """A camera whose stamps wander; the rig is right, since the wander was found, but who walks is seen elsewhere."""
    if clock.rms_s < _HARMLESS_S:
        return None
    name = names[clock.camera]
    return CameraVerdict(
        name,
        f"{name}'s stamps wander by {1000 * clock.rms_s:.0f} ms: expect it to see people "
        f"{1000 * _WALKING_M_S * clock.rms_s:.0f} mm off at walking speed",
        f"use hardware time stamps or a trigger for {name}",
        False,
    )


def of_residual(name: str, rms_px: float, others_px: float) -> CameraVerdict | None:
    """A camera whose corners lie far from where the rig puts them, by itself or beside the others' (their median)."""
    worse = rms_px > max(_NOTICEABLE_PX, _WORSE_THAN_OTHERS * others_px)
    if not (rms_px > _USABLE_PX or worse):
        return None
    beside = f", those of the others {others_px:.2f} px" if worse else ""
    return CameraVerdict(
        name,
        f"{name}: corners lie {rms_px:.2f} px from where the rig puts them{beside}",
        f"check {name}'s focus, exposure time and stamps, and that its board is flat and sharp",
        rms_px > _USABLE_PX,
    )


def of_inliers(name: str, inlier_fraction: float) -> CameraVerdict | None:
    """A camera many of whose corners had to be rejected."""
    if inlier_fraction >= _MIN_INLIERS:
        return None
    return CameraVerdict(
        name,
        f"{100 * (1 - inlier_fraction):.0f} % of the corners of {name} had to be rejected",
        f"look at {name}'s images: blur, glare, a second board, or a camera that did not stay as it was",
        False,
    )


def of_clock(name: str, deviation_s: float) -> CameraVerdict | None:
    """A camera whose time offset the board's motion does not tell well enough."""
    if deviation_s <= _UNCERTAIN_S:
        return None
    return CameraVerdict(
        name,
        f"{name}'s time offset is uncertain by {1000 * deviation_s:.1f} ms: "
        "it and others saw the board move too little at once",
        f"wave the board, quickly and in all directions, where {name} and another camera see it at once",
        deviation_s > _UNKNOWN_S,
    )


def of_brief_sight(name: str, together_s: float) -> CameraVerdict | None:
    """A camera that saw the board move together with others so briefly that its deviations are not to be trusted."""
    if together_s >= _BRIEF_S:
        return None
    return CameraVerdict(
        name,
        f"{name} saw the board move together with other cameras for only {together_s:.1f} s: its time offset and place "
        "are less certain than their figures say",
        f"wave the board for two seconds or more where {name} and another camera see it at once",
        together_s < _MOMENT_S,
    )


def of_doubtful_clock(name: str, moved_s: float, wander_s: float) -> CameraVerdict | None:
    """A camera whose stamps were believed, since it saw the board too briefly, and then contradicted.

    `moved_s` is by how much the fit moved its clock, `wander_s` how much stamps have to wander for it to fit: its own
    or those of a camera that saw the board with it.
    """
    if abs(moved_s) <= _CONTRADICTED_S and wander_s < _HARMLESS_S:
        return None
    return CameraVerdict(
        name,
        f"{name}'s clock is not known: its stamps do not fit, and it saw the board together with others too briefly to "
        "tell by how much",
        f"wave the board for some seconds where {name} and another camera see it at once",
        True,
    )


def upside_down(rig: Rig) -> list[CameraVerdict]:
    """Cameras whose image is upside down beside all others: mounted so, or turned by a flag in their files."""
    up = np.stack([-camera.R[1] for camera in rig.cameras])
    found = []
    for c, name in enumerate(rig.names):
        others = np.delete(up, c, axis=0)
        mean = others.sum(axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        if len(others) >= 2 and (others @ mean > _LEVEL_COS).all() and up[c] @ mean < _UPSIDE_DOWN_COS:
            problem = f"{name} is upside down beside the other cameras"
            remedy = (
                f"if {name} is not mounted upside down, its files are marked as turned, which not every program heeds: "
                "switch automatic rotation off, and record again"
            )
            found.append(CameraVerdict(name, problem, remedy, False))
    return found
