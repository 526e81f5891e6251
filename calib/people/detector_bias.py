"""A detector's bias: it puts a joint to the same wrong place whenever it sees a person from the same side.

Such errors do not average out, and bend the rig. But the detector is the same in all cameras, and people turn: what it
does to a joint is a smooth function of the angle from which the person is seen, three waves of it across and along the
picture, which are unknowns of the bundle beside the cameras.

Letters in shapes: N observations, J joints, W waves, S shared unknowns of the cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.linalg import cho_factor, cho_solve

from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import JointBundle, RigState, Rows
from calib.people.refine import Refined, weighed
from calib.people.view_angle import angles_of_view
from multiview.geometry.least_squares import ArrowSystem, levenberg_marquardt

__all__ = ["BiasedBundle", "BiasedState", "without_bias"]

_WAVES = 3  # around a person
_SHARE = 0.012  # of a person's size: the bias that is expected of a joint, 20 mm
_TOLERANCES = (1e-3, 1e-6)  # of two fits, of which the first tells the noise that is left
# It is taken off where people were seen from so many sides that the cameras' variances grow by less than this factor,
# and where both halves of the recording find the same: they have nothing in common if errors only last for a while.
_MOST_GROWTH, _AGREES = 2.0, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class BiasedState:
    """The rig, and (J, 2, W) the coefficients of every joint's bias across and along the picture."""

    rig: RigState
    bias: Float64[np.ndarray, "J 2 W"]


@dataclass(frozen=True, slots=True, eq=False)
class BiasedBundle:
    """A bundle whose keypoints have a bias; a `Problem` for `levenberg_marquardt`.

    Attributes:
        bundle: With the keypoints as they were found.
        waves: (N, W) px by the unit of a coefficient, 0 where it is not known from which side the person is seen.
        joint: (N,) of each observation.
        joints: How many the skeleton has.
        sigma: Deviation that is expected of a coefficient.
        typical: Root mean square of the bias that was found, across or along, in the unit of the bundle.
    """

    bundle: JointBundle
    waves: Float64[np.ndarray, "N W"]
    joint: Int64[np.ndarray, " N"]
    joints: int
    sigma: float
    typical: float = 0.0

    def kept(self, mask: Bool[np.ndarray, " N"]) -> BiasedBundle:
        """With some of the observations."""
        return replace(self, bundle=self.bundle.kept(mask), waves=self.waves[mask], joint=self.joint[mask])

    def unbiased(self, state: RigState) -> BiasedState:
        """A rig and no bias."""
        return BiasedState(state, np.zeros((self.joints, 2, self.waves.shape[1])))

    def corrected(self, bias: Float64[np.ndarray, "J 2 W"]) -> JointBundle:
        """The bundle with its keypoints where they would be without a bias."""
        return replace(self.bundle, xy=self.bundle.xy - np.einsum("nw,nxw->nx", self.waves, bias[self.joint]))

    def cost(self, state: BiasedState) -> float:
        return self.corrected(state.bias).cost(state.rig) + 0.5 * float(((state.bias / self.sigma) ** 2).sum())

    def rows(self, state: BiasedState) -> tuple[Rows, Int64[np.ndarray, " N"], Int64[np.ndarray, "L u"]]:
        """Every observation with the derivatives by its joint's bias after those by its camera; which row of the layout
        it has; and the layout."""
        bundle, joints, waves = self.bundle, self.joints, self.waves.shape[1]
        rows, cameras = self.corrected(state.bias).rows(state.rig), bundle.layout()
        by_bias = np.zeros((len(self.joint), 2, 2 * waves))
        by_bias[:, 0, :waves] = by_bias[:, 1, waves:] = self.waves / bundle.sigma[:, None]
        rows = replace(rows, by_camera=np.concatenate([rows.by_camera, by_bias], axis=-1))
        places = int(bundle.free.sum()) + np.arange(joints * 2 * waves).reshape(joints, 2 * waves)
        layout = np.concatenate(
            [np.repeat(cameras, joints, axis=0), np.tile(places, (len(cameras), 1))], axis=1
        )  # of every camera and joint
        return rows, bundle.camera * joints + self.joint, layout

    def linearised(self, state: BiasedState) -> ArrowSystem:
        rows, which, layout = self.rows(state)
        system = self.corrected(state.bias).equations(rows, state.rig, which, layout)
        own = np.arange(int(self.bundle.free.sum()), len(system.shared))
        system.shared[own, own] += 1 / self.sigma**2
        system.gradient_shared[own] += state.bias.ravel() / self.sigma**2
        return system

    def moved(
        self, state: BiasedState, shared: Float64[np.ndarray, " S"], chain: Float64[np.ndarray, "K 3"]
    ) -> BiasedState:
        S = int(self.bundle.free.sum())
        return BiasedState(
            self.bundle.moved(state.rig, shared[:S], chain), state.bias + shared[S:].reshape(state.bias.shape)
        )


