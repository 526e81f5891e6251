"""`--refine-cameras`: correct the cameras from the people in the recording, if frames that were held out confirm it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.common.atomic_file import corrected_beside
from multiview.data import NS_PER_S, Views
from multiview.errors import CalibrationError
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.selfcalib.refine_rig import JointObservations, Refinement, refine_rig, reprojection_errors_px

__all__ = ["REFINED_HEAD", "RigRefinement", "refine_from_people", "refined", "unsupported"]

REFINED_HEAD = "camera: median reprojection error in frames that were held out, before -> after; moved, rotated"

MAX_FRAMES, MAX_JOINTS = 1500, 4000  # as many as there are up to these
HELD_OUT = 1 / 3  # of the time, its end
LEAST_FALL = 0.01  # of the error there; less is noise
MAX_ROTATED_DEG, MAX_MOVED = 5.0, 0.15  # of a tripod that was touched; moved: of the distance to the people
SHORT_S, SMALL_M2, CELL_M = 10.0, 4.0, 0.5  # less than this time or floor shows a detector's habits, not the cameras


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Joints that three views agreed on, when that was, and how much floor (m^2) people were on."""

    observations: JointObservations
    time_ns: Int64[np.ndarray, " N"]
    floor_m2: float

    def part(self, rows: np.ndarray) -> JointObservations:
        every = max(1, int(rows.sum()) // MAX_JOINTS)
        o = self.observations
        return JointObservations(o.xyz[rows][::every], o.xy[rows][::every], o.sigma[rows][::every])


class RigRefinement(NamedTuple):
    """What the people in a recording say of the cameras.

    Attributes:
        rig: The corrected one; the given one where the data do not support it.
        why_not: The reason then, else empty.
        doubt: What makes the correction uncertain away from the people; empty where nothing does.
        changes: Of each camera, in words.
    """

    rig: Rig
    why_not: str = ""
    doubt: str = ""
    changes: tuple[str, ...] = ()


def refine_from_people(rig: Rig, skeleton: Skeleton, views: Iterable[Views]) -> RigRefinement:
    """The cameras corrected from the first two thirds of the time; if the last third confirms it, from all frames.

    It does if the error falls there, too, and no camera moves further than a touched tripod.
    """
    seen = _see(rig, skeleton, views)
    since = seen.time_ns - seen.time_ns.min()
    held_out = since > (1 - HELD_OUT) * since.max()
    check = seen.part(held_out)
    trial = refine_rig(rig, seen.part(~held_out))
    before, after = reprojection_errors_px(rig, check), reprojection_errors_px(trial.rig, check)
    found = refine_rig(rig, seen.part(np.ones(len(since), dtype=bool)))
    if why := unsupported(rig, found, check, before, after):
        return RigRefinement(rig, why)
    changes = (
        f"{name}: {before[c]:.2f} -> {after[c]:.2f} px; {1e3 * found.moved_m[c]:.0f} mm, {found.rotated_deg[c]:.2f} deg"
        for c, name in enumerate(rig.names)
    )
    doubt = _doubt(float(since.max() / NS_PER_S), seen.floor_m2)
    return RigRefinement(found.rig, "", doubt, tuple(changes))


def refined(rig: Rig, skeleton: Skeleton, views: Iterable[Views], out: Path) -> Rig:
    """The corrected rig, which is also written to the folder `out`, or the given one where the data do not support it.

    What changed, or why nothing did, is printed.
    """
    found = refine_from_people(rig, skeleton, views)
    if found.why_not:
        print(f"multiview: --refine-cameras: {found.why_not}: the cameras stay as they are", file=sys.stderr)
        return rig
    if found.doubt:
        print(f"multiview: --refine-cameras: {found.doubt}", file=sys.stderr)
    path = corrected_beside(out / "rig.toml")
    save_rig(found.rig, path)
    print(REFINED_HEAD)
    for line in found.changes:
        print(f"  {line}")
    print(f"refined cameras -> {path}")
    return found.rig


def unsupported(
    rig: Rig,
    found: Refinement,
    check: JointObservations,
    before: Float64[np.ndarray, " C"],
    after: Float64[np.ndarray, " C"],
) -> str:
    """Why a correction is not to be made.

    Args:
        rig: As it is.
        found: The correction.
        check: Joints of the frames that were held out.
        before: px, each camera's error in these frames.
        after: px, with the cameras corrected from the other frames.

    Returns:
        The reason, empty where it may be made.
    """
    if not np.nanmean(after) < (1 - LEAST_FALL) * np.nanmean(before):
        errors = f"{np.nanmean(before):.2f} -> {np.nanmean(after):.2f} px"
        return f"in the last third of the recording, which was held out, the error does not fall ({errors})"
    for c, camera in enumerate(rig.cameras):
        distance = float(np.nanmedian(np.linalg.norm(check.xyz - camera.centre, axis=1)))
        if found.rotated_deg[c] > MAX_ROTATED_DEG or found.moved_m[c] > MAX_MOVED * distance:
            moved = f"{1e3 * found.moved_m[c]:.0f} mm and {found.rotated_deg[c]:.1f} degrees"
            return f"{camera.name} would move by {moved}, more than people can confirm: calibrate it again"
    return ""


def _doubt(seconds: float, floor_m2: float) -> str:
    """What makes the correction uncertain away from the people; empty where nothing does."""
    if seconds >= SHORT_S and floor_m2 >= SMALL_M2:
        return ""
    return (
        f"people are seen for {seconds:.1f} s, on {floor_m2:.1f} m2 of floor: the cameras may have learned the "
        f"detector's habits, and fit worse elsewhere; record people who walk through the whole room for "
        f"{SHORT_S:.0f} s or more"
    )


def _see(rig: Rig, skeleton: Skeleton, views: Iterable[Views]) -> _Seen:
    """The joints that three views agree on in the first minute or so, fused. CalibrationError if there are none."""
    pipeline = Pipeline(rig, skeleton, PipelineOptions())
    xyz, xy, sigma, time_ns = [], [], [], []
    cells: set[tuple[int, int]] = set()
    for tick in islice(views, MAX_FRAMES):
        pipeline.step(tick)
        if (observations := pipeline.last_observations) is None:
            continue
        for one in pipeline.estimates:
            table = observations.table[int(np.flatnonzero(observations.slots == one.slot)[0])]
            joints = np.flatnonzero((table >= 0).sum(axis=0) >= 3)
            if not len(joints):
                continue
            rows, measured = table[:, joints].T, (table[:, joints].T >= 0)[..., None]
            noise = observations.rays.noise.reshape(-1, 3)[rows][..., [0, 2]]
            xyz.append(one.pose.xyz[joints])
            xy.append(np.where(measured, observations.rays.xy.reshape(-1, 2)[rows], np.nan))
            sigma.append(np.where(measured, np.sqrt(noise), 1.0))
            time_ns.append(np.full(len(joints), tick.time_ns))
            x, y = np.floor(np.nanmean(one.pose.xyz[joints, :2], axis=0) / CELL_M)
            cells.add((int(x), int(y)))
    if not xyz:
        raise CalibrationError("too few joints to refine the cameras: nobody is observed in three views")
    observed = JointObservations(np.concatenate(xyz), np.concatenate(xy), np.concatenate(sigma))
    return _Seen(observed, np.concatenate(time_ns), len(cells) * CELL_M**2)
