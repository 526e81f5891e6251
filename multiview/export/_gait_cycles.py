"""Joint angles over the gait cycle as files: a table, a storage file for OpenSim, and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from multiview.biomechanics.contacts import find_contacts
from multiview.biomechanics.cycles import POINTS, CycleCurve, cycle_curve
from multiview.biomechanics.gait import Gait, analyse_gait
from multiview.biomechanics.measured_angles import MeasuredAngles
from multiview.biomechanics.movement import Movement
from multiview.common.atomic_file import replacing
from multiview.drawing.gait import angle_curves
from multiview.errors import SourceError
from multiview.export._rows import Block, write_rows
from multiview.export._storage import write_storage

__all__ = ["write_gait_cycles"]

_SIZE, _DPI = (10.0, 10.0), 110
_SIDES = ("left", "right")


def write_gait_cycles(person: Movement, angles: MeasuredAngles, base: Path) -> list[Path]:
    """Write the mean of each angle over the cycles of its side, 0 % being that foot's heel strike; pelvis, trunk and
    neck over the right foot's.

    Args:
        person: The movement.
        angles: Their joint angles.
        base: Path without what follows the name.

    Returns:
        `_gait_cycles.csv`, `_gait_cycle.mot` (one mean stride) and `_gait_cycles.png`; nothing where nobody walks.
    """
    try:
        gait = analyse_gait(person, find_contacts(person))
    except SourceError:  # no foot is ever still
        return []
    curves = _curves(person, angles, gait)
    if not curves:
        return []
    table = base.with_name(f"{base.name}_gait_cycles.csv")
    blocks = [Block(np.arange(POINTS, dtype=np.float64)[:, None], 0)]
    for curve in curves.values():
        blocks += [Block(np.stack([curve.mean, curve.spread], axis=1), 3), Block(np.full((POINTS, 1), curve.n), 0)]
    head = [f"{name},{name.removesuffix('_deg')}_sd_deg,{name.removesuffix('_deg')}_cycles" for name in curves]
    with replacing(table) as temporary, temporary.open("wb") as file:
        file.write(f"percent,{','.join(head)}\n".encode("ascii"))
        write_rows(file, blocks, ",")
    stride_s = float(np.mean([cycle.end_s - cycle.start_s for cycle in gait.cycles]))
    motion = base.with_name(f"{base.name}_gait_cycle.mot")
    write_storage(motion, np.linspace(0.0, stride_s, POINTS), {name: curve.mean for name, curve in curves.items()}, 3)
    picture = base.with_name(f"{base.name}_gait_cycles.png")
    figure = Figure(figsize=_SIZE, layout="constrained")
    angle_curves(figure, person, gait, angles)
    with replacing(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
    return [table, motion, picture]


def _curves(person: Movement, angles: MeasuredAngles, gait: Gait) -> dict[str, CycleCurve]:
    """By the angle's name, in their order; those without a whole cycle are left out."""
    found = {}
    for name, values in angles.value.items():
        side = next((side for side in _SIDES if name.startswith(side)), "right")
        curve = cycle_curve(person.time_s, values, gait.cycles, side)
        if curve.n:
            found[name] = curve
    return found
