"""From people whose stretches are known to the bundle that refines everything: curves, observations, first guesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.people.identities import Person, Placement, positions
from calib.people.joint_bundle import (
    DRIFT,
    OFFSET,
    SHIFT,
    SMOOTH,
    TURN,
    UNBOUND,
    UNKNOWNS,
    Curves,
    JointBundle,
    RigState,
)
from calib.people.samples import NOISE
from calib.people.scene import Scene
from multiview.geometry.bundle import Lens

__all__ = ["Observed", "bundle_of", "poses_free", "state_of"]

_MIN_KNOTS = 5
_MARGIN = 2  # coefficients before and after
_LONG_S = 60.0  # from which on clocks of usual quality (30 millionths) drift apart by more than offsets are known


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A bundle with what each of its observations is.

    Attributes:
        bundle: To be minimised.
        coefficients: (K, 3) a first guess of the curves.
        joint: (N,) of each observation.
        person: (N,) number of the person.
        score: (N,) of the detector.
        size: (N,) px.
        row: (N, 3) stretch of the camera, frame in it, joint in it (before sides are exchanged).
        curve_person: (Q,) of each curve.
        curve_joint: (Q,).
    """

    bundle: JointBundle
    coefficients: Float64[np.ndarray, "K 3"]
    joint: Int64[np.ndarray, " N"]
    person: Int64[np.ndarray, " N"]
    score: Float64[np.ndarray, " N"]
    size: Float64[np.ndarray, " N"]
    row: Int64[np.ndarray, "N 3"]
    curve_person: Int64[np.ndarray, " Q"]
    curve_joint: Int64[np.ndarray, " Q"]


def poses_free(placement: Placement) -> Bool[np.ndarray, "C U"]:
    """Poses and offsets of the placed cameras that are not held, less the gauge: one camera stays, and one length."""
    cameras = np.flatnonzero(placement.placed)
    free = np.zeros((len(placement.R), UNKNOWNS), dtype=bool)
    free[cameras, TURN] = free[cameras, SHIFT] = free[cameras, OFFSET] = True
    first = placement.reference
    free[first] = False
    held = np.flatnonzero(placement.placed & placement.held)
    free[held, TURN] = free[held, SHIFT] = False
    if len(held) > 1:
        return free
    from_first = [placement.t[c] - placement.R[c] @ placement.R[first].T @ placement.t[first] for c in cameras]
    far = int(np.argmax([np.linalg.norm(t) for t in from_first]))
    free[cameras[far], SHIFT.start + int(np.argmax(np.abs(placement.t[cameras[far]])))] = False
    return free


def state_of(lenses: tuple[Lens, ...], placement: Placement, coefficients: Float64[np.ndarray, "K 3"]) -> RigState:
    """Where the bundle begins."""
    return RigState(lenses, placement.R, placement.t, placement.offset, np.zeros(len(placement.R)), coefficients)