def without_bias(refined: Refined) -> tuple[Refined, BiasedBundle | None]:
    """The rig with the detector's bias estimated and taken off the keypoints.

    Args:
        refined: A rig of three cameras or more with known lenses.

    Returns:
        The rig, and the bias that may be left; the rig as it was, and None, where people were not seen from all sides,
        or each half of the recording finds another bias.
    """
    observed, state, joints = refined.observed, refined.state, refined.scene.joints
    angle = angles_of_view(observed, state, joints)
    if not np.isfinite(angle).any():
        return refined, None
    biased = _biased(observed, state, angle, len(joints))
    solved = biased.unbiased(state)
    if _variance_growth(biased, solved) > _MOST_GROWTH or _agreement(biased, solved) < _AGREES:
        return refined, None
    for tolerance in _TOLERANCES:
        solved = levenberg_marquardt(biased, solved, max_steps=10, tolerance=tolerance).state
        found = weighed(replace(observed, bundle=biased.corrected(solved.bias)), solved.rig)
        biased = replace(biased, bundle=replace(observed.bundle, sigma=found.bundle.sigma))
    typical = float(np.sqrt((solved.bias**2).sum(axis=-1).mean() / 2))
    return replace(refined, observed=found, state=solved.rig), replace(biased, bundle=found.bundle, typical=typical)


def _variance_growth(biased: BiasedBundle, state: BiasedState) -> float:
    """Mean factor by which variances of the cameras grow if there may be a bias."""
    information, S = biased.linearised(state).reduced()[0], int(biased.bundle.free.sum())
    cameras, across = information[:S, :S], information[S:, :S]
    left = cameras - across.T @ np.linalg.solve(information[S:, S:], across)
    try:
        return float(np.trace(cho_solve(cho_factor(left), cameras))) / S
    except np.linalg.LinAlgError:  # a bias could move some camera as it likes
        return np.inf


def _agreement(biased: BiasedBundle, state: BiasedState) -> float:
    """Correlation of the biases that both halves of a recording find, each with a rig of its own."""
    early = biased.bundle.time < np.median(biased.bundle.time)
    first, second = (
        levenberg_marquardt(biased.kept(half), state, max_steps=2, tolerance=1e-3).state.bias.ravel()
        for half in (early, ~early)
    )
    return float(first @ second) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)


def _biased(observed: Observed, state: RigState, angle: Float64[np.ndarray, " N"], joints: int) -> BiasedBundle:
    bundle = observed.bundle
    xyz = bundle.curves.at(state.coefficients, bundle.curve, bundle.true_time(state))[0]
    depth = np.einsum("nx,nx->n", xyz, state.R[bundle.camera, 2]) + state.t[bundle.camera, 2]
    focal = np.array([lens.focal[0] for lens in state.lenses])[bundle.camera]
    px = focal / np.maximum(depth, 0.1)  # by the unit of the bundle
    phase = np.arange(1, _WAVES + 1) * angle[:, None]
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * px[:, None]
    person = float(np.median(observed.size / px))
    return BiasedBundle(bundle, np.nan_to_num(waves), observed.joint, joints, _SHARE * person / np.sqrt(_WAVES))
