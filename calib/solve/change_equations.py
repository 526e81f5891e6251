"""The bundle's normal equations, in which every view of a camera may change that camera: zoom, turn and shift it.

They are linear about the bundle's solution and hold all good corners. Boards are eliminated exactly; what remains is,
for each camera, view by view, how much the corners would fit better with a change (`CameraChange`), all lenses, poses
and boards being free to follow through the equations of the shared unknowns.

Letters in shapes: V views, C cameras, S shared unknowns, n views of one camera, w spans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.data import Times
from multiview.geometry.bundle import Bundle, BundleState

__all__ = ["CameraChange", "Changes", "Equations", "gain_of", "inverse_of"]

_EXTRA, _POSE = 7, 6  # zoom, turn, shift
_UNDETERMINED = 1e-6  # of the largest, eigenvalues of what views say of a change; 1e-10 of what they say of all


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """One camera's normal equations, view by view in the order of time.

    Attributes:
        views: (n,) of the bundle.
        group: (n,) of simultaneous views.
        corners: (n,) that count.
        places: (p,) of the camera's free unknowns among the shared ones.
        shared: (p, p) and (p,) of these, summed over the views.
        board: (n, 6, 6) and (n, 6) of the boards.
        board_shared: (n, 6, p).
        change_shared: (n, 7, p), `change` being zoom, turn and shift of the camera.
        change_board: (n, 7, 6).
        change: (n, 7, 7) and (n, 7).
    """

    views: Int64[np.ndarray, " n"]
    group: Int64[np.ndarray, " n"]
    corners: Float64[np.ndarray, " n"]
    places: Int64[np.ndarray, " p"]
    shared: tuple[Float64[np.ndarray, "p p"], Float64[np.ndarray, " p"]]
    board: tuple[Float64[np.ndarray, "n 6 6"], Float64[np.ndarray, "n 6"]]
    board_shared: Float64[np.ndarray, "n 6 p"]
    change_shared: Float64[np.ndarray, "n 7 p"]
    change_board: Float64[np.ndarray, "n 7 6"]
    change: tuple[Float64[np.ndarray, "n 7 7"], Float64[np.ndarray, "n 7"]]


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """The bundle's normal equations with all good corners, those included that the bundle has rejected.

    Attributes:
        cameras: Each camera's blocks.
        groups: Number of groups of simultaneous views.
        size: S.
        sigma: (C,) noise of corners, px.
    """

    cameras: tuple[_Blocks, ...]
    groups: int
    size: int
    sigma: Float64[np.ndarray, " C"]

    @staticmethod
    def of(bundle: Bundle, state: BundleState, time: Times, sigma: Float64[np.ndarray, " C"]) -> Equations:
        """Linear about a state.

        Args:
            bundle: With the weights of all good corners.
            state: Where.
            time: (V,) s, common to all cameras.
            sigma: (C,) noise of the corners, px.

        Returns:
            The equations.
        """
        used = bundle.weight > 0
        group = _groups(time, bundle.camera)
        layout = bundle.layout()
        blocks = []
        for c, places in enumerate(layout):
            views = np.flatnonzero((bundle.camera == c) & used.any(axis=1))
            views = views[np.argsort(time[views], kind="stable")]
            H, g = bundle.view_equations(state, c, views, bundle.motion(state, views))
            kept, n = np.flatnonzero(places >= 0), len(places)
            change = np.zeros((n, _EXTRA))
            change[:2, 0] = state.lenses[c].focal[:2]
            change[n - _POSE - 1 : n - 1, 1:] = np.eye(_POSE)
            blocks.append(
                _Blocks(
                    views,
                    group[views],
                    used[views].sum(axis=1).astype(np.float64),
                    places[kept],
                    (H[:, kept][:, :, kept].sum(axis=0), g[:, kept].sum(axis=0)),
                    (H[:, n:, n:], g[:, n:]),
                    H[:, n:, kept],
                    change.T @ H[:, :n, kept],
                    change.T @ H[:, :n, n:],
                    (change.T @ H[:, :n, :n] @ change, g[:, :n] @ change),
                )
            )
        size = 1 + max(int(places.max(initial=-1)) for places in layout)
        return Equations(tuple(blocks), int(group.max(initial=-1)) + 1, size, sigma)

    def without(self, excluded: frozenset[int] = frozenset(), follow: bool = True) -> Changes:
        """The changes of some cameras only, as if the others had not been there.

        Args:
            excluded: The others.
            follow: Lenses and poses go to where all corners fit best; else they stay where they are.

        Returns:
            What the rest says of each other's changes.
        """
        kept = {c: blocks for c, blocks in enumerate(self.cameras) if c not in excluded and len(blocks.views)}
        board, board_g = np.zeros((self.groups, _POSE, _POSE)), np.zeros((self.groups, _POSE))
        cross = np.zeros((self.groups, _POSE, self.size))
        shared, shared_g = np.zeros((self.size, self.size)), np.zeros(self.size)
        seen_by = np.zeros(self.groups, dtype=np.int64)
        for own in kept.values():
            seen_by[np.unique(own.group)] += 1
            np.add.at(board, own.group, own.board[0])
            np.add.at(board_g, own.group, own.board[1])
            wide = np.zeros((len(own.views), _POSE, self.size))
            wide[:, :, own.places] = own.board_shared
            np.add.at(cross, own.group, wide)
            shared[np.ix_(own.places, own.places)] += own.shared[0]
            shared_g[own.places] += own.shared[1]
        size = np.trace(board, axis1=1, axis2=2)[:, None, None] / _POSE
        board += (1e-9 * size + 1e-12) * np.eye(_POSE)
        by_cross, by_g = np.linalg.solve(board, cross), np.linalg.solve(board, board_g[..., None])[..., 0]
        shared -= np.tensordot(cross, by_cross, axes=((0, 1), (0, 1)))
        shared_g -= np.einsum("gps,gp->s", cross, by_g)
        inverse = inverse_of(shared)
        found = {}
        for c, own in kept.items():
            wide = np.zeros((len(own.views), _EXTRA, self.size))
            wide[:, :, own.places] = own.change_shared
            by_board = np.linalg.solve(board[own.group], np.swapaxes(own.change_board, -1, -2))
            reduced = wide - own.change_board @ by_cross[own.group]
            gradient = own.change[1] - (own.change_board @ by_g[own.group][..., None])[..., 0]
            found[c] = CameraChange(
                own.views,
                own.group,
                seen_by[own.group] > 1,
                own.corners,
                reduced,
                own.change[0] - own.change_board @ by_board,
                gradient - reduced @ (inverse @ shared_g) if follow else gradient,
            )
        return Changes(found, inverse, self.sigma)


@dataclass(frozen=True, slots=True, eq=False)
class CameraChange:
    """One camera's change, view by view, with the boards eliminated: `cross` with the shared unknowns.

    `group` numbers simultaneous views of all cameras; `told` are the views at whose time another camera saw the board.
    """

    views: Int64[np.ndarray, " n"]
    group: Int64[np.ndarray, " n"]
    told: Bool[np.ndarray, " n"]
    corners: Float64[np.ndarray, " n"]
    cross: Float64[np.ndarray, "n 7 S"]
    square: Float64[np.ndarray, "n 7 7"]
    gradient: Float64[np.ndarray, "n 7"]

    def view_square(self) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """By how much each view's chi-square falls with a pose of its own, and the directions that it determines."""
        gain, count = gain_of(self.square[:, 1:, 1:], self.gradient[:, 1:])
        return 2 * gain, count

    def view_px(self, sigma: float) -> Float64[np.ndarray, " n"]:
        """By how much a corner of each view would fit better with a pose of its own, root mean square beyond noise."""
        square, count = self.view_square()
        return np.asarray(sigma * np.sqrt(np.maximum(square - count, 0) / np.maximum(self.corners, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What cameras say of each other's changes.

    Attributes:
        cameras: Those that are asked, by number.
        inverse: (S, S) of the shared unknowns' equations.
        sigma: (C,) noise of corners, px.
    """

    cameras: dict[int, CameraChange]
    inverse: Float64[np.ndarray, "S S"]
    sigma: Float64[np.ndarray, " C"]


def gain_of(
    square: Float64[np.ndarray, "w k k"], gradient: Float64[np.ndarray, "w k"]
) -> tuple[Float64[np.ndarray, " w"], Float64[np.ndarray, " w"]]:
    """nats that the best step gains, and the number of directions that are determined."""
    size = np.sqrt(np.maximum(np.einsum("wii->wi", square), 1e-300))
    scaled = square / size[:, :, None] / size[:, None]
    values, vectors = np.linalg.eigh((scaled + np.swapaxes(scaled, -1, -2)) / 2)
    along = np.einsum("wij,wi->wj", vectors, gradient / size)
    determined = values > _UNDETERMINED * values.max(axis=1, keepdims=True)
    gain = (np.where(determined, along**2, 0) / np.where(determined, values, 1)).sum(axis=1) / 2
    return gain, determined.sum(axis=1).astype(np.float64)


def inverse_of(square: Float64[np.ndarray, "S S"]) -> Float64[np.ndarray, "S S"]:
    """Of a symmetric matrix; what nothing determines stays where it is."""
    size = np.sqrt(np.maximum(np.diag(square), 1e-300))
    values, vectors = np.linalg.eigh(square / np.outer(size, size))
    determined = values > 1e-10
    vectors = vectors[:, determined] / size[:, None]
    return np.asarray((vectors / values[determined]) @ vectors.T)


def _groups(time: Times, camera: Int64[np.ndarray, " V"]) -> Int64[np.ndarray, " V"]:
    """Views that are less than about half a frame apart."""
    gaps = np.concatenate([np.diff(np.sort(time[camera == c])) for c in np.unique(camera)])
    gaps = gaps[gaps > 0]
    step = float(np.quantile(gaps, 0.1)) if len(gaps) else 1.0
    return np.asarray(np.unique(np.round(time / step).astype(np.int64), return_inverse=True)[1])
