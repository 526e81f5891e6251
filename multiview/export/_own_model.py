"""What is needed to scale a user's own OpenSim model to a person: their lengths, and what markers may be called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiview.biomechanics.movement import Movement
from multiview.errors import ConfigError
from multiview.export._marker_names import CONVENTIONS, marker_names

__all__ = ["scaling_job"]

# Joints, by sides where there are two, between which a length is measured in the person and in the model.
LENGTHS = {
    "hips": ("left_hip", "right_hip"),
    "trunk": ("left_hip+right_hip", "left_shoulder+right_shoulder"),
    **{
        f"{part}_{side[0]}": (f"{side}_{upper}", f"{side}_{lower}")
        for side in ("left", "right")
        for part, upper, lower in (
            ("thigh", "hip", "knee"),
            ("shank", "knee", "ankle"),
            ("upper_arm", "shoulder", "elbow"),
            ("forearm", "elbow", "wrist"),
        )
    },
}


def scaling_job(person: Movement, model: Path, height_m: float) -> dict[str, Any]:
    """What the worker has to know.

    Args:
        person: The movement.
        model: The user's `.osim`.
        height_m: Of the person; their mass follows, 23 kg/m^2.

    Returns:
        Its part of the job: `model`, `lengths`, `aliases` of each joint, `mass_kg`.

    Raises:
        ConfigError: There is no such file, or no length is known.
    """
    if not model.is_file():
        raise ConfigError(f"{model}: no such file")
    lengths = {name: _length(person, *ends) for name, ends in LENGTHS.items()}
    known = {name: length for name, length in lengths.items() if np.isfinite(length)}
    if not known:
        raise ConfigError(f"{person.label}: no limb was seen: {model} cannot be scaled")
    named = [marker_names(person.joints, convention) for convention in CONVENTIONS]
    aliases = {joint: list(dict.fromkeys(names)) for joint, *names in zip(person.joints, *named, strict=True)}
    return {"model": str(model.resolve()), "lengths": known, "aliases": aliases, "mass_kg": 23.0 * height_m**2}


def _length(person: Movement, one: str, other: str) -> float:
    """The median distance, m; NaN where the two were never seen together."""
    ways = person.at(*one.split("+")) - person.at(*other.split("+"))
    lengths = np.linalg.norm(ways, axis=1)
    lengths = lengths[np.isfinite(lengths)]
    return float(np.median(lengths)) if len(lengths) else float("nan")
