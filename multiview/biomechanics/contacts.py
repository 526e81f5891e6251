"""When the feet are on the floor: heel and toe each, by height and speed, with hysteresis.

A point of the foot touches down when it is both low and slow, and lifts off when it is high or fast by the upper
bounds; the instant is then that at which it crossed the lower bounds. Bounds grow with the person: heights with the
length L of the leg, speeds with the root of g L (Hof 1996, Gait & Posture 4, 222-223). A foot is on the floor while its
heel or its toe is.

The floor is where the feet are when they are slow. So a floor need not be known; where it is known, a foot whose lowest
place is not near it never touches it.

Fusion finds contacts of its own (`fusion/planted_feet.py`): there a contact may never hold a foot that swings, and is
told by measurements whose noise is known, as they come. Here it is an event whose instant counts, of any joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.signal import savgol_filter

from multiview.biomechanics.movement import Movement
from multiview.errors import SourceError

__all__ = ["Contact", "Contacts", "Floor", "find_contacts", "find_floor"]

_G = 9.81
_LOW, _HIGH = 0.035, 0.07  # of the leg, above where the point is when it lies on the floor
_SLOW, _FAST = 0.2, 0.35  # of the root of g L
_LYING = 0.1  # quantile of its heights at which a point lies on the floor
_SOLE = {"heel": 0.06, "toe": 0.06, "ankle": 0.16}  # of the leg: so high it may lie above a known floor
_WINDOW_S = 0.1  # of the polynomials that give speeds
_SHORTEST_S = 0.08  # of a contact, and of a gap between two
_UPRIGHT_DEG = 5.0  # a floor found that is nearer to the given up keeps that
_WIDE_M = 0.4  # a plane's tilt needs points so far apart, both ways
_NAMES = {"heel": ("heel",), "toe": ("big_toe", "foot_index"), "ankle": ("ankle",)}


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """A plane: `up` (3,), its unit normal, and `height` m along it; `given` or found from the feet."""

    up: Float64[np.ndarray, " 3"]
    height: float
    given: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """One time that a foot is on the floor.

    Attributes:
        side: "left" or "right".
        strike_s: When it comes; NaN if that was not seen.
        off_s: When its toes leave; NaN if that was not seen, or the skeleton has no toes.
        strike_sd_s: Standard deviation of `strike_s`.
        off_sd_s: Standard deviation of `off_s`.
        place: (3,) m, mean of the heel (or ankle) while it stands.
        place_sd_m: Standard deviation of `place`, along an axis.
    """

    side: str
    strike_s: float
    off_s: float
    strike_sd_s: float
    off_sd_s: float
    place: Float64[np.ndarray, " 3"]
    place_sd_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Everything about a person's feet on the floor.

    Attributes:
        floor: Where it is.
        on: (T,) True while a point touches it, by name: left_heel, left_toe ... or left_ankle alone.
        each: Every contact, in the order of the strikes.
    """

    floor: Floor
    on: dict[str, Bool[np.ndarray, " T"]]
    each: tuple[Contact, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """A point of a foot: (T, 3) m, (T,) m/s and (T,) m, its standard deviation; NaN where unknown."""

    name: str
    xyz: Float64[np.ndarray, "T 3"]
    speed: Float64[np.ndarray, " T"]
    sigma: Float64[np.ndarray, " T"]


def find_floor(person: Movement, up: Float64[np.ndarray, " 3"] | None = None) -> Floor:
    """The floor by the places where the feet stand still.

    Args:
        person: The movement.
        up: (3,) the world's up; None: that of the body, which is upright in the mean.

    Returns:
        The plane. It is tilted where the feet stood in many places that are on one, more than 5 degrees off `up`.

    Raises:
        SourceError: No foot is ever still.
    """
    points = [point for side in ("left", "right") for point in _points(person, side)]
    limit = _SLOW * np.sqrt(_G * person.leg_m)
    with np.errstate(invalid="ignore"):
        still = [point.xyz[point.speed < limit] for point in points]
    lying = [xyz for xyz in still if len(xyz)]
    if not lying:
        raise SourceError(f"{person.label}: no foot is ever still, so that nothing says where the floor is")
    if up is None:
        body = person.at("left_shoulder", "right_shoulder") - person.at("left_ankle", "right_ankle")
        up = np.nanmean(body, axis=0)
    up = up / np.linalg.norm(up)
    low = [xyz[xyz @ up <= np.quantile(xyz @ up, _LYING) + _LOW * person.leg_m] for xyz in lying]
    centred = np.concatenate([xyz - np.median(xyz, axis=0) for xyz in low])
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    normal = axes[2] * np.sign(axes[2] @ up)
    wide = spread[1] / np.sqrt(len(centred)) > _WIDE_M
    if wide and normal @ up < np.cos(np.radians(_UPRIGHT_DEG)):
        up = normal
    return Floor(up, float(min(np.quantile(xyz @ up, _LYING) for xyz in lying)), False)


def find_contacts(person: Movement, floor: Floor | None = None) -> Contacts:
    """When and where each foot is on the floor.

    Args:
        person: The movement; 30 frames per second tell instants to about 20 ms.
        floor: Where it is; None: found from the feet, z up.

    Returns:
        The contacts; none of a person whose legs are never seen.

    Raises:
        SourceError: No foot is ever still, and the floor is not given.
    """
    floor = floor or find_floor(person, np.array([0.0, 0.0, 1.0]))
    on: dict[str, np.ndarray] = {}
    each: list[Contact] = []
    for side in ("left", "right"):
        points = _points(person, side)
        touches = {point.name: _touching(person, point, floor) for point in points}
        on |= {f"{side}_{name}": marks for name, marks in touches.items()}
        each += _contacts(person, side, points, touches)
    return Contacts(floor, on, tuple(sorted(each, key=lambda contact: np.nan_to_num(contact.strike_s, nan=-np.inf))))


def _points(person: Movement, side: str) -> list[_Point]:
    """Heel and toe of a foot; the ankle where the skeleton lacks one of them."""
    named = {
        point: next((f"{side}_{name}" for name in names if f"{side}_{name}" in person.joints), None)
        for point, names in _NAMES.items()
    }
    wanted = ("heel", "toe") if named["heel"] and named["toe"] else ("ankle",)
    found = []
    for point in wanted:
        joint = named[point]
        if joint is not None:
            xyz = person.at(joint)
            found.append(_Point(point, xyz, _speed(xyz, person.rate), person.sigma(joint)))
    return found


def _window(rate: float) -> int:
    """Frames of a polynomial: odd."""
    return max(5, 2 * int(_WINDOW_S * rate / 2) + 1)


def _speed(xyz: Float64[np.ndarray, "T 3"], rate: float) -> Float64[np.ndarray, " T"]:
    """m/s, by polynomials of second degree over each stretch that is known; NaN elsewhere."""
    speed = np.full(len(xyz), np.nan)
    window = _window(rate)
    for begin, end in runs(np.isfinite(xyz).all(axis=1)):
        if end - begin >= window:
            velocity = savgol_filter(xyz[begin:end], window, 2, deriv=1, delta=1 / rate, axis=0)
            speed[begin:end] = np.linalg.norm(velocity, axis=1)
    return speed


def _touching(person: Movement, point: _Point, floor: Floor) -> Bool[np.ndarray, " T"]:
    """Hysteresis, backwards in time too: both ends of a contact are where the lower bounds are crossed."""
    leg = person.leg_m
    height = point.xyz @ floor.up - floor.height
    known = np.isfinite(height) & np.isfinite(point.speed)
    if not known.any():
        return np.zeros(len(height), dtype=bool)
    lying = float(np.quantile(height[known], _LYING))
    if floor.given:
        lying = min(lying, _SOLE[point.name] * leg)
    unit = np.sqrt(_G * leg)
    with np.errstate(invalid="ignore"):
        surely = (height - lying < _LOW * leg) & (point.speed < _SLOW * unit)
        perhaps = (height - lying < _HIGH * leg) & (point.speed < _FAST * unit)
    on = np.zeros(len(height), dtype=bool)
    for begin, end in runs(perhaps):
        inside = np.flatnonzero(surely[begin:end])
        if len(inside):
            on[begin + inside[0] : begin + inside[-1] + 1] = True
    shortest = max(1, round(_SHORTEST_S * person.rate))
    for begin, end in runs(~on):
        if begin > 0 and end < len(on) and end - begin < shortest:
            on[begin:end] = True
    for begin, end in runs(on):
        if end - begin < shortest:
            on[begin:end] = False
    return on


def _contacts(
    person: Movement, side: str, points: list[_Point], touches: dict[str, Bool[np.ndarray, " T"]]
) -> list[Contact]:
    on = np.any([*touches.values()], axis=0)
    stands, standing = points[0], touches[points[0].name]  # heel, else ankle
    found = []
    for begin, end in runs(on):
        place_rows = np.flatnonzero(standing[begin:end]) + begin
        if not len(place_rows):
            place_rows = np.arange(begin, end)
        places = stands.xyz[place_rows]
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            continue
        first, last = ([p for p in points if touches[p.name][row]] for row in (begin, end - 1))
        strike, strike_sd = _instant(person, first, begin, -1)
        # An ankle rises with the heel, long before the toes leave.
        off, off_sd = _instant(person, last, end - 1, 1) if stands.name == "heel" else (np.nan, np.nan)
        independent = max(1.0, len(places) / person.rate / 0.2)  # errors of fused joints last about 0.2 s
        sd = float(np.sqrt(np.nanmean(stands.sigma[place_rows] ** 2) / independent)) if len(place_rows) else np.nan
        found.append(Contact(side, strike, off, strike_sd, off_sd, np.median(places, axis=0), sd))
    return found


def _instant(person: Movement, points: list[_Point], row: int, step: int) -> tuple[float, float]:
    """When the speed crosses its lower bound beside a frame, and its deviation; NaN at an end of what is seen."""
    beside = row + step
    if not 0 <= beside < len(person.time_s):
        return np.nan, np.nan
    limit = _SLOW * np.sqrt(_G * person.leg_m)
    point = min(points, key=lambda p: p.speed[row]) if points else None
    if point is None or not np.isfinite(point.speed[beside]):
        return np.nan, np.nan
    inside, outside = float(point.speed[row]), float(point.speed[beside])
    share = float(np.clip((limit - inside) / (outside - inside), 0.0, 1.0)) if outside > inside else 0.5
    time_s = float(person.time_s[row]) + step * share / person.rate
    window = _window(person.rate)
    # A polynomial's slope over n points with independent errors (Savitzky and Golay 1964).
    slope_sd = point.sigma[row] * person.rate * np.sqrt(12.0 / (window * (window**2 - 1.0)))
    steepness = max(abs(outside - inside) * person.rate, 1e-6)
    return time_s, float(np.hypot(slope_sd / steepness, 1.0 / (person.rate * np.sqrt(12.0))))


def runs(marks: Bool[np.ndarray, " T"]) -> list[tuple[int, int]]:
    """Stretches of marked frames.

    Args:
        marks: (T,).

    Returns:
        (begin, end) of each, the end not included.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
