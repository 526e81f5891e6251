"""Why nobody came out, or a camera does not count: one list of causes, tried in order, live and offline.

    survey = ViewSurvey(sizes)
    ...                                       survey.add(views) and survey.add_people(tracks) at every tick
    for reason in reasons(evidence(rig.cameras, survey)):
        print(reason.text)

Each text says what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from multiview.cameras.camera import Camera
from multiview.studio.view_survey import CameraSurvey, ViewSurvey

__all__ = ["CameraEvidence", "Evidence", "Reason", "evidence", "reasons", "summary"]

SLOW = 1.2  # of the time between two pictures: detection that takes longer is too slow
UNUSED = 0.9  # of all ticks without a camera that sends: it is left out
UNIT_PX = 2.0  # coordinates that all lie within are no pixels
SMALL = 0.67  # of the picture's width and height, that nobody leaves: of a smaller picture
LEAST_TICKS = 30  # before it is said that nobody leaves it
OUTSIDE = 0.5  # of all joints beyond the picture
NAMED = 3  # cameras or reasons that are named; further ones are counted


class Reason(NamedTuple):
    """One cause; `hopeless` says that nobody can come out while it lasts."""

    text: str
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class CameraEvidence:
    """What is known of one camera; figures of live cameras are 0 offline.

    Attributes:
        name: Of the camera.
        size: Of its calibrated pictures, px.
        survey: What fusion was given of it.
        trouble: Why it gives nothing, where that is known.
        rate_hz: Pictures with keypoints per second.
        expected_hz: Pictures per second that it takes.
        detect_ms: 2D detection, per picture.
    """

    name: str
    size: tuple[int, int]
    survey: CameraSurvey
    trouble: str = ""
    rate_hz: float = 0.0
    expected_hz: float = 0.0
    detect_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of all.

    Attributes:
        cameras: In the rig's order.
        ticks: At which fusion was given views.
        together: Ticks at which two cameras or more saw somebody.
        people: How many people came out.
        rejected: Messages that fusion rejected, by reason.
        volume: Whether people may appear only in a part of the room.
        disagreement: Why cameras do not agree on where people are, as far as that was found out.
        lifts: Whether people are lifted from the one camera that there is.
    """

    cameras: Sequence[CameraEvidence]
    ticks: int
    together: int
    people: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    volume: bool = False
    disagreement: Sequence[str] = ()
    lifts: bool = False


def evidence(
    cameras: Sequence[Camera],
    survey: ViewSurvey,
    troubles: Mapping[str, str] | None = None,
    volume: bool = False,
    disagreement: Sequence[str] = (),
) -> Evidence:
    """What an offline command knows when it has fused everything.

    Args:
        cameras: Those of the rig, in its order.
        survey: Of all views.
        troubles: Why a camera gave nothing, by its name.
        volume: Whether people may appear only in a part of the room.
        disagreement: As `disagreement` of `agreement.py` finds it.

    Returns:
        The evidence.
    """
    found = [
        CameraEvidence(camera.name, camera.size, one, (troubles or {}).get(camera.name, ""))
        for camera, one in zip(cameras, survey.cameras, strict=True)
    ]
    return Evidence(found, survey.ticks, survey.together, len(survey.people), {}, volume, disagreement)


def reasons(known: Evidence) -> list[Reason]:
    """The causes that apply, the first that must be mended first.

    Args:
        known: The evidence.

    Returns:
        Why nobody came out; where somebody did, only what keeps cameras from counting.
    """
    found = [*_silent(known), *_rejected(known), *_slow(known), *_left_out(known), *_apart(known)]
    found += [Reason(text, hopeless=True) for text in known.disagreement]
    if known.people:
        return [reason._replace(hopeless=False) for reason in found]
    found += [*_no_pixels(known), *_outside(known)] or [*_nobody_seen(known), *_small(known)]
    return found or [_no_agreement(known)]


def summary(known: Evidence, longest: int | None = None) -> str:
    """One line: why nobody came out, or what keeps cameras from counting; empty if all is well.

    Args:
        known: What is known.
        longest: Characters; reasons that would make the line longer are left out, the least important first.

    Returns:
        The line.
    """
    found = [reason.text for reason in reasons(known)[:NAMED]]
    begin = "" if known.people or not found else "nobody, because "
    while longest is not None and len(found) > 1 and len(begin + "; ".join(found)) > longest:
        found.pop()
    return (begin + "; ".join(found))[:longest]


def _names(cameras: Sequence[CameraEvidence]) -> str:
    shown = ", ".join(camera.name for camera in cameras[:NAMED])
    return shown + (f" and {len(cameras) - NAMED} more" if len(cameras) > NAMED else "")


def _silent(known: Evidence) -> Iterator[Reason]:
    """The one camera that is alone, and those that give nothing."""
    giving = [c for c in known.cameras if c.survey.views or c.rate_hz > 0]
    silent = [c for c in known.cameras if c not in giving]
    if len(giving) == 1 and known.lifts and known.people:
        yield Reason(
            f"{giving[0].name} is the only camera: people are lifted from its pictures, and depth is an estimate"
        )
    elif len(giving) == 1 and not known.lifts:
        alone = f"{giving[0].name} is the only camera: a point in space takes two cameras that see it"
        yield Reason(f"{alone}; `multiview lift` estimates people from one", hopeless=True)
    for camera in silent[:NAMED]:
        yield Reason(f"{camera.name} {camera.trouble or 'gives nothing'}", hopeless=not giving)
    if len(silent) > NAMED:
        yield Reason(f"{len(silent) - NAMED} more cameras give nothing", hopeless=not giving)


