"""The bundle under other suppositions about its cameras: some are left out, or one became another one for some time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from calib.solve.change_equations import Equations
from calib.solve.evidence import Evidence
from multiview.data import Times
from multiview.geometry.bundle import HAND_ACCELERATION, Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["bundle_without", "cost_of_one_change", "with_another_camera"]

_SUSPECTS = 2  # cameras that are tried
_UNKNOWNS = 8  # of a change: zoom, turn, shift and a clock


def bundle_without(bundle: Bundle, excluded: frozenset[int]) -> Bundle:
    """The bundle with nothing of some cameras, and the first of the others in place of the fixed one."""
    out = np.isin(np.arange(len(bundle.free_lens)), list(excluded))
    first = np.arange(len(out)) == np.flatnonzero(~out)[0]
    return replace(
        bundle,
        weight=bundle.weight * ~out[bundle.camera][:, None],
        free_lens=tuple(free & ~gone for free, gone in zip(bundle.free_lens, out, strict=True)),
        free_pose=~out & ~first,
        free_offset=bundle.free_offset & ~out & ~first,
    )


def with_another_camera(
    bundle: Bundle, state: BundleState, c: int, views: Int64[np.ndarray, " v"]
) -> tuple[Bundle, BundleState]:
    """The bundle in which some views of a camera are of another one, which begins where the camera is."""
    camera = bundle.camera.copy()
    camera[views] = len(bundle.free_lens)
    two = replace(
        bundle,
        camera=camera,
        free_lens=(*bundle.free_lens, bundle.free_lens[c]),
        free_pose=np.append(bundle.free_pose, True),
        free_offset=np.append(bundle.free_offset, bundle.free_offset[c]),
    )
    start = replace(
        state,
        lenses=(*state.lenses, state.lenses[c]),
        R=np.concatenate([state.R, state.R[[c]]]),
        t=np.concatenate([state.t, state.t[[c]]]),
        offset=np.append(state.offset, state.offset[c]),
    )
    return two, start


def cost_of_one_change(bundle: Bundle, state: BundleState) -> float:
    """What is left of the misfit if one camera became another one for some time.

    Args:
        bundle: In continuous time, with a robust loss and all corners that a pose of the board explains in their view.
        state: Fitted to it, with cameras that stay as they are.

    Returns:
        nats, with Schwarz's price of the change.
    """
    assert bundle.time is not None
    time = Times(bundle.time + state.offset[bundle.camera])
    told = replace(bundle, cauchy=np.inf, acceleration=HAND_ACCELERATION)
    spans = Evidence(Equations.of(told, state, time, np.ones(len(state.lenses))).without()).spans()
    costs = [np.inf]
    for span in spans[:_SUSPECTS]:
        others = bundle_without(bundle, frozenset([span.camera]))
        start = levenberg_marquardt(others, state, max_steps=20, tolerance=1e-4).state
        two, start = with_another_camera(bundle, start, span.camera, span.views)
        costs.append(levenberg_marquardt(two, start, max_steps=30, tolerance=1e-5).cost)
    return float(min(costs) + _UNKNOWNS / 2 * np.log(np.count_nonzero(bundle.weight)))
