"""Bundle adjustment of cameras that watch moving joints: poses, time offsets, lenses and every joint's curve at once.

A joint's way through the room is a cubic B-spline in continuous time, so each keypoint counts once, at its own camera's
own time, and a time offset follows from the motion in the room and never from differences of noisy keypoints. The
curves' coefficients are the chain of `least_squares`, the cameras its shared unknowns.

Letters in shapes: C cameras, N observations, K coefficients of all curves, U unknowns of a camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.people import joint_bundle_kernels as kernels
from multiview.geometry.bundle import Lens
from multiview.geometry.least_squares import ArrowSystem
from multiview.geometry.lens import distort_with_jacobian
from multiview.geometry.rigid import rotation_from_vector
from multiview.geometry.robust import cauchy_loss, cauchy_weight

__all__ = [
    "ASPECT",
    "DRIFT",
    "FOCAL",
    "LENS",
    "OFFSET",
    "PRINCIPAL",
    "RADIAL",
    "SHIFT",
    "SMOOTH",
    "TURN",
    "UNBOUND",
    "UNKNOWNS",
    "Curves",
    "JointBundle",
    "RigState",
    "Rows",
]

FOCAL, PRINCIPAL, RADIAL, ASPECT, LENS = slice(0, 1), slice(1, 3), slice(3, 5), slice(5, 6), slice(0, 6)
TURN, SHIFT, OFFSET, DRIFT = slice(6, 9), slice(9, 12), slice(12, 13), slice(13, 14)
UNKNOWNS = 14
_NEAREST_M = 0.1
# m/s^2. Smooth curves give better time offsets. But limbs accelerate more than that, which favours a small room: where
# lenses are free, or there are two cameras only, which may face each other, the room can be made small, and curves must
# be free as well.
SMOOTH, UNBOUND = 20.0, 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Uniform cubic B-splines, one for every joint of every person.

    Attributes:
        step: s between coefficients.
        start: (Q,) number of the step at which each begins.
        count: (Q,) coefficients of each.
        base: (Q,) where they begin among all.
    """

    step: float
    start: Int64[np.ndarray, " Q"]
    count: Int64[np.ndarray, " Q"]
    base: Int64[np.ndarray, " Q"]

    def inside(self, curve: Int64[np.ndarray, " N"], time: Float64[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
        """Whether the curves reach there."""
        place = time / self.step - self.start[curve]
        return np.asarray((place >= 0) & (place <= self.count[curve] - 3))

    def at(
        self, coefficients: Float64[np.ndarray, "K 3"], curve: Int64[np.ndarray, " N"], time: Float64[np.ndarray, " N"]
    ) -> tuple[Float64[np.ndarray, "N 3"], Float64[np.ndarray, "N 3"], Int64[np.ndarray, " N"], np.ndarray]:
        """Points (m), velocities (m/s), the first of the four coefficients that matter, and their weights (N, 4)."""
        n = len(time)
        xyz, velocity, first, basis = np.empty((n, 3)), np.empty((n, 3)), np.empty(n, dtype=np.int64), np.empty((n, 4))
        kernels.spline(
            time, curve, self.step, self.start, self.count, self.base, coefficients, xyz, velocity, first, basis
        )
        return xyz, velocity, first, basis


@dataclass(frozen=True, slots=True, eq=False)
class RigState:
    """Everything unknown.

    Attributes:
        lenses: Of the C cameras.
        R: (C, 3, 3) cam_from_world.
        t: (C, 3) cam_from_world, m.
        offset: (C,) s, added to a camera's stamps in the middle of the recording.
        drift: (C,) by how much the offset grows, s in a second.
        coefficients: (K, 3) m, of the curves.
    """

    lenses: tuple[Lens, ...]
    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    offset: Float64[np.ndarray, " C"]
    drift: Float64[np.ndarray, " C"]
    coefficients: Float64[np.ndarray, "K 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Observations in deviations of a coordinate.

    Attributes:
        missed: (N, 2) measured minus projected.
        by_camera: (N, 2, U) derivatives of the projection by the camera's unknowns.
        by_point: (N, 2, 3) by the point.
        first: (N,) first of the four coefficients that the point depends on.
        basis: (N, 4) their weights.
    """

    missed: Float64[np.ndarray, "N 2"]
    by_camera: Float64[np.ndarray, "N 2 U"]
    by_point: Float64[np.ndarray, "N 2 3"]
    first: Int64[np.ndarray, " N"]
    basis: Float64[np.ndarray, "N 4"]


@dataclass(frozen=True, slots=True, eq=False)
class JointBundle:
    """The keypoints, and what is free to move; a `Problem` for `levenberg_marquardt`.

    Attributes:
        curves: The joints' ways.
        camera: (N,) of each observation, rising.
        curve: (N,) which joint of whom.
        time: (N,) s, the camera's stamp.
        xy: (N, 2) px.
        sigma: (N,) px, deviation of a coordinate.
        free: (C, U) what is free of each camera.
        acceleration: m/s^2, deviation that is expected of the curves: holds what few see.
        middle: s, when the offsets are those of the state.
        cauchy: Scale of the robust loss in deviations.
        prior: The lenses that were guessed, from which `prior_sigma` lets them go.
        prior_sigma: (C, 6) deviation of focal length and principal point (px), of two radial coefficients, and of the
            pixels' aspect (relative).
    """

    curves: Curves
    camera: Int64[np.ndarray, " N"]
    curve: Int64[np.ndarray, " N"]
    time: Float64[np.ndarray, " N"]
    xy: Float64[np.ndarray, "N 2"]
    sigma: Float64[np.ndarray, " N"]
    free: Bool[np.ndarray, "C U"]
    acceleration: float = SMOOTH
    middle: float = 0.0
    cauchy: float = 3.0
    prior: tuple[Lens, ...] = ()
    prior_sigma: Float64[np.ndarray, "C 6"] | None = None

    def layout(self) -> Int64[np.ndarray, "C U"]:
        """Places among the shared unknowns, -1 where fixed."""
        number = np.cumsum(self.free.ravel()).reshape(self.free.shape) - 1
        return np.where(self.free, number, -1).astype(np.int64)

    def kept(self, mask: Bool[np.ndarray, " N"]) -> JointBundle:
        """With some of the observations."""
        return replace(
            self, camera=self.camera[mask], curve=self.curve[mask], time=self.time[mask], xy=self.xy[mask],
            sigma=self.sigma[mask],
        )  # fmt: skip

    def true_time(self, state: RigState) -> Float64[np.ndarray, " N"]:
        """s, on the first camera's clock."""
        return np.asarray(self.time + state.offset[self.camera] + state.drift[self.camera] * (self.time - self.middle))

    def residuals(self, state: RigState) -> Float64[np.ndarray, "N 2"]:
        """Measured minus projected, px."""
        xyz = self.curves.at(state.coefficients, self.curve, self.true_time(state))[0]
        out = np.empty((len(xyz), 2))
        for c, own in self._by_camera():
            x = xyz[own] @ state.R[c].T + state.t[c]
            x[:, 2] = np.maximum(x[:, 2], _NEAREST_M)
            out[own] = self.xy[own] - state.lenses[c].project(x)
        return out

    def deviations(self, state: RigState) -> Float64[np.ndarray, " N"]:
        """Length of each residual in deviations of a coordinate."""
        return np.asarray(np.linalg.norm(self.residuals(state), axis=1) / self.sigma)

    def cost(self, state: RigState) -> float:
        loss = cauchy_loss(self.deviations(state) ** 2, self.cauchy).sum()
        bent = self._bending(state.coefficients)
        return 0.5 * float(loss + (bent**2).sum() + (self._from_prior(state) ** 2).sum())

    def rows(self, state: RigState) -> Rows:
        """Every observation in deviations, without the robust loss."""
        xyz, velocity, first, basis = self.curves.at(state.coefficients, self.curve, self.true_time(state))
        n = len(xyz)
        missed, by_camera, by_point = np.empty((n, 2)), np.zeros((n, 2, UNKNOWNS)), np.empty((n, 2, 3))
        for c, own in self._by_camera():
            lens = state.lenses[c]
            rotated = xyz[own] @ state.R[c].T
            x = rotated + state.t[c]
            depth = np.maximum(x[:, 2], _NEAREST_M)
            ideal = x[:, :2] / depth[:, None]
            distorted, by_ideal, by_dist = distort_with_jacobian(ideal, lens.dist, lens.model)
            missed[own] = self.xy[own] - (distorted * lens.focal[:2] + lens.focal[2:])
            by_ideal = by_ideal * (lens.focal[:2, None] / depth[:, None, None])
            by_x = np.concatenate([by_ideal, -(by_ideal @ ideal[..., None])], axis=-1)
            J = by_camera[own]
            J[:, :, 0] = distorted * (lens.focal[:2] / lens.focal[0])
            J[:, 0, 1] = J[:, 1, 2] = 1.0
            J[..., RADIAL] = by_dist[..., :2] * lens.focal[:2, None]
            J[:, 1, ASPECT] = distorted[:, 1:] * lens.focal[1]
            J[..., TURN] = np.cross(rotated[:, None], by_x)
            J[..., SHIFT] = by_x
            by_point[own] = by_x @ state.R[c]
            J[..., OFFSET] = by_point[own] @ velocity[own][..., None]
            J[..., DRIFT] = J[..., OFFSET] * (self.time[own] - self.middle)[:, None, None]
        weight = 1 / self.sigma
        by_camera *= weight[:, None, None]
        by_point *= weight[:, None, None]
        missed *= weight[:, None]
        return Rows(missed, by_camera, by_point, first, basis)

    def linearised(self, state: RigState) -> ArrowSystem:
        return self.equations(self.rows(state), state, self.camera, self.layout())

    def equations(
        self, rows: Rows, state: RigState, which: Int64[np.ndarray, " N"], layout: Int64[np.ndarray, "L u"]
    ) -> ArrowSystem:
        """Normal equations of rows that may have more shared unknowns than their cameras'.

        Args:
            rows: Of the state; they are used up.
            state: Where.
            which: (N,) row of the layout for each observation.
            layout: (L, u) places of the unknowns among the shared ones, -1 where fixed; the cameras' come first.

        Returns:
            The equations.
        """
        missed, by_camera, by_point = rows.missed, rows.by_camera, rows.by_point
        weight = cauchy_weight((missed**2).sum(axis=1), self.cauchy)
        by_camera *= weight[:, None, None]
        by_point *= weight[:, None, None]
        missed *= weight[:, None]
        S, K = int(layout.max(initial=-1)) + 1, len(state.coefficients)
        system = ArrowSystem(
            np.zeros((S, S)), np.zeros((K, 3, S)), np.zeros((4, K, 3, 3)), np.zeros(S), np.zeros((K, 3))
        )
        kernels.accumulate(
            layout, which, rows.first, rows.basis, missed, by_camera, by_point,
            system.shared, system.cross, system.band, system.gradient_shared, system.gradient_chain,
        )  # fmt: skip
        self._add_bending(system, state.coefficients)
        self._add_prior(system, state, self.layout())
        return system

    def moved(self, state: RigState, shared: Float64[np.ndarray, " S"], chain: Float64[np.ndarray, "K 3"]) -> RigState:
        step = np.append(shared, 0.0)[self.layout()]
        lenses = []
        for lens, own in zip(state.lenses, step, strict=True):
            if own[LENS].any():
                focal = lens.focal + np.concatenate([own[0] * lens.focal[:2] / lens.focal[0], own[PRINCIPAL]])
                focal[1] += own[ASPECT.start] * lens.focal[1]
                focal[:2] = np.maximum(focal[:2], 0.1 * lens.focal[:2])
                dist = lens.dist.copy()
                dist[:2] += own[RADIAL]
                lens = replace(lens, focal=focal, dist=dist)
            lenses.append(lens)
        R = rotation_from_vector(step[:, TURN]) @ state.R
        t = state.t + step[:, SHIFT]
        offset, drift = state.offset + step[:, OFFSET.start], state.drift + step[:, DRIFT.start]
        return RigState(tuple(lenses), R, t, offset, drift, state.coefficients + chain)

    def _by_camera(self) -> list[tuple[int, slice]]:
        ends = np.searchsorted(self.camera, np.arange(len(self.free) + 1))
        return [(c, slice(int(ends[c]), int(ends[c + 1]))) for c in range(len(self.free)) if ends[c + 1] > ends[c]]

    def _inner(self) -> Int64[np.ndarray, " M"]:
        """Coefficients that have a neighbour on either side."""
        inner = np.ones(int(self.curves.count.sum()), dtype=bool)
        inner[self.curves.base] = inner[self.curves.base + self.curves.count - 1] = False
        return np.flatnonzero(inner)

    def _bending(self, coefficients: Float64[np.ndarray, "K 3"]) -> Float64[np.ndarray, "M 3"]:
        i = self._inner()
        bent = coefficients[i - 1] - 2 * coefficients[i] + coefficients[i + 1]
        return np.asarray(bent / (self.curves.step**2 * self.acceleration))

    def _add_bending(self, system: ArrowSystem, coefficients: Float64[np.ndarray, "K 3"]) -> None:
        i, unit = self._inner(), np.eye(3) / (self.curves.step**2 * self.acceleration) ** 2
        bent = self._bending(coefficients) / (self.curves.step**2 * self.acceleration)
        for a, factor in ((-1, 1.0), (0, -2.0), (1, 1.0)):
            system.gradient_chain[i + a] += factor * bent
            for b, other in ((-1, 1.0), (0, -2.0), (1, 1.0)):
                if b <= a:
                    system.band[a - b, i + b] += factor * other * unit

    def _from_prior(self, state: RigState) -> Float64[np.ndarray, "C 6"]:
        if self.prior_sigma is None:
            return np.zeros((len(state.R), LENS.stop))
        gone = [
            np.concatenate(
                [lens.focal[[0, 2, 3]] - old.focal[[0, 2, 3]], lens.dist[:2] - old.dist[:2], [_stretch(lens, old)]]
            )
            for lens, old in zip(state.lenses, self.prior, strict=True)
        ]
        return np.asarray(np.stack(gone) / self.prior_sigma)

    def _add_prior(self, system: ArrowSystem, state: RigState, layout: Int64[np.ndarray, "C U"]) -> None:
        if self.prior_sigma is None:
            return
        free = self.free[:, LENS]
        place = layout[:, LENS][free]
        system.shared[place, place] += 1 / self.prior_sigma[free] ** 2
        system.gradient_shared[place] += self._from_prior(state)[free] / self.prior_sigma[free]


def _stretch(lens: Lens, old: Lens) -> float:
    """By how much pixels of a lens are lower, against their width, than those of another, relative."""
    return float(np.log(lens.focal[1] * old.focal[0] / (lens.focal[0] * old.focal[1])))
