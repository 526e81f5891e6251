"""The unit of a rig: from a stature, from a distance between two cameras, or from what people measure on average.

A stature is the chain of ankle, knee, hip, shoulder and ear, and what lies below and above it. Shares of the stature
are Winter's (Biomechanics and Motor Control of Human Movement, 2009, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.people.bodies import Body
from multiview.body.actor import BONE_LENGTHS, Actor, lengths_by_frame
from multiview.errors import CalibrationError

__all__ = ["TALLEST", "WHOSE", "Scale", "by_actor", "by_distance", "by_people", "statures"]

TALLEST, SHORTEST, FIRST = WHOSE = "tallest", "shortest", "first"
_FEWEST_LIMBS = 4
_RIVAL, _SAME = 2.0, 0.02  # proportions that many times as far off, or by so little, may be the same person's
_DIFFERENT = 0.02  # relative, of two scales
_ACTOR = 0.015  # relative: bones come out within 1 to 2 % from one day to the next
_MEAN_M, _SPREAD = 1.70, 0.055  # of grown-ups of both sexes, and its relative deviation
_DETECTOR = 0.012  # relative: joints as detectors place them are not quite those of anatomy
_TAPE = 0.003
_REST = 0.039 + 0.074  # of the stature: below the ankle, above the ear
_TRUNK, _NECK = 0.288, 0.080  # from hips to shoulders, from shoulders to ears, where a skeleton lacks them
_LEG = 0.245 + 0.246
_MIN_INSTANTS = 15
_STRETCHED = 75  # percentile: a bent trunk is short, never long
_MEAN_OF = 7  # instants


@dataclass(frozen=True, slots=True)
class Scale:
    """Metres per unit of the bundle, its relative deviation, and where it is from, in words."""

    value: float
    sigma: float
    how: str


def statures(bodies: list[Body], joints: tuple[str, ...]) -> Float64[np.ndarray, " P"]:
    """Everybody's stature in units of the bundle; NaN of people who were not seen well enough."""
    return np.array([_stature(body, joints) for body in bodies])


def _stature(body: Body, joints: tuple[str, ...]) -> float:
    index = {name: j for j, name in enumerate(joints)}
    bones = dict(zip(BONE_LENGTHS, _lengths(body, joints), strict=True))
    legs = [bones[f"{side}_thigh"] + bones[f"{side}_shank"] for side in ("left", "right")]
    leg = _mean(legs)

    def middle(name: str) -> Float64[np.ndarray, "T 3"]:
        if f"left_{name}" not in index or f"right_{name}" not in index:
            return np.full((len(body.time), 3), np.nan)
        return np.asarray((body.xyz[:, index[f"left_{name}"]] + body.xyz[:, index[f"right_{name}"]]) / 2)

    trunk = _stretched(np.linalg.norm(middle("shoulder") - middle("hip"), axis=1))
    neck = _stretched(np.linalg.norm(middle("ear") - middle("shoulder"), axis=1))
    if not np.isfinite(leg):
        return float("nan")
    measured, share = leg, _LEG
    for length, usual in ((trunk, _TRUNK), (neck, _NECK)):
        if np.isfinite(length):
            measured, share = measured + length, share + usual
    # What a skeleton does not show is taken to be as usual; with the whole chain that is only foot and skull.
    whole = _LEG + _TRUNK + _NECK
    return float(measured / (1 - _REST) * whole / share) if share < whole - 1e-9 else float(measured / (1 - _REST))


def _lengths(body: Body, joints: tuple[str, ...]) -> list[float]:
    table = lengths_by_frame(joints, body.xyz)
    often = np.isfinite(table).sum(axis=0) >= _MIN_INSTANTS
    return [
        float(np.nanmedian(column)) if enough else float("nan") for column, enough in zip(table.T, often, strict=True)
    ]


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _stretched(lengths: Float64[np.ndarray, " T"]) -> float:
    """A high percentile of means over most of a second: of single instants, noise alone would make it too long."""
    known = lengths[np.isfinite(lengths)]
    if len(known) < _MIN_INSTANTS:
        return float("nan")
    return float(np.percentile(np.convolve(known, np.full(_MEAN_OF, 1 / _MEAN_OF), mode="valid"), _STRETCHED))


