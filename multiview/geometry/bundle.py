"""Bundle adjustment of cameras that watch one rigid target: intrinsics, poses, target motion and time offsets at once.

A residual is measured minus projected, in pixels divided by the camera's noise. The target's poses are the chain of
`least_squares`, the cameras its shared unknowns. Small turns are applied from the left.

Letters in shapes: C cameras, K target poses (knots), V views (one camera at one instant), N points on the target,
U views of cameras whose clocks are unsteady.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.geometry import trajectory
from multiview.geometry.least_squares import ArrowSystem
from multiview.geometry.lens import distort, distort_with_jacobian
from multiview.geometry.rigid import rotation_from_vector
from multiview.geometry.robust import cauchy_loss, cauchy_weight
from multiview.geometry.trajectory import Knots, Motion

__all__ = ["HAND_ACCELERATION", "Bundle", "BundleState", "Lens", "LensPrior"]

HAND_ACCELERATION = (100.0, 20.0)  # rad/s^2 and m/s^2, beyond which nobody moves a board
_NEAREST_M = 1e-3  # a point closer than this, or behind, is measured as if it were here, so that the cost stays finite


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """Intrinsics of one camera.

    Attributes:
        focal: (4,) fx, fy, cx, cy, px.
        dist: Coefficients in OpenCV's order.
        model: "pinhole" or "fisheye".
    """

    focal: Float64[np.ndarray, " 4"]
    dist: Float64[np.ndarray, " n"]
    model: str = "pinhole"

    def project(self, x: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 2"]:
        """Pixels of points in the camera's axes.

        Args:
            x: (..., 3) m; a point nearer than a millimetre, or behind, counts as one at a millimetre.

        Returns:
            (..., 2) px.
        """
        ideal = x[..., :2] / np.maximum(x[..., 2:], _NEAREST_M)
        return distort(ideal, self.dist, self.model) * self.focal[:2] + self.focal[2:]

    @property
    def K(self) -> Float64[np.ndarray, "3 3"]:
        fx, fy, cx, cy = self.focal
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


@dataclass(frozen=True, slots=True, eq=False)
class LensPrior:
    """What is known of a lens before it is measured: independent normal distributions.

    Attributes:
        mean: (n,) of fx, fy, cx, cy and the coefficients.
        weight: (n,) 1 / sigma; 0 where nothing is known.
    """

    mean: Float64[np.ndarray, " n"]
    weight: Float64[np.ndarray, " n"]

    def scaled(self, lens: Lens) -> Float64[np.ndarray, " n"]:
        """How far a lens is from what is expected, in sigmas.

        Args:
            lens: Of the same model.

        Returns:
            (n,), 0 where nothing is known.
        """
        return (np.concatenate([lens.focal, lens.dist]) - self.mean) * self.weight


@dataclass(frozen=True, slots=True, eq=False)
class BundleState:
    """Everything unknown.

    Attributes:
        lenses: Of the C cameras.
        R: (C, 3, 3) cam_from_world.
        t: (C, 3) cam_from_world, m.
        offset: (C,) time offsets, s.
        target_R: (K, 3, 3) world_from_target at each knot.
        target_t: (K, 3) world_from_target, m.
        wander: (U,) s, what each view of an unsteady clock has beyond its camera's time offset.
    """

    lenses: tuple[Lens, ...]
    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    offset: Float64[np.ndarray, " C"]
    target_R: Float64[np.ndarray, "K 3 3"]
    target_t: Float64[np.ndarray, "K 3"]
    wander: Float64[np.ndarray, " U"] = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """The measurements, and what is free to move; a `Problem` for `levenberg_marquardt`.

    With `knots`, a view's target pose is taken at `time` + its camera's offset; without, at its knot.

    Attributes:
        points: (N, 3) of the target, m, in its own frame.
        camera: (V,) camera of each view.
        knot: (V,) index of each view's target pose.
        xy: (V, N, 2) px.
        weight: (V, N) 1 / sigma, 1/px; 0 where not seen or rejected.
        free_lens: For each camera a mask of fx, fy, cx, cy and the coefficients.
        free_pose: (C,) mask of cameras.
        free_offset: (C,) mask of cameras.
        cauchy: Scale of the robust loss in sigmas; inf for plain least squares.
        time: (V,) stamp of each view, s.
        knots: Of the target's continuous motion.
        acceleration: Deviation expected of the target's angular (rad/s^2) and linear (m/s^2) acceleration, which keeps
            knots in place that few views see.
        lens_prior: Of each camera; None where the views tell enough. Empty: of none.
        unsteady: (U,) views that each have a wander of their own, shared unknowns behind those of the cameras.
        wander_precision: (U, U) 1/s^2, inverse covariance of the wander, whose mean is 0.
        axis: (3,) direction in the target's frame on which all its points lie, so that no view tells how it is turned
            about it: that stays where it is. None: they do not lie on a line.

    References:
        Triggs et al. 2000, Bundle adjustment: a modern synthesis.
    """

    points: Float64[np.ndarray, "N 3"]
    camera: Int64[np.ndarray, " V"]
    knot: Int64[np.ndarray, " V"]
    xy: Float64[np.ndarray, "V N 2"]
    weight: Float64[np.ndarray, "V N"]
    free_lens: tuple[Bool[np.ndarray, " _"], ...]
    free_pose: Bool[np.ndarray, " C"]
    free_offset: Bool[np.ndarray, " C"]
    cauchy: float = np.inf
    time: Float64[np.ndarray, " V"] | None = None
    knots: Knots | None = None
    acceleration: tuple[float, float] = HAND_ACCELERATION
    lens_prior: tuple[LensPrior | None, ...] = ()
    unsteady: Int64[np.ndarray, " U"] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    wander_precision: Float64[np.ndarray, "U U"] = field(default_factory=lambda: np.empty((0, 0)))
    axis: Float64[np.ndarray, " 3"] | None = None

    @property
    def pose_unknowns(self) -> int:
        """How many unknowns of a target's pose views can tell."""
        return 6 if self.axis is None else 5

    def layout(self) -> list[Int64[np.ndarray, " _"]]:
        """For each camera, the places of its lens, turn, shift and offset among the shared unknowns; -1 where fixed."""
        places, used = [], 0
        for lens, pose, offset in zip(self.free_lens, self.free_pose, self.free_offset, strict=True):
            free = np.concatenate([lens, np.repeat(pose, 6), [offset]])
            places.append(np.where(free, used + np.cumsum(free) - 1, -1))
            used += int(free.sum())
        return places

    def motion(self, state: BundleState, views: Int64[np.ndarray, " v"] | slice = slice(None)) -> Motion:
        """The target as each view saw it.

        Args:
            state: The unknowns.
            views: Which of them.

        Returns:
            Their poses and how these depend on the knots.
        """
        knot = self.knot[views]
        if self.knots is None or self.time is None:
            return trajectory.on_knots(state.target_R, state.target_t, knot)
        time = self.time[views] + state.offset[self.camera[views]]
        if len(self.unsteady):
            time = time + self.wander_of_views(state)[views]
        return trajectory.at(self.knots, state.target_R, state.target_t, knot, time)

    def wander_of_views(self, state: BundleState) -> Float64[np.ndarray, " V"]:
        """What each view's time has beyond its camera's offset, s; 0 for steady clocks.

        Args:
            state: The unknowns.

        Returns:
            (V,) s.
        """
        wander = np.zeros(len(self.camera))
        wander[self.unsteady] = state.wander
        return wander

    def residuals(self, state: BundleState) -> Float64[np.ndarray, "V N 2"]:
        """Measured minus projected, whatever the weights.

        Args:
            state: The unknowns.

        Returns:
            (V, N, 2) px.
        """
        motion = self.motion(state)
        in_world = self.points @ np.swapaxes(motion.R, -1, -2) + motion.t[:, None]
        missed = np.empty(self.xy.shape)
        for c, lens in enumerate(state.lenses):
            views = np.flatnonzero(self.camera == c)
            missed[views] = self.xy[views] - lens.project(in_world[views] @ state.R[c].T + state.t[c])
        return missed

    def cost(self, state: BundleState) -> float:
        """Half the sum of squared weighted residuals, or of their Cauchy loss, and of the priors.

        Args:
            state: The unknowns.

        Returns:
            The cost.
        """
        square = ((self.residuals(state) * self.weight[..., None]) ** 2)[self.weight > 0].sum(axis=-1)
        square = cauchy_loss(square, self.cauchy)
        prior = 0.0
        if self.knots is not None:
            _, bent, _ = trajectory.bending(self.knots, state.target_R, state.target_t)
            prior = ((bent / self._acceleration()) ** 2).sum()
        for c, known in enumerate(self.lens_prior):
            if known is not None:
                prior += ((known.scaled(state.lenses[c]) * self.free_lens[c]) ** 2).sum()
        if len(self.unsteady):
            prior += state.wander @ self.wander_precision @ state.wander
        return 0.5 * float(square.sum() + prior)

    def linearised(self, state: BundleState) -> ArrowSystem:
        """Gauss-Newton's normal equations.

        Args:
            state: The unknowns.

        Returns:
            The equations, cameras shared, target poses in the chain.
        """
        layout = self.layout()
        shared_size = 1 + max(int(places.max(initial=-1)) for places in layout) + len(self.unsteady)
        wander_place = np.full(len(self.camera), -1)
        wander_place[self.unsteady] = shared_size - len(self.unsteady) + np.arange(len(self.unsteady))
        length = len(state.target_R)
        width = 1 if self.knots is None else 4
        shared, gradient_shared = np.zeros((shared_size, shared_size)), np.zeros(shared_size)
        cross = np.zeros((length, 6, shared_size))
        band, gradient_chain = np.zeros((width, length, 6, 6)), np.zeros((length, 6))
        for c, places in enumerate(layout):
            views = np.flatnonzero(self.camera == c)
            if not len(views):
                continue
            motion = self.motion(state, views)
            H, g = self.view_equations(state, c, views, motion)
            own = len(places)
            kept = np.flatnonzero(places >= 0)
            shared[np.ix_(places[kept], places[kept])] += H[:, kept][:, :, kept].sum(axis=0)
            gradient_shared[places[kept]] += g[:, kept].sum(axis=0)
            D, support = motion.by_knot, motion.support
            by_pose = np.einsum("vnij,vis->vnjs", D, H[:, own:, kept]) if width > 1 else H[:, None, own:, kept]
            for i in range(support.shape[1]):
                np.add.at(cross, (support[:, i, None, None], np.arange(6)[:, None], places[kept]), by_pose[:, i])
                DT = np.swapaxes(D[:, i], -1, -2)
                np.add.at(gradient_chain, support[:, i], (DT @ g[:, own:, None])[..., 0])
                for j in range(i + 1):  # the support is consecutive knots: block (i, j) lies i - j off the diagonal
                    np.add.at(band[i - j], support[:, j], DT @ H[:, own:, own:] @ D[:, j])
            late, place = np.flatnonzero(wander_place[views] >= 0), wander_place[views]
            if len(late):  # a view's wander acts as its camera's offset does, on this view alone
                place, by_wander = place[late], H[late][:, own - 1]
                shared[place, place] += by_wander[:, own - 1]
                shared[np.ix_(place, places[kept])] += by_wander[:, kept]
                shared[np.ix_(places[kept], place)] += by_wander[:, kept].T
                gradient_shared[place] += g[late, own - 1]
                onto = np.einsum("vnij,vi->vnj", D[late], by_wander[:, own:])
                for i in range(support.shape[1]):
                    cross[support[late, i], :, place] += onto[:, i]
        if len(self.unsteady):
            last = slice(shared_size - len(self.unsteady), None)
            shared[last, last] += self.wander_precision
            gradient_shared[last] += self.wander_precision @ state.wander
        if self.knots is not None:
            self._add_prior(state, band, gradient_chain)
        if self.axis is not None:  # its derivatives are 0: any weight holds it, one like the others' does so well
            along = state.target_R @ self.axis
            size = np.trace(band[0, :, :3, :3], axis1=-2, axis2=-1) / 2
            band[0, :, :3, :3] += size[:, None, None] * along[:, :, None] * along[:, None]
        self._add_lens_prior(state, layout, shared, gradient_shared)
        return ArrowSystem(shared, cross, band, gradient_shared, gradient_chain)

    def moved(
        self, state: BundleState, shared: Float64[np.ndarray, " S"], chain: Float64[np.ndarray, "K 6"]
    ) -> BundleState:
        """The unknowns after a step.

        Args:
            state: Before it.
            shared: (S,) step of lenses, camera poses and offsets, as `layout` places them, then of the wander.
            chain: (K, 6) step of the target poses: rotation vector (rad) and translation (m).

        Returns:
            A new state.
        """
        padded = np.append(shared, 0.0)  # a fixed unknown has place -1: the zero at the end
        lenses, R, t, offset = list(state.lenses), state.R.copy(), state.t.copy(), state.offset.copy()
        for c, places in enumerate(self.layout()):
            step = padded[places]
            lens, n = state.lenses[c], len(places) - 7
            lenses[c] = replace(lens, focal=lens.focal + step[:4], dist=lens.dist + step[4:n])
            R[c], t[c] = rotation_from_vector(step[n : n + 3]) @ R[c], t[c] + step[n + 3 : n + 6]
            offset[c] += step[-1]
        target_R = rotation_from_vector(chain[:, :3]) @ state.target_R
        wander = state.wander + shared[len(shared) - len(self.unsteady) :]
        return BundleState(tuple(lenses), R, t, offset, target_R, state.target_t + chain[:, 3:], wander)

    def _acceleration(self) -> Float64[np.ndarray, " 6"]:
        return np.repeat(self.acceleration, 3)

    def view_equations(
        self, state: BundleState, c: int, views: Int64[np.ndarray, " v"], motion: Motion
    ) -> tuple[Float64[np.ndarray, "v n n"], Float64[np.ndarray, "v n"]]:
        """Every view's own normal equations, over its camera's unknowns (as in `layout`) and its target pose.

        Args:
            state: Where.
            c: The camera.
            views: (v,) of it, one at least.
            motion: The target as they saw it.

        Returns:
            (v, n, n) and (v, n), n being the camera's unknowns, free or not, and 6 of the target.
        """
        lens, n = state.lenses[c], 4 + len(state.lenses[c].dist)
        arm = self.points @ np.swapaxes(motion.R, -1, -2)  # from the target's origin to the point, in the world
        from_world = (arm + motion.t[:, None]) @ state.R[c].T
        x = from_world + state.t[c]
        depth = np.maximum(x[..., 2], _NEAREST_M)
        ideal = x[..., :2] / depth[..., None]
        distorted, by_ideal, by_dist = distort_with_jacobian(ideal, lens.dist, lens.model)
        missed = self.xy[views] - (distorted * lens.focal[:2] + lens.focal[2:])

        J = np.zeros((*x.shape[:2], 2, n + 13))  # of the projection: lens, turn, shift, offset | target turn, shift
        J[..., 0, 0], J[..., 1, 1], J[..., 0, 2], J[..., 1, 3] = distorted[..., 0], distorted[..., 1], 1, 1
        J[..., 4:n] = by_dist * lens.focal[:2, None]
        by_ideal = by_ideal * (lens.focal[:2, None] / depth[..., None, None])
        by_x = J[..., n + 3 : n + 6]
        by_x[..., :2] = by_ideal
        by_x[..., 2] = -(by_ideal @ ideal[..., None])[..., 0]
        by_world = by_x @ state.R[c]
        _cross_into(J[..., n : n + 3], from_world[..., None, :], by_x)
        _cross_into(J[..., n + 7 : n + 10], arm[..., None, :], by_world)
        J[..., n + 10 :] = by_world
        J[..., n + 6] = (J[..., n + 7 :] @ motion.velocity[:, None, :, None])[..., 0]

        weight = self._robust_weight(missed, self.weight[views])
        rows = 2 * J.shape[1]
        J = (J * weight[..., None, None]).reshape(len(views), rows, n + 13)
        JT = np.swapaxes(J, -1, -2)
        return JT @ J, -(JT @ (missed * weight[..., None]).reshape(len(views), rows, 1))[..., 0]

    def _robust_weight(
        self, missed: Float64[np.ndarray, "v N 2"], weight: Float64[np.ndarray, "v N"]
    ) -> Float64[np.ndarray, "v N"]:
        if not np.isfinite(self.cauchy):
            return weight
        square = (missed**2).sum(axis=-1) * weight**2
        return weight * cauchy_weight(square, self.cauchy)

    def _add_lens_prior(
        self,
        state: BundleState,
        layout: list[Int64[np.ndarray, " _"]],
        shared: Float64[np.ndarray, "S S"],
        gradient: Float64[np.ndarray, " S"],
    ) -> None:
        for c, known in enumerate(self.lens_prior):
            if known is not None:
                free = np.flatnonzero(self.free_lens[c])
                places = layout[c][free]
                shared[places, places] += known.weight[free] ** 2
                gradient[places] += (known.scaled(state.lenses[c]) * known.weight)[free]

    def _add_prior(
        self, state: BundleState, band: Float64[np.ndarray, "4 K 6 6"], gradient: Float64[np.ndarray, "K 6"]
    ) -> None:
        assert self.knots is not None
        support, bent, by_knot = trajectory.bending(self.knots, state.target_R, state.target_t)
        scaled = by_knot / self._acceleration()[:, None]
        residual = bent / self._acceleration()
        for i in range(3):
            transposed = np.swapaxes(scaled[:, i], -1, -2)
            np.add.at(gradient, support[:, i], (transposed @ residual[..., None])[..., 0])
            for j in range(i + 1):
                np.add.at(band[i - j], support[:, j], transposed @ scaled[:, j])


def _cross_into(
    out: Float64[np.ndarray, "v N 2 3"], a: Float64[np.ndarray, "v N 1 3"], b: Float64[np.ndarray, "v N 2 3"]
) -> None:
    """a x b; numpy.cross spends most of its time on generality."""
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
