"""OpenSim: for each person a model of their own bone lengths, the joints as its markers, and inverse kinematics.

Files for each person: `NAME.trc` (joints, y up, metres), `NAME.osim` (the model with our marker set), `NAME_ik.mot`
(its coordinates, degrees and metres), `NAME_ik_marker_errors.sto`, and `NAME_ik_weights.sto`, the weight that each
marker had in each frame: inversely proportional to the variance of its position and of the rigid model's own error
(5 mm), so that a joint that cameras hardly see moves the body less, and one that they see well cannot bend it. A joint
that was not seen has none. Frames in which fewer than `_LEAST` markers are known are left out.

With `--model own.osim` the model is the user's, every body scaled by the person's length over the model's: thighs,
shanks, arms, trunk and the distance of the hips, by joints named as in Rajagopal's or Delp's models (hip_r, knee_r or
walker_knee_r, ankle_r, acromial_r, elbow_r, radius_hand_r); other bodies as the one above them. Markers named after
joints (`knee_r`, `RKnee`, `right_knee`) are used where they are, and joints without one get one at their centre.

References:
    Delp et al. 2007, IEEE Trans. Biomed. Eng. 54, 1940-1950; Rajagopal et al. 2016, IEEE Trans. Biomed. Eng. 63,
    2068-2079 (names of coordinates).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.movement import Movement, movement
from multiview.biomechanics.musculoskeletal import LEG_OF_HEIGHT, Marker, Model, build_model
from multiview.body.frames import YUP_FROM_WORLD
from multiview.common.atomic_file import replacing
from multiview.common.names import file_name
from multiview.errors import ConfigError, MultiviewError
from multiview.export import Progress, load_exporter, part, silent
from multiview.export._own_model import scaling_job
from multiview.export._storage import write_storage
from multiview.recordings.pose_table import Poses

__all__ = ["OPTIONS", "Exporter", "Kinematics", "marker_weights", "solve_kinematics", "solve_with_own_model"]

OPTIONS = ("model",)

_LEAST = 6  # markers
_MODEL_M = 0.005  # deviation of a body's joints from any chain of rigid bodies about fixed centres
_RANGE = 30.0  # of weights, up and down from the median


class Kinematics(NamedTuple):
    """What inverse kinematics found in N frames.

    Attributes:
        rows: (N,) which of the person's frames.
        columns: (N,) deg or m, by the names of the model's coordinates.
        error_m: (N, M) from each marker to its measured place, NaN where that is unknown.
        markers: Names of the M markers.
    """

    rows: np.ndarray
    columns: dict[str, Float64[np.ndarray, " N"]]
    error_m: Float64[np.ndarray, "N M"]
    markers: tuple[str, ...]


class Exporter:
    def __init__(self, model: str = "") -> None:
        self._model = Path(model) if model else None

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if importlib.util.find_spec("opensim") is None:
            raise ConfigError("--to opensim needs OpenSim: pip install multiview-mocap[opensim]")
        paths = []
        for i, number in enumerate(poses.people):
            person = movement(poses, int(number))
            markers = load_exporter("trc").write(poses.select(poses.person == number), stem)
            base = stem.with_name(f"{stem.name}_{file_name(person.label)}")
            osim, ik = base.with_name(base.name + ".osim"), base.with_name(base.name + "_ik")
            with replacing(osim) as temporary:
                if self._model is None:
                    model = build_model(person)
                    weights = marker_weights(person, tuple(marker.name for marker in model.markers))
                    found = solve_kinematics(person, model, weights, temporary)
                else:
                    found = solve_with_own_model(person, self._model, temporary)
            time_s = person.time_s[found.rows]
            paths += [*markers, osim, write_storage(ik.with_name(ik.name + ".mot"), time_s, found.columns, 6)]
            used = marker_weights(person, found.markers)[found.rows]
            for kind, table in (("marker_errors", found.error_m), ("weights", used)):
                columns = {name: table[:, k] for k, name in enumerate(found.markers)}
                paths.append(write_storage(ik.with_name(f"{ik.name}_{kind}.sto"), time_s, columns, 6))
            part(progress, i, len(poses.people))(1.0)
        return paths


def marker_weights(person: Movement, markers: tuple[str, ...]) -> Float64[np.ndarray, "T M"]:
    """Weights of markers from the covariance of joints and the model's: the median variance over their own; else 1.

    Args:
        person: The movement.
        markers: Names of M joints.

    Returns:
        (T, M), 0 where a joint is unknown.
    """
    variance = np.stack([person.sigma(name) ** 2 for name in markers], axis=1) + _MODEL_M**2
    known = np.stack([np.isfinite(person.at(name)).all(axis=1) for name in markers], axis=1)
    measured = variance[known & np.isfinite(variance)]
    typical = float(np.median(measured)) if len(measured) else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.clip(typical / variance, 1 / _RANGE, _RANGE)
    return np.where(known, np.where(np.isfinite(weights), weights, 1.0), 0.0)


def solve_kinematics(person: Movement, model: Model, weights: Float64[np.ndarray, "T M"], osim: Path) -> Kinematics:
    """Inverse kinematics by OpenSim, in a process of its own.

    Args:
        person: The movement.
        model: Of the person; its markers are joints.
        weights: (T, M) of its markers.
        osim: Where the model is written.

    Returns:
        Coordinates and errors.

    Raises:
        MultiviewError: OpenSim fails; its own words are in the message.
    """
    own = {"name": model.name, "bodies": model.bodies}
    return _solved(person, model.markers, weights, own, osim)


def solve_with_own_model(person: Movement, model: Path, osim: Path) -> Kinematics:
    """Inverse kinematics with a user's model, scaled to the person.

    Args:
        person: The movement.
        model: The user's `.osim`.
        osim: Where the scaled model is written.

    Returns:
        Coordinates, and errors of those markers that the model has.

    Raises:
        ConfigError: There is no such file.
        MultiviewError: It cannot be read or scaled, or OpenSim fails.
    """
    job = scaling_job(person, model, person.leg_m / LEG_OF_HEIGHT) | {"name": person.label}
    markers = tuple(Marker(joint, "", (0.0, 0.0, 0.0)) for joint in person.joints)
    return _solved(person, markers, marker_weights(person, person.joints), job, osim)


def _solved(
    person: Movement, markers: tuple[Marker, ...], weights: Float64[np.ndarray, "T M"], own: dict[str, Any], osim: Path
) -> Kinematics:
    xyz = np.stack([person.at(marker.name) for marker in markers], axis=1) @ YUP_FROM_WORLD.T
    known = np.isfinite(xyz).all(axis=2)
    rows = np.flatnonzero(known.sum(axis=1) >= _LEAST)
    if not len(rows):
        raise MultiviewError(f"{person.label}: no frame has {_LEAST} joints: nothing for OpenSim to solve")
    job = own | {
        "markers": markers,
        "osim": str(osim.resolve()),
        "time_s": person.time_s[rows].tolist(),
        "xyz": xyz[rows].tolist(),
        "weights": weights[rows].tolist(),
    }
    answer = _asked(person.label, job)
    if "refused" in answer:
        raise MultiviewError(f"{own['model']}: {answer['refused']}")
    used = tuple(answer.get("used", [marker.name for marker in markers]))
    error_m = np.array(answer["error_m"], dtype=np.float64).reshape(len(rows), len(used))
    columns = {
        name: np.array(values) if name in answer["moves"] else np.degrees(values)
        for name, values in answer["columns"].items()
    }
    return Kinematics(rows, columns, error_m, used)


def _asked(label: str, job: dict[str, Any]) -> dict[str, Any]:
    """What the program that has OpenSim answers."""
    worker = Path(__file__).with_name("_opensim_worker.py")
    with tempfile.TemporaryDirectory() as folder:  # for OpenSim's log
        done = subprocess.run(
            [sys.executable, "-P", str(worker)],
            input=msgspec.json.encode(job),
            capture_output=True,
            cwd=folder,
            check=False,
        )
    try:
        answer: dict[str, Any] = msgspec.json.decode(done.stdout, type=dict)
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        why = words[-1] if words else f"it ended with status {done.returncode}"
        raise MultiviewError(f"{label}: OpenSim cannot solve this: {why}") from None
    return answer
