"""Run as a program of its own: a model and its inverse kinematics by OpenSim, JSON in, JSON out.

OpenSim writes a log into the current folder, and its objects crash a process that outlives them; so this program needs
nothing of multiview and ends at once.

In: `bodies`, `markers` (as in `multiview.biomechanics.musculoskeletal`), `name`, `osim` (where the model is written),
`time_s`, `xyz` (frames, markers, 3; m, y up; null where unknown) and `weights` (frames, markers). Out: `columns`, the
coordinates by name, radians and metres, `moves`, those of them in metres, and `error_m` (frames, markers), null where
unknown; or `refused`, why not.

Of a user's own model there are `model` (its file), `lengths` and `aliases` (as in `multiview.export._own_model`) and
`mass_kg` instead of `bodies`; then `markers` are candidates by name, and out comes `used`, which of them it has.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from typing import Any

import opensim

_ACCURACY = 1e-4
_NAN = float("nan")


def model_of(job: dict[str, Any]) -> Any:
    """The model, not yet a system."""
    model = opensim.Model()
    model.setName(job["name"])
    bodies = {"ground": model.getGround()}
    for name, parent, at, coordinates, mass, centre, inertia in job["bodies"]:
        body = opensim.Body(name, mass, opensim.Vec3(*centre), opensim.Inertia(*inertia, 0.0, 0.0, 0.0))
        bodies[name] = body
        model.addBody(body)
        transform = opensim.SpatialTransform()
        rotations = [entry for entry in coordinates if not entry[4]]
        translations = [entry for entry in coordinates if entry[4]]
        for first, entries in ((0, rotations), (3, translations)):
            used = [tuple(entry[1]) for entry in entries]
            unused = [axis for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)) if not _along(axis, used)]
            for i in range(3):
                axis = transform.updTransformAxis(first + i)
                if i < len(entries):
                    axis.setCoordinateNames(opensim.ArrayStr(entries[i][0], 1))
                    axis.setAxis(opensim.Vec3(*entries[i][1]))
                    axis.set_function(opensim.LinearFunction(1.0, 0.0))
                else:
                    axis.setAxis(opensim.Vec3(*unused[i - len(entries)]))
                    axis.set_function(opensim.Constant(0.0))
        zero = opensim.Vec3(0.0)
        joint = opensim.CustomJoint(
            f"{name}_joint",
            bodies[parent],
            opensim.Vec3(*at),
            zero,
            body,
            opensim.Vec3(0.0),
            opensim.Vec3(0.0),
            transform,
        )
        model.addJoint(joint)
    for name, body, at in job["markers"]:
        model.addMarker(opensim.Marker(name, bodies[body], opensim.Vec3(*at)))
    model.finalizeConnections()
    for _, _, _, coordinates, *_ in job["bodies"]:
        for name, _, low, high, moving, locked in coordinates:
            coordinate = model.updCoordinateSet().get(name)
            unit = 1.0 if moving else math.pi / 180.0
            coordinate.setRangeMin(low * unit)
            coordinate.setRangeMax(high * unit)
            coordinate.setDefaultClamped(not moving)
            coordinate.setDefaultLocked(locked)
    return model


def _along(axis: tuple[float, float, float], used: list[tuple[float, float, float]]) -> bool:
    return any(abs(sum(a * b for a, b in zip(axis, other, strict=True))) > 0.5 for other in used)


_JOINTS = {
    "hip": r"hip", "knee": r"(walker_)?knee", "ankle": r"ankle", "shoulder": r"acromial|shoulder|glenohumeral",
    "elbow": r"elbow", "wrist": r"radius_hand|wrist",
}  # fmt: skip
# Of which length a body has its scale: the body below the first joint, or, for the trunk, the one above it.
_BELOW = {"thigh": ("hip", "knee"), "shank": ("knee", "ankle"), "upper_arm": ("shoulder", "elbow"),
          "forearm": ("elbow", "wrist")}  # fmt: skip


def own_model(job: dict[str, Any]) -> tuple[Any, list[str]]:
    """A user's model scaled to the person, with a marker at each joint that it has, and the names of those."""
    model = opensim.Model(job["model"])
    state = model.initSystem()
    joints = _joints_of(model)
    centres = {name: _numbers(joint.getChildFrame().getPositionInGround(state)) for name, joint in joints.items()}
    if not {"left_hip", "right_hip", "left_knee", "right_knee"} <= set(centres):
        raise ValueError("it has no joints hip_r, hip_l, knee_r and knee_l, by which its bodies are scaled")
    every = model.getJointSet()
    frames = [every.get(i).getChildFrame() for i in range(every.getSize())]
    roots = {frame.findBaseFrame().getName(): _numbers(frame.getPositionInGround(state)) for frame in frames}
    factors = _factors(joints, centres, roots, job["lengths"])
    scales = opensim.ScaleSet()
    bodies = model.getBodySet()
    for i in range(bodies.getSize()):
        name = bodies.get(i).getName()
        scale = opensim.Scale()
        scale.setSegmentName(name)
        scale.setScaleFactors(opensim.Vec3(_inherited(model, name, factors)))
        scale.setApply(True)
        scales.cloneAndAppend(scale)
    if not model.scale(state, scales, True, job["mass_kg"]):
        raise ValueError("OpenSim cannot scale it")
    state = model.initSystem()
    joints = _joints_of(model)
    present = {model.getMarkerSet().get(i).getName(): i for i in range(model.getMarkerSet().getSize())}
    placed = []
    for name, aliases in job["aliases"].items():
        own = [alias for alias in aliases if alias in present]
        if own:
            marker = model.getMarkerSet().get(present[own[0]])
            frame, at = marker.getParentFrame(), marker.get_location()
        elif name in joints:
            frame = joints[name].getParentFrame().findBaseFrame()
            at = joints[name].getChildFrame().findStationLocationInAnotherFrame(state, opensim.Vec3(0.0), frame)
        else:
            continue
        placed.append((name, frame.getName(), opensim.Vec3(at)))
    for name, body, at in placed:
        if name not in present:
            model.addMarker(opensim.Marker(name, model.getBodySet().get(body), at))
    model.finalizeConnections()
    model.setName(job["name"])
    return model, [name for name, _, _ in placed]