def bundle_of(people: list[Person], scene: Scene, placement: Placement) -> Observed | None:
    """The bundle of these people with all cameras' keypoints of them that some other camera helps to see.

    Args:
        people: With their stretches.
        scene: Which they are of.
        placement: The rig so far.

    Returns:
        The bundle; None where nothing can be triangulated.
    """
    starts: list[int] = []
    counts: list[int] = []
    guesses: list[Float64[np.ndarray, "k 3"]] = []
    whose: list[int] = []
    which: list[int] = []
    number: dict[tuple[int, int], int] = {}
    step = scene.step
    for p, person in enumerate(people):
        begin, end = _span(person, scene, placement)
        knots = np.arange(int(np.floor(begin / step)), int(np.ceil(end / step)) + 1)
        xyz = positions(person, scene.samples, placement, scene.mirrored, knots * step)
        for j in range(len(scene.joints)):
            known = np.flatnonzero(np.isfinite(xyz[:, j, 0]))
            if len(known) < _MIN_KNOTS:
                continue
            first, last = knots[known[0]], knots[known[-1]]
            # Coefficient i of a cubic B-spline that begins at knot s acts about knot s + i - 1.
            places = np.arange(first - _MARGIN, last + _MARGIN + 1)
            guess = np.stack([np.interp(places, knots[known], xyz[known, j, x]) for x in range(3)], axis=1)
            number[p, j] = len(starts)
            starts.append(int(places[0]) + 1)
            counts.append(len(places))
            guesses.append(guess)
            whose.append(p)
            which.append(j)
    if not starts:
        return None
    base = np.cumsum([0, *counts[:-1]])
    curves = Curves(step, np.array(starts), np.array(counts), base)
    rows = _observations(people, scene, number)
    if not len(rows.camera):
        return None
    time = rows.time + placement.offset[rows.camera]
    kept = curves.inside(rows.curve, time)
    kept &= _seen_by_two(curves, rows, time)
    free = poses_free(placement)
    first, last = float(rows.time.min()), float(rows.time.max())
    free[:, DRIFT] = free[:, OFFSET] & (last - first > _LONG_S)
    picked = {name: getattr(rows, name)[kept] for name in rows.__slots__}
    bundle = JointBundle(
        curves,
        picked["camera"],
        picked["curve"],
        picked["time"],
        picked["xy"],
        NOISE * picked["size"],
        free,
        SMOOTH if placement.placed.sum() > 2 else UNBOUND,
        (first + last) / 2,
    )
    return Observed(
        bundle, np.concatenate(guesses), np.array(which)[picked["curve"]], np.array(whose)[picked["curve"]],
        picked["score"], picked["size"], picked["row"], np.array(whose), np.array(which),
    )  # fmt: skip


def _span(person: Person, scene: Scene, placement: Placement) -> tuple[float, float]:
    """s, from when to when at least one camera saw the person."""
    samples = scene.samples
    begins = [
        samples[m.camera].first[m.tracklet] * samples[m.camera].step + placement.offset[m.camera]
        for m in person.members
    ]
    ends = [
        samples[m.camera].last(m.tracklet) * samples[m.camera].step + placement.offset[m.camera] for m in person.members
    ]
    return float(min(begins)), float(max(ends))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    camera: Int64[np.ndarray, " N"]
    curve: Int64[np.ndarray, " N"]
    time: Float64[np.ndarray, " N"]
    xy: Float64[np.ndarray, "N 2"]
    score: Float64[np.ndarray, " N"]
    size: Float64[np.ndarray, " N"]
    row: Int64[np.ndarray, "N 3"]


def _observations(people: list[Person], scene: Scene, number: dict[tuple[int, int], int]) -> _Rows:
    """Every keypoint of these people, sorted by camera."""
    tracklets, mirrored = scene.tracklets, scene.mirrored
    parts = []
    curve_of = np.full((len(people), len(mirrored)), -1, dtype=np.int64)
    for (p, j), q in number.items():
        curve_of[p, j] = q
    members = sorted((m.camera, m.tracklet, p, m.exchanged) for p, person in enumerate(people) for m in person.members)
    for camera, tracklet, p, exchanged in members:
        own = tracklets[camera][tracklet]
        frame, joint = np.nonzero(np.isfinite(own.xy[..., 0]))
        curve = curve_of[p, mirrored[joint] if exchanged else joint]
        frame, joint, curve = frame[curve >= 0], joint[curve >= 0], curve[curve >= 0]
        parts.append(
            (
                np.full(len(frame), camera), curve, own.time[frame], own.xy[frame, joint], own.score[frame, joint],
                own.size[frame], np.stack([np.full(len(frame), tracklet), frame, joint], axis=1),
            )
        )  # fmt: skip
    return _Rows(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _seen_by_two(curves: Curves, rows: _Rows, time: Float64[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Observations of a joint that another camera sees within about a coefficient's time."""
    place = np.floor(time / curves.step).astype(np.int64)
    low = int(place.min(initial=0)) - 1
    width = int(place.max(initial=0)) - low + 2
    cell = rows.curve * width + place - low
    cameras = int(rows.camera.max(initial=0)) + 1
    seen = np.zeros((len(curves.start) * width + 1, cameras), dtype=bool)
    seen[cell, rows.camera] = True
    near = seen.copy()
    near[1:] |= seen[:-1]
    near[:-1] |= seen[1:]
    return near.sum(axis=1)[cell] >= 2