def _rejected(known: Evidence) -> Iterator[Reason]:
    ordered = sorted(known.rejected.items(), key=lambda item: -item[1])
    for text, count in ordered[:NAMED]:
        yield Reason(f"fusion rejects messages: {text} ({count} times)", hopeless=not known.ticks)


def _slow(known: Evidence) -> Iterator[Reason]:
    slow = [c for c in known.cameras if c.expected_hz > 0 and c.detect_ms > SLOW * 1e3 / c.expected_hz]
    slow = [c for c in slow if c.rate_hz < c.expected_hz / SLOW]
    if slow:
        worst = max(slow, key=lambda camera: camera.detect_ms * camera.expected_hz)
        yield Reason(
            f"this computer is too slow: 2D detection takes {worst.detect_ms:.0f} ms a picture, {worst.name} gives one "
            f"every {1e3 / worst.expected_hz:.0f} ms ({_names(slow)}); use smaller pictures, a lower frame rate, "
            "fewer cameras or a lighter detector, or record with --video and run `multiview process` on it"
        )


def _left_out(known: Evidence) -> Iterator[Reason]:
    sending = [c for c in known.cameras if c.rate_hz > 0 and known.ticks]
    unused = [c for c in sending if c.survey.views < (1.0 - UNUSED) * known.ticks]
    if unused:
        yield Reason(
            f"{_names(unused)} left out: what is sent comes too late, or its clock is unknown (see `multiview status`)",
            hopeless=len(sending) - len(unused) < 2,
        )


def _apart(known: Evidence) -> Iterator[Reason]:
    """Cameras whose every picture is of an instant at which no other camera has one."""
    giving = [c for c in known.cameras if c.survey.views]
    apart = [c for c in giving if c.survey.views >= LEAST_TICKS and not c.survey.shared]
    if apart and len(giving) > 1:
        yield Reason(
            f"no picture of {_names(apart)} is of an instant of another camera: their frames are numbered, or their "
            "times counted, from another beginning; number those alike that were taken together",
            hopeless=len(giving) - len(apart) < 2,
        )


def _seeing(known: Evidence) -> list[CameraEvidence]:
    return [camera for camera in known.cameras if camera.survey.with_people]


def _no_pixels(known: Evidence) -> Iterator[Reason]:
    wrong = []
    for camera in _seeing(known):
        low, high = float(camera.survey.low.min()), float(camera.survey.high.max())
        if -UNIT_PX <= low <= high <= UNIT_PX:
            wrong.append((camera, "-1 and 1" if low < 0 else "0 and 1"))
    if wrong:
        cameras, between = [camera for camera, _ in wrong], wrong[0][1]
        hopeless = len(_seeing(known)) - len(wrong) < 2
        yield Reason(
            f"the keypoints of {_names(cameras)} lie between {between}: they are shares of a picture, and must be "
            "pixels; scale them by its width and height",
            hopeless,
        )


def _outside(known: Evidence) -> Iterator[Reason]:
    looked = [c for c in _seeing(known) if c.survey.inside + c.survey.outside]
    wrong = [c for c in looked if c.survey.outside > OUTSIDE * (c.survey.inside + c.survey.outside)]
    if wrong:
        (width, height), high = wrong[0].size, wrong[0].survey.high
        yield Reason(
            f"the keypoints of {_names(wrong)} lie beyond the calibrated picture (up to {high[0]:.0f}, {high[1]:.0f}; "
            f"{width}x{height}): the rig is of other pictures; give the rig that was calibrated at their size",
            hopeless=len(looked) - len(wrong) < 2,
        )


def _nobody_seen(known: Evidence) -> Iterator[Reason]:
    seeing = _seeing(known)
    if not any(c.survey.views for c in known.cameras):
        return
    if not seeing:
        yield Reason("2D detection finds nobody in any camera: look at the pictures, or take another detector")
    elif len(seeing) == 1 and sum(c.survey.views > 0 for c in known.cameras) > 1:
        yield Reason(f"only {seeing[0].name} sees anybody: two cameras must see a person")
    elif len(seeing) > 1 and not known.together:
        yield Reason(
            f"{_names(seeing)} never see anybody at the same time: are they of one recording, and in step? "
            "`multiview time-offsets` finds out"
        )


def _small(known: Evidence) -> Iterator[Reason]:
    """Everybody in all cameras stays in the upper left of the picture."""
    seeing = [c for c in _seeing(known) if c.survey.inside]
    shares = [max(c.survey.high[0] / c.size[0], c.survey.high[1] / c.size[1]) for c in seeing]
    if len(shares) >= 2 and known.together >= LEAST_TICKS and max(shares) < SMALL:
        (width, height), high = seeing[0].size, seeing[0].survey.high
        yield Reason(
            f"everybody is in the upper left of all pictures (up to {high[0]:.0f}, {high[1]:.0f} of {width}x{height}): "
            "were the keypoints found in smaller pictures than the rig was calibrated with? scale them"
        )


def _no_agreement(known: Evidence) -> Reason:
    if not known.ticks:
        return Reason("no camera has given anything yet", hopeless=True)
    if known.lifts:
        return Reason("the camera sees people, but not long enough, or too little of them, to be lifted")
    where = ", and the volume may be too narrow" if known.volume else ""
    return Reason(
        f"cameras see people, but not in one place{where}: is this the rig of these cameras, with the right names, and "
        "are they in step? try `multiview explain`, `multiview time-offsets` and `multiview calibrate check`"
    )