def _joints_of(model: Any) -> dict[str, Any]:
    """Those that both sides have, by our names: hip_r, r_hip or hip_right of the model is right_hip."""
    found: dict[str, Any] = {}
    every = model.getJointSet()
    for i in range(every.getSize()):
        name = every.get(i).getName().lower()
        for kind, pattern in _JOINTS.items():
            for side in ("left", "right"):
                sides = f"{side}|{side[0]}"
                if re.fullmatch(f"({pattern})_({sides})|({sides})_({pattern})", name):
                    found.setdefault(f"{side}_{kind}", every.get(i))
    return found


def _factors(
    joints: dict[str, Any], centres: dict[str, list[float]], roots: dict[str, list[float]], lengths: dict[str, float]
) -> dict[str, float]:
    """The scale of each body that has one of its own; `roots`: where each body is jointed to the one above it."""
    factors: dict[str, float] = {}

    def scale(body: Any, length: str, one: list[float], other: list[float]) -> None:
        if length in lengths and math.dist(one, other) > 0:
            factors[body.findBaseFrame().getName()] = lengths[length] / math.dist(one, other)

    hips = _middle(centres["left_hip"], centres["right_hip"])
    scale(joints["left_hip"].getParentFrame(), "hips", centres["left_hip"], centres["right_hip"])
    if "left_shoulder" in centres and "right_shoulder" in centres and "trunk" in lengths:
        pelvis = joints["left_hip"].getParentFrame().findBaseFrame().getName()
        shoulders = _middle(centres["left_shoulder"], centres["right_shoulder"])
        torso = joints["left_shoulder"].getParentFrame().findBaseFrame().getName()
        if torso != pelvis:
            low = [(a - b) * factors.get(pelvis, 1.0) for a, b in zip(roots[torso], hips, strict=True)]
            high = [a - b for a, b in zip(shoulders, roots[torso], strict=True)]
            factors[torso] = _stretch(low, high, lengths["trunk"])
    for part, (upper, lower) in _BELOW.items():
        for side in ("left", "right"):
            one, other = f"{side}_{upper}", f"{side}_{lower}"
            if one in centres and other in centres:
                scale(joints[one].getChildFrame(), f"{part}_{side[0]}", centres[one], centres[other])
    return factors


