"""Pictures of a walk: angles over the gait cycle, footprints, the body at each step, contacts over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiview.biomechanics.contacts import Contacts
from multiview.biomechanics.cycles import POINTS, cycle_curve
from multiview.biomechanics.gait import Gait
from multiview.biomechanics.measured_angles import MeasuredAngles
from multiview.biomechanics.movement import Movement

__all__ = ["SHOWN", "angle_curves", "contact_times", "figures", "footprints"]

_COLOURS = {"left": "#c0392b", "right": "#2471a3"}
_PERCENT = np.linspace(0, 100, POINTS)
SHOWN: tuple[tuple[str, str], ...] = (
    ("hip_flexion", "Hip flexion"),
    ("knee_flexion", "Knee flexion"),
    ("ankle_dorsiflexion", "Ankle dorsiflexion"),
    ("hip_abduction", "Hip abduction"),
    ("hip_rotation", "Hip internal rotation"),
    ("ankle_inversion", "Ankle inversion"),
    ("pelvis_obliquity", "Pelvis: right side down"),
    ("pelvis_rotation", "Pelvis: to the left"),
    ("trunk_forward_tilt", "Trunk: forwards"),
    ("trunk_sideways_tilt", "Trunk: to the right"),
    ("shoulder_flexion", "Shoulder flexion"),
    ("elbow_flexion", "Elbow flexion"),
)
_LINES = (
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"),
        ("heel", "big_toe"), ("ankle", "big_toe"), ("ankle", "foot_index"),
    )),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
)  # fmt: skip


def angle_curves(figure: Any, person: Movement, gait: Gait, angles: MeasuredAngles) -> None:
    """Mean and one standard deviation over the cycles of each foot.

    Args:
        figure: Of matplotlib.
        person: The movement.
        gait: Its cycles.
        angles: Its joint angles.
    """
    axes = figure.subplots(4, 3, sharex=True)
    for axis, (name, title) in zip(axes.flat, SHOWN, strict=True):
        for side, colour in _COLOURS.items():
            full = f"{side}_{name}_deg" if f"{side}_{name}_deg" in angles.value else f"{name}_deg"
            curve = cycle_curve(person.time_s, angles.value[full], gait.cycles, side)
            axis.plot(_PERCENT, curve.mean, color=colour, label=f"{side} ({curve.n})")
            axis.fill_between(
                _PERCENT, curve.mean - curve.spread, curve.mean + curve.spread, color=colour, alpha=0.2, lw=0
            )
        axis.set_title(title, fontsize=10)
        axis.axhline(0, color="#bbb", lw=0.6)
        axis.set_xlim(0, 100)
        if not any(np.isfinite(line.get_ydata()[:POINTS]).any() for line in axis.lines[:2]):
            axis.text(0.5, 0.5, "not determined", ha="center", va="center", transform=axis.transAxes, color="#888")
    for axis in axes[-1]:
        axis.set_xlabel("gait cycle, %")
    for axis in axes[:, 0]:
        axis.set_ylabel("degrees")
    axes[0, 0].legend(fontsize=8, frameon=False)


def footprints(figure: Any, person: Movement, contacts: Contacts, gait: Gait) -> None:
    """From above: where each foot stood, and the way of the hips.

    Args:
        figure: Of matplotlib.
        person: The movement.
        contacts: Of the feet.
        gait: The steps, whose lengths are written beside.
    """
    axis = figure.subplots()
    along, across = _plane(person, contacts.floor.up)
    hips = person.at("left_hip", "right_hip")
    axis.plot(hips @ along, hips @ across, color="#999", lw=1, label="hips")
    for side, colour in _COLOURS.items():
        places = np.array([c.place for c in contacts.each if c.side == side]).reshape(-1, 3)
        axis.plot(places @ along, places @ across, "o", color=colour, label=f"{side} heel")
    for step in gait.steps:
        place = next(c.place for c in contacts.each if c.strike_s == step.end_s)
        axis.annotate(
            f"{100 * step.length_m:.0f} cm", (place @ along, place @ across), xytext=(0, 8), textcoords="offset points",
            fontsize=8, ha="center", color=_COLOURS[step.side],
        )  # fmt: skip
    axis.set_aspect(3)  # across is drawn three times as large
    axis.margins(0.05, 0.6)
    axis.set_xlabel("m, along the way")
    axis.set_ylabel("m, to the left (x 3)")
    axis.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def figures(figure: Any, person: Movement, contacts: Contacts, gait: Gait) -> None:
    """From the right: the body at every strike.

    Args:
        figure: Of matplotlib.
        person: The movement.
        contacts: Of the feet.
        gait: The steps.
    """
    axis = figure.subplots()
    up = contacts.floor.up
    along, _ = _plane(person, up)
    instants = [step.end_s for step in gait.steps] or [float(person.time_s[len(person.time_s) // 2])]
    for instant in instants:
        row = int(np.argmin(np.abs(person.time_s - instant)))
        for a, b in _LINES:
            if a in person.joints and b in person.joints:
                ends = np.stack([person.at(a)[row], person.at(b)[row]])
                colour = _COLOURS.get(a.partition("_")[0] if a.partition("_")[0] == b.partition("_")[0] else "", "#444")
                axis.plot(ends @ along, ends @ up - contacts.floor.height, color=colour, lw=2)
        trunk = np.stack([person.at("left_hip", "right_hip")[row], person.at("left_shoulder", "right_shoulder")[row]])
        axis.plot(trunk @ along, trunk @ up - contacts.floor.height, color="#444", lw=2)
        head = person.at("nose")[row]
        axis.plot(head @ along, head @ up - contacts.floor.height, "o", color="#444", ms=7)
    axis.axhline(0, color="#999", lw=1)
    axis.set_aspect("equal")
    axis.set_xlabel("m, along the way")
    axis.set_ylabel("m, above the floor")


def contact_times(figure: Any, person: Movement, contacts: Contacts) -> None:
    """Which part of which foot is on the floor when.

    Args:
        figure: Of matplotlib.
        person: The movement.
        contacts: Of the feet.
    """
    axis = figure.subplots()
    for row, (name, on) in enumerate(contacts.on.items()):
        axis.fill_between(
            person.time_s, row - 0.4, row + 0.4, where=on, color=_COLOURS[name.partition("_")[0]], step="mid", lw=0
        )
    axis.set_yticks(range(len(contacts.on)), [name.replace("_", " ") for name in contacts.on])
    axis.set_xlabel("s")
    axis.set_xlim(person.time_s[0], person.time_s[-1])


def _plane(person: Movement, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction in which the hips get on from the first to the last frame, and that to the left of it."""
    hips = person.at("left_hip", "right_hip")
    hips = hips[np.isfinite(hips).all(axis=1)]
    way = hips[-1] - hips[0] if len(hips) else np.array([1.0, 0.0, 0.0])
    way = way - (way @ up) * up
    along = way / np.linalg.norm(way) if np.linalg.norm(way) > 1e-3 else np.cross(up, [0.0, 1.0, 0.0])
    return along, np.cross(up, along)
