"""A rig that grows: cameras whose places are known stay there and hold world and length; new ones are added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from calib.people.bundle_of_people import poses_free
from calib.people.compare import compare_rigs
from calib.people.grow import worth
from calib.people.identities import Placement
from calib.people.joint_bundle import LENS, RigState
from calib.people.pairs import PairPose
from calib.people.refine import Refined
from calib.people.scatter import scatter_of
from calib.people.uncertainty import aligned_covariance, pose_covariance
from multiview.cameras.camera import Rig
from multiview.cameras.mixed_up import MOST_COMPARED, orders, words
from multiview.errors import CalibrationError
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import rotation_angle

__all__ = ["check_known", "known_world", "start_of"]

_FEWEST = 2  # whose distance is the length
_AGREES_DEG = 6.0  # two views of people tell a turn at least so well


def start_of(names: list[str], known: Rig, pairs: list[PairPose]) -> Placement:
    """Two known cameras that are well related, in the axes of the known rig; the others of it need a time offset only.

    Args:
        names: Of all recorded cameras.
        known: Where some of them are.
        pairs: That are related.

    Returns:
        Where growing begins.

    Raises:
        CalibrationError: Too few known cameras were recorded, or share nobody, or do not stand as the rig has them.
    """
    held = np.array([name in known.names for name in names])
    if held.sum() < _FEWEST:
        raise CalibrationError(
            f"of the known rig ({', '.join(known.names)}) only {int(held.sum())} of the {_FEWEST} cameras needed were "
            "recorded: record the new camera together with two of it or more"
        )
    R, t = np.tile(np.eye(3), (len(names), 1, 1)), np.zeros((len(names), 3))
    for c in np.flatnonzero(held).tolist():
        camera = known.cameras[known.index(names[c])]
        R[c], t[c] = camera.R, camera.t
    between = sorted((pair for pair in pairs if held[pair.a] and held[pair.b]), key=worth, reverse=True)
    if not between:
        who = ", ".join(name for name, own in zip(names, held, strict=True) if own)
        raise CalibrationError(
            f"no two of the known cameras {who} agree on anybody: walk where their views overlap, too"
        )
    angles = [_off_deg(pair, R) for pair in between]
    agreeing = [pair for pair, turn in zip(between, angles, strict=True) if turn < _AGREES_DEG]
    if len(agreeing) < len(between):
        _check_order([names[c] for c in np.flatnonzero(held)], between, R, np.flatnonzero(held).tolist())
    if not agreeing:
        a, b = names[between[0].a], names[between[0].b]
        raise CalibrationError(
            f"{a} and {b} are turned to each other by {angles[0]:.0f} degrees more or less than in the known rig: one "
            "of them moved, so calibrate anew, without --known"
        )
    placed, offset = np.zeros(len(names), dtype=bool), np.zeros(len(names))
    seed = agreeing[0]
    placed[[seed.a, seed.b]] = True
    offset[seed.b] = -seed.state.shift
    return Placement(R, t, offset, placed, held)


def _off_deg(pair: PairPose, R: Float64[np.ndarray, "C 3 3"]) -> float:
    """By how much two cameras are turned to each other more or less than the rotations say."""
    return float(np.degrees(rotation_angle(pair.state.R @ R[pair.a] @ R[pair.b].T)))


def _check_order(names: list[str], between: list[PairPose], R: Float64[np.ndarray, "C 3 3"], held: list[int]) -> None:
    """CalibrationError if all pairs agree once known cameras are given each other's names."""
    for order in orders(held, MOST_COMPARED):
        renamed = R.copy()
        renamed[list(order)] = R[held]
        if all(_off_deg(pair, renamed) < _AGREES_DEG for pair in between):
            raise CalibrationError(words(names, [held.index(c) for c in order]))


def check_known(names: list[str], sizes: Rig, known: Rig, refined: Refined) -> None:
    """Known cameras stand where the rig has them, as far as three or more can tell.

    Args:
        names: Of all recorded cameras.
        sizes: The cameras as recorded, in any place.
        known: Where some of them should be.
        refined: The solved bundle, in which they were held.

    Raises:
        CalibrationError: Some moved; the message names them.
    """
    observed, placement = refined.observed, refined.placement
    if placement.held.sum() <= _FEWEST:
        return
    free = poses_free(replace(placement, held=np.zeros_like(placement.held)))
    free[:, LENS] = observed.bundle.free[:, LENS]
    bundle = replace(observed.bundle, free=free)
    state = levenberg_marquardt(bundle, refined.state, max_steps=10, tolerance=1e-6).state
    scatter = scatter_of(observed, bundle, state, refined.scene.joints)
    variance = np.einsum("aiai->ai", aligned_covariance(state.R, state.t, pose_covariance(bundle, scatter.covariance)))
    turn, place = np.degrees(np.sqrt(variance[:, :3].sum(axis=1))), 1000 * np.sqrt(variance[:, 3:].sum(axis=1))
    posed = [replace(camera, R=state.R[c], t=state.t[c]) for c, camera in enumerate(sizes.cameras)]
    own = np.flatnonzero(placement.held)
    compared = compare_rigs(Rig(tuple(posed[c] for c in own)), turn[own], place[own], known)
    if compared.mixed_up:
        raise CalibrationError(compared.mixed_up)
    if compared.moved:
        who = ", ".join(f"{m.name} ({m.place_mm:.0f} mm, {m.turn_deg:.1f} degrees)" for m in compared.moved)
        raise CalibrationError(
            f"{who} no longer stand{'s' if len(compared.moved) == 1 else ''} where the known rig has "
            f"{'it' if len(compared.moved) == 1 else 'them'}: take out of that rig what moved, and calibrate again"
        )


def known_world(
    names: list[str], known: Rig, state: RigState
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """(R, t), known world from the bundle's axes, by the cameras that were held."""
    c = next(i for i, name in enumerate(names) if name in known.names)
    camera = known.cameras[known.index(names[c])]
    return camera.R.T @ state.R[c], camera.R.T @ (state.t[c] - camera.t)