def by_people(
    bodies: list[Body], joints: tuple[str, ...], at_once: int, height_m: float | None, whose: str = TALLEST
) -> Scale | None:
    """The unit by somebody's stature, or by that of people on average; None where no leg was seen.

    Args:
        bodies: Everybody; one who was lost and found is two.
        joints: Names of the joints.
        at_once: How many people were in the room at once, at most: so many are different.
        height_m: The stature.
        whose: One of `WHOSE`.

    Returns:
        The scale, rougher the fewer people there are.
    """
    found = statures(bodies, joints)
    seconds = np.array([len(body.time) for body in bodies], dtype=np.float64)
    known = np.isfinite(found)
    if not known.any():
        return None
    if height_m is not None:
        long = known & (seconds >= 0.25 * seconds[known].max())
        if whose == FIRST:
            begins = [float(body.time[0]) if fits else np.inf for body, fits in zip(bodies, long, strict=True)]
            stature, who = float(found[int(np.argmin(begins))]), "the first person's"
        elif whose == SHORTEST:
            stature, who = float(found[long].min()), "the shortest person's"
        else:
            stature, who = float(found[long].max()), "the tallest person's"
        return Scale(height_m / stature, _DETECTOR, f"by {who} stature of {height_m:.2f} m")
    mean = float(np.average(found[known], weights=seconds[known]))
    people = max(1, min(at_once, int(known.sum())))
    sigma = float(np.hypot(_SPREAD / np.sqrt(people), _DETECTOR))
    who = "the one person seen" if people == 1 else f"the {people} people seen"
    return Scale(_MEAN_M / mean, sigma, f"by the stature of grown-ups on average ({_MEAN_M:.2f} m), from {who}")


def by_actor(bodies: list[Body], joints: tuple[str, ...], actor: Actor) -> Scale:
    """The unit by the bones of somebody whose file `multiview actor` saved.

    Args:
        bodies: Everybody.
        joints: Names of the joints.
        actor: Whom to look for, by the proportions of the limbs.

    Returns:
        The scale.

    Raises:
        CalibrationError: Nobody's limbs were seen, or people of different statures have these proportions.
    """
    found = [fit for body in bodies if (fit := _as_actor(body, joints, actor)) is not None]
    if not found:
        raise CalibrationError(
            f"nobody's limbs were seen well enough to find {actor.name}: walk longer, or give --height"
        )
    spread, value = min(found)
    rivals = [
        other for off, other in found if off < max(_RIVAL * spread, _SAME) and abs(np.log(other / value)) > _DIFFERENT
    ]
    if rivals:
        raise CalibrationError(
            f"{len(rivals) + 1} people have the proportions of {actor.name}: let {actor.name} walk alone for a while, "
            "or give --height"
        )
    return Scale(value, _ACTOR, f"by the bones of {actor.name}")


def _as_actor(body: Body, joints: tuple[str, ...], actor: Actor) -> tuple[float, float] | None:
    """By how much a person's proportions differ from an actor's, and metres per unit if it is them; None where hardly a
    limb was seen."""
    pairs = [
        (length, actor.lengths[name])
        for name, length in zip(BONE_LENGTHS, _lengths(body, joints), strict=True)
        if name not in ("shoulders", "hips") and name in actor.lengths and np.isfinite(length)
    ]
    if len(pairs) < _FEWEST_LIMBS:
        return None
    ratio = np.log([true / length for length, true in pairs])
    middle = float(np.median(ratio))
    return float(np.sqrt(((ratio - middle) ** 2).mean())), float(np.exp(middle))


def by_distance(apart: float, metres: float, names: tuple[str, str], sigma: float) -> Scale:
    """The unit by a measured distance between two cameras.

    Args:
        apart: Their distance in the bundle.
        metres: The same with a tape.
        names: Of the cameras.
        sigma: Relative deviation of `apart`.

    Returns:
        The scale.
    """
    return Scale(
        metres / apart, float(np.hypot(sigma, _TAPE)), f"by the {metres:.3f} m between {names[0]} and {names[1]}"
    )
