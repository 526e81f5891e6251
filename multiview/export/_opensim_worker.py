"""Run as a program of its own: a model and its inverse kinematics by OpenSim, JSON in, JSON out.

OpenSim writes a log into the current folder, and its objects crash a process that outlives them; so this program needs
nothing of multiview and ends at once.

In: `bodies`, `markers` (as in `multiview.biomechanics.musculoskeletal`), `name`, `osim` (where the model is written),
`time_s`, `xyz` (frames, markers, 3; m, y up; null where unknown) and `weights` (frames, markers). Out: `columns`, the
coordinates by name, radians and metres, and `error_m` (frames, markers), null where unknown.
"""

from __future__ import annotations

import json
import math
import os
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
    return {"columns": columns, "error_m": errors}


def main() -> None:
    opensim.Logger.setLevelString("off")
    job = json.load(sys.stdin)
    model = model_of(job)
    model.printToXML(job["osim"])
    json.dump(solve(model, job), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # without the objects' destructors


if __name__ == "__main__":
    main()
