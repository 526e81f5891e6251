"""Steps and strides from the contacts of the feet: cadence, step length and width, speed, shares of stance and swing.

A step of the right foot goes from the heel strike of the left to that of the right. Its length is measured along the
stride in which it lies, from the left foot's place to its next one, its width across (Whittle 2007, Gait Analysis,
chapter 2). Where the last stride was not seen whole, the way of the hips stands in for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.contacts import Contact, Contacts
from multiview.biomechanics.movement import Movement

__all__ = ["Cycle", "Gait", "Parameter", "Step", "analyse_gait"]

_LONGEST_S = 2.5  # of a stride: whoever takes longer stands in between
_SHORTEST_LEGS = 0.15  # of a step, in leg lengths: less is shifting the weight


class Step(NamedTuple):
    """From one foot's strike to the other's, which is `side`; s, m, and the standard deviations of both lengths, m."""

    side: str
    start_s: float
    end_s: float
    length_m: float
    width_m: float
    sd_m: float


class Cycle(NamedTuple):
    """From a strike of a foot to its next, `off_s` between; the stride's length and its standard deviation, m."""

    side: str
    start_s: float
    off_s: float
    end_s: float
    length_m: float
    sd_m: float


class Parameter(NamedTuple):
    """A mean, how much single steps or strides vary, and how uncertain measurement leaves the mean; n of them."""

    mean: float
    spread: float
    uncertainty: float
    n: int
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Gait:
    """A person's walk.

    Attributes:
        steps: In order.
        cycles: Of both feet, in the order of their strikes.
        parameters: By name: cadence, speed, step_length ... and left_ and right_ ones; NaN where there are no steps.
    """

    steps: tuple[Step, ...]
    cycles: tuple[Cycle, ...]
    parameters: dict[str, Parameter]


def analyse_gait(person: Movement, contacts: Contacts) -> Gait:
    """Steps, strides, and what follows from them.

    Args:
        person: The movement.
        contacts: Of their feet.

    Returns:
        The gait; without steps it is empty, and every parameter NaN.
    """
    seen = [contact for contact in contacts.each if np.isfinite(contact.strike_s)]
    cycles = _cycles(seen)
    steps = _steps(person, contacts, seen)
    return Gait(tuple(steps), tuple(cycles), _parameters(steps, cycles, seen))


def _cycles(seen: list[Contact]) -> list[Cycle]:
    found = []
    for side in ("left", "right"):
        own = [contact for contact in seen if contact.side == side]
        for contact, following in pairwise(own):
            if following.strike_s - contact.strike_s < _LONGEST_S:
                length = float(np.linalg.norm(following.place - contact.place))
                sd = float(np.hypot(contact.place_sd_m, following.place_sd_m))
                found.append(Cycle(side, contact.strike_s, contact.off_s, following.strike_s, length, sd))
    return sorted(found, key=lambda cycle: cycle.start_s)


def _steps(person: Movement, contacts: Contacts, seen: list[Contact]) -> list[Step]:
    found = []
    up = contacts.floor.up
    for i, (before, after) in enumerate(pairwise(seen)):
        if before.side == after.side or after.strike_s - before.strike_s > _LONGEST_S / 2:
            continue
        following = seen[i + 2] if i + 2 < len(seen) else None
        if following is not None and following.side == before.side:
            way = following.place - before.place
        else:
            way = _hips_way(person, before.strike_s, after.strike_s)
        way = way - (way @ up) * up
        length = float(np.linalg.norm(way))
        if not length > _SHORTEST_LEGS * person.leg_m:
            continue
        step = after.place - before.place
        along, across = float(step @ way) / length, float(step @ np.cross(up, way)) / length
        sd = float(np.hypot(before.place_sd_m, after.place_sd_m))
        if along > _SHORTEST_LEGS * person.leg_m:
            found.append(Step(after.side, before.strike_s, after.strike_s, along, abs(across), sd))
    return found


def _hips_way(person: Movement, since_s: float, until_s: float) -> Float64[np.ndarray, " 3"]:
    hips = person.at("left_hip", "right_hip")
    row = np.searchsorted(person.time_s, [since_s, until_s]).clip(0, len(hips) - 1)
    way: np.ndarray = hips[row[1]] - hips[row[0]]
    return way


def _parameters(steps: list[Step], cycles: list[Cycle], seen: list[Contact]) -> dict[str, Parameter]:
    timing = float(np.sqrt(np.mean([contact.strike_sd_s**2 for contact in seen]))) if seen else np.nan
    found: dict[str, Parameter] = {}
    for side in ("", "left", "right"):
        own = [step for step in steps if side in ("", step.side)]
        strides = [cycle for cycle in cycles if side in ("", cycle.side)]
        prefix = f"{side}_" if side else ""
        duration = np.array([step.end_s - step.start_s for step in own])
        stride = np.array([cycle.end_s - cycle.start_s for cycle in strides])
        length_sd = [step.sd_m for step in own]
        found[f"{prefix}step_length"] = _mean([step.length_m for step in own], length_sd, "m")
        found[f"{prefix}step_width"] = _mean([step.width_m for step in own], length_sd, "m")
        found[f"{prefix}step_time"] = _mean(duration, [np.sqrt(2) * timing] * len(own), "s")
        found[f"{prefix}stride_length"] = _mean([c.length_m for c in strides], [c.sd_m for c in strides], "m")
        found[f"{prefix}stride_time"] = _mean(stride, [np.sqrt(2) * timing] * len(stride), "s")
        stance = np.array([(c.off_s - c.start_s) / (c.end_s - c.start_s) for c in strides])
        relative = [np.sqrt(2) * timing / length for length in stride]
        found[f"{prefix}stance"] = _mean(100 * stance, [100 * sd for sd in relative], "%")
        found[f"{prefix}swing"] = _mean(100 * (1 - stance), [100 * sd for sd in relative], "%")
        if not side:
            minutes = [np.sqrt(2) * timing * 60 / time**2 for time in duration]
            found["cadence"] = _mean(60 / duration, minutes, "steps/min")
            speeds = [c.length_m / time for c, time in zip(cycles, stride, strict=True)]
            errors = [np.hypot(c.sd_m / c.length_m, r) * v for c, r, v in zip(cycles, relative, speeds, strict=True)]
            found["speed"] = _mean(speeds, errors, "m/s")
            both = [_double_support(cycle, seen) for cycle in cycles]
            found["double_support"] = _mean(100 * np.array(both), [100 * np.sqrt(2) * sd for sd in relative], "%")
    return found


def _double_support(cycle: Cycle, seen: list[Contact]) -> float:
    """The share of a cycle in which both feet are on the floor."""
    other = [contact for contact in seen if contact.side != cycle.side]
    shared = sum(
        max(0.0, min(cycle.off_s, contact.off_s) - max(cycle.start_s, contact.strike_s))
        for contact in other
        if np.isfinite(contact.off_s)
    )
    before = any(contact.strike_s <= cycle.start_s <= contact.off_s for contact in other)
    return shared / (cycle.end_s - cycle.start_s) if before else np.nan


def _mean(values: Float64[np.ndarray, " n"] | list[float], sd: list[float], unit: str) -> Parameter:
    kept = np.asarray(values, dtype=np.float64)
    errors = np.asarray(sd, dtype=np.float64)[np.isfinite(kept)]
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Parameter(np.nan, np.nan, np.nan, 0, unit)
    spread = float(kept.std(ddof=1)) if len(kept) > 1 else float("nan")
    return Parameter(float(kept.mean()), spread, float(np.sqrt((errors**2).sum()) / len(kept)), len(kept), unit)