def _inherited(model: Any, body: str, factors: dict[str, float]) -> float:
    """The body's scale, or that of the nearest one above it."""
    every = model.getJointSet()
    parents = {
        every.get(i).getChildFrame().findBaseFrame().getName(): every.get(i).getParentFrame().findBaseFrame().getName()
        for i in range(every.getSize())
    }
    while body not in factors and body in parents:
        body = parents[body]
    return factors.get(body, 1.0)


def _middle(one: list[float], other: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(one, other, strict=True)]


def _stretch(low: list[float], high: list[float], length: float) -> float:
    """The factor f for which low + f high is as long as wanted; the nearest there is where none is."""
    a, b = sum(x * x for x in high), sum(x * y for x, y in zip(low, high, strict=True))
    rest = b * b - a * (sum(x * x for x in low) - length**2)
    return max((math.sqrt(max(rest, 0.0)) - b) / a, 0.1) if a else 1.0


def _numbers(vector: Any) -> list[float]:
    return [vector.get(k) for k in range(3)]


def solve(model: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Inverse kinematics, frame by frame, each marker with its weight of the frame."""
    names = [marker[0] for marker in job["markers"]]
    table = opensim.TimeSeriesTableVec3()
    table.setColumnLabels(names)
    for time_s, row in zip(job["time_s"], job["xyz"], strict=True):
        vectors = [opensim.Vec3(*(_NAN if value is None else value for value in place)) for place in row]
        table.appendRow(time_s, opensim.RowVectorVec3(vectors))
    weights = opensim.SetMarkerWeights()
    for name in names:
        weights.cloneAndAppend(opensim.MarkerWeight(name, 1.0))
    reference = opensim.MarkersReference(table, weights)
    state = model.initSystem()
    solver = opensim.InverseKinematicsSolver(model, reference, opensim.SimTKArrayCoordinateReference(), float("inf"))
    solver.setAccuracy(_ACCURACY)
    coordinates = model.getCoordinateSet()
    columns: dict[str, list[float]] = {coordinates.get(i).getName(): [] for i in range(coordinates.getSize())}
    errors: list[list[float | None]] = []
    for k, (time_s, row) in enumerate(zip(job["time_s"], job["weights"], strict=True)):
        state.setTime(time_s)
        if k == 0:
            solver.assemble(state)
        for name, weight in zip(names, row, strict=True):
            if weight > 0:  # a weight of 0 would need a new assembly; unknown places have none anyway
                solver.updateMarkerWeight(name, weight)
        solver.track(state)
        for i in range(coordinates.getSize()):
            coordinate = coordinates.get(i)
            columns[coordinate.getName()].append(coordinate.getValue(state))
        missing = [any(value is None for value in values) for values in job["xyz"][k]]
        errors.append(
            [
                None if gone else solver.computeCurrentMarkerError(name)
                for name, gone in zip(names, missing, strict=True)
            ]
        )
    moves = [name for name in columns if coordinates.get(name).getMotionType() == opensim.Coordinate.Translational]
    return {"columns": columns, "moves": moves, "error_m": errors}


def solve_own(job: dict[str, Any]) -> dict[str, Any]:
    """With a user's model, or why it cannot be."""
    try:
        model, used = own_model(job)
    except (RuntimeError, ValueError) as error:
        return {"refused": " ".join(str(error).split())[:200]}
    model.printToXML(job["osim"])
    place = [[marker[0] for marker in job["markers"]].index(name) for name in used]
    job["markers"] = [job["markers"][k] for k in place]
    for key in ("xyz", "weights"):
        job[key] = [[row[k] for k in place] for row in job[key]]
    return solve(model, job) | {"used": used}


def main() -> None:
    opensim.Logger.setLevelString("off")
    job = json.load(sys.stdin)
    if "model" in job:
        answer = solve_own(job)
    else:
        model = model_of(job)
        model.printToXML(job["osim"])
        answer = solve(model, job)
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # without the objects' destructors


if __name__ == "__main__":
    main()
