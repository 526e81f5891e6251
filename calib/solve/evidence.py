"""How much speaks for a camera being another one for some time: moved, turned or zoomed, or not holding still.

The bundle's equations, linear about its solution, tell for every camera and every span of time how much better all
corners would fit if that camera had another pose and focal length there, with all lenses, poses and boards free to
follow (a generalised likelihood ratio). It matters not which of two states of a camera the bundle has settled on, nor
how it has spread the difference over lenses, cameras and boards. A camera that trembles has another pose in every view.

Letters in shapes: V views, C cameras, S shared unknowns, n views of one camera, w spans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.stats import chi2

from multiview.geometry.bundle import Bundle, BundleState

__all__ = ["Equations", "Evidence", "Span"]

_EXTRA, _POSE = 7, 6  # zoom, turn, shift
_FALSE_ALARM = 0.01  # probability at most, for a whole recording
_MIN_VIEWS = 5  # inside and outside a span
_BOUNDARIES = 24  # of spans that are tried first; then all near the best
_WORTH = 1.2  # by how much more a span must explain that ends before the recording, or that is of scatter
_LOOSE, _REFITS = 30.0, 10  # chi-square of a view beyond which it counts less and less
_STANDS_OUT, _LEVEL_NOISE = 5.0, 0.3  # deviations; variance of the logarithm of a chi-square of 7 directions
_OUTLYING = 5.0  # times the chi-square that nine in ten views do not exceed
_UNDETERMINED = 1e-6  # of the largest, eigenvalues of what views say of a change; 1e-10 of what they say of all


@dataclass(frozen=True, slots=True)
class Span:
    """The span of time in which most speaks for one camera.

    Attributes:
        camera: Of the calibration's.
        views: (v,) of the bundle, in the order of time.
        gain: nats by which the corners fit better, less what the best of so many spans reaches by chance.
        px: By how much a corner fits better, root mean square.
        told: (t,) views of the camera, in the span or not, at whose time another camera saw the board.
        begins: After the camera's first view, else with it.
        ends: Before its last view.
    """

    camera: int
    views: Int64[np.ndarray, " v"]
    gain: float
    px: float
    told: Int64[np.ndarray, " t"]
    begins: bool
    ends: bool


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
    def of(
        bundle: Bundle, state: BundleState, time: Float64[np.ndarray, " V"], sigma: Float64[np.ndarray, " C"]
    ) -> Equations:
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

    def without(self, excluded: frozenset[int] = frozenset(), follow: bool = True) -> Evidence:
        """The evidence of some cameras only, as if the others had not been there.

        Args:
            excluded: The others.
            follow: Lenses and poses go to where all corners fit best; else they stay where they are.

        Returns:
            What the rest says of each other.
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
        inverse = _inverse(shared)
        found = {}
        for c, own in kept.items():
            wide = np.zeros((len(own.views), _EXTRA, self.size))
            wide[:, :, own.places] = own.change_shared
            by_board = np.linalg.solve(board[own.group], np.swapaxes(own.change_board, -1, -2))
            reduced = wide - own.change_board @ by_cross[own.group]
            gradient = own.change[1] - (own.change_board @ by_g[own.group][..., None])[..., 0]
            found[c] = _Reduced(
                own.views,
                seen_by[own.group] > 1,
                own.corners,
                reduced,
                own.change[0] - own.change_board @ by_board,
                gradient - reduced @ (inverse @ shared_g) if follow else gradient,
            )
        return Evidence(found, inverse, self.sigma)


@dataclass(frozen=True, slots=True, eq=False)
class _Reduced:
    """One camera's change, view by view, with the boards eliminated: `cross` with the shared unknowns.

    `told` are the views at whose time another camera saw the board.
    """

    views: Int64[np.ndarray, " n"]
    told: Bool[np.ndarray, " n"]
    corners: Float64[np.ndarray, " n"]
    cross: Float64[np.ndarray, "n 7 S"]
    square: Float64[np.ndarray, "n 7 7"]
    gradient: Float64[np.ndarray, "n 7"]

    def view_square(self) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """By how much each view's chi-square falls with a pose of its own, and the directions that it determines."""
        gain, count = _gain(self.square[:, 1:, 1:], self.gradient[:, 1:])
        return 2 * gain, count


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What cameras say of each other.

    Attributes:
        cameras: Those that are asked, by number.
        inverse: (S, S) of the shared unknowns' equations.
        sigma: (C,) noise of corners, px.
    """

    cameras: dict[int, _Reduced]
    inverse: Float64[np.ndarray, "S S"]
    sigma: Float64[np.ndarray, " C"]

    @property
    def typical_px(self) -> float:
        """By how much a corner of the median view of all cameras would fit better with a pose of its own."""
        misfits = [np.zeros(1)]
        for c, own in self.cameras.items():
            square, count = own.view_square()
            told = own.told
            excess = np.maximum(square - count, 0)[told] / np.maximum(own.corners[told], 1)
            misfits.append(self.sigma[c] * np.sqrt(excess))
        return float(np.median(np.concatenate(misfits)))

    def spans(self) -> list[Span]:
        """The best span of every camera, the likeliest first."""
        found = [span for c in self.cameras if (span := self._best_span(c)) is not None]
        return sorted(found, key=lambda span: -span.gain)

    def settled(self, c: int) -> Float64[np.ndarray, " 7"]:
        """The change of a camera that suits most of its views, or those that agree best.

        Args:
            c: The camera.

        Returns:
            Zoom, turn (rad) and shift (m).
        """
        own = self.cameras[c]
        return _settled(own.square[own.told], own.gradient[own.told])

    def displaced_span(self, c: int) -> Span | None:
        """The span in which a camera is not where it is, as far as it is elsewhere.

        Args:
            c: The camera.

        Returns:
            None, where no span stands out.
        """
        own = self.cameras[c]
        told = np.flatnonzero(own.told)
        n = len(told)
        if n < 2 * _MIN_VIEWS:
            return None
        gain, count = _gain(own.square[told], own.gradient[told])
        level = np.log1p(2 * gain / np.maximum(count, 1))  # a few views, seen wrongly, weigh little
        levels = _Levels(level)
        best, between = _best(levels, n)
        scatter = float(((level - level.mean()) ** 2).sum()) - between
        if between < _STANDS_OUT**2 * max(scatter / n, _LEVEL_NOISE):
            return None
        return self._span(c, told, best, float(gain[best[0] : best[1]].sum()))

    def _best_span(self, c: int) -> Span | None:
        own = self.cameras[c]
        square, count = own.view_square()
        told = np.flatnonzero(own.told)
        if len(told) < 2 * _MIN_VIEWS:
            return None
        best, gain = _best(_Scatter(square[told], count[told]), len(told))
        as_one, as_one_gain = _best(_Steps(own, self.inverse, told), len(told))
        return (
            self._span(c, told, best, gain) if gain > _WORTH * as_one_gain else self._span(c, told, as_one, as_one_gain)
        )

    def _span(self, c: int, told: Int64[np.ndarray, " n"], best: tuple[int, int], gain: float) -> Span:
        own, n, (start, end) = self.cameras[c], len(told), best
        chance = float(chi2.isf(_FALSE_ALARM / (n**2 * len(self.cameras)), _EXTRA)) / 2
        px = self.sigma[c] * float(np.sqrt(2 * max(gain, 0.0) / max(own.corners[told[start:end]].sum(), 1.0)))
        inside = own.views[told[start] : told[end - 1] + 1]
        return Span(c, inside, gain - chance, px, own.views[told], start > 0, end < n)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Gains of spans in which the camera has one other pose and focal length."""

    own: _Reduced
    inverse: Float64[np.ndarray, "S S"]
    told: Int64[np.ndarray, " n"]

    whole = False

    def __call__(self, start: Int64[np.ndarray, " w"], end: Int64[np.ndarray, " w"]) -> Float64[np.ndarray, " w"]:
        cross, square, gradient = (
            _within(values[self.told], start, end) for values in (self.own.cross, self.own.square, self.own.gradient)
        )
        square = square - cross @ self.inverse @ np.swapaxes(cross, -1, -2)
        return _gain(square, gradient)[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Scatter:
    """Gains of spans in which the camera has another pose in every view, as a random effect."""

    square: Float64[np.ndarray, " n"]
    count: Float64[np.ndarray, " n"]

    whole = True

    def __call__(self, start: Int64[np.ndarray, " w"], end: Int64[np.ndarray, " w"]) -> Float64[np.ndarray, " w"]:
        count = _within(self.count, start, end)
        each = self.square / self.count
        # A few views, seen wrongly, do not stand for all.
        capped = self.count * np.minimum(each, _OUTLYING * max(1.0, float(np.quantile(each, 0.9))))
        ratio = np.maximum(_within(capped, start, end) / count, 1.0)
        return count / 2 * (ratio - 1 - np.log(ratio))


@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """Between-group sums of squares of spans that lie higher than the rest."""

    level: Float64[np.ndarray, " n"]

    whole = False

    def __call__(self, start: Int64[np.ndarray, " w"], end: Int64[np.ndarray, " w"]) -> Float64[np.ndarray, " w"]:
        n, inside = len(self.level), _within(self.level, start, end)
        count = (end - start).astype(np.float64)
        higher = inside / count - (self.level.sum() - inside) / (n - count)
        return count * (n - count) / n * np.maximum(higher, 0) ** 2


def _best(gains: _Steps | _Scatter | _Levels, n: int) -> tuple[tuple[int, int], float]:
    """The best span [start, end), and its gain; one that reaches an end of the recording unless another is worth it."""
    marks = np.unique(np.linspace(0, n, _BOUNDARIES + 1).astype(np.int64))

    def among(
        start: Int64[np.ndarray, " a"], end: Int64[np.ndarray, " b"], touching: bool
    ) -> tuple[tuple[int, int], float]:
        i, j = (values.ravel() for values in np.meshgrid(start, end, indexing="ij"))
        fits = (j - i >= _MIN_VIEWS) & ((n - (j - i) >= _MIN_VIEWS) | (gains.whole & (j - i == n)))
        fits &= ((i == 0) | (j == n)) == touching
        if not fits.any():
            return (0, n), 0.0
        found = gains(i[fits], j[fits])
        k = int(found.argmax())
        return (int(i[fits][k]), int(j[fits][k])), float(found[k])

    def refined(touching: bool) -> tuple[tuple[int, int], float]:
        (start, end), gain = among(marks, marks, touching)
        near = max(1, -(-n // _BOUNDARIES))
        starts = np.array([0]) if start == 0 else np.arange(max(start - near, 1), min(start + near, n - 1) + 1)
        ends = np.array([n]) if end == n else np.arange(max(end - near, 1), min(end + near, n - 1) + 1)
        found = among(starts, ends, touching)
        return found if found[1] > gain else ((start, end), gain)

    one_sided, inside = refined(True), refined(False)
    return inside if inside[1] > _WORTH * one_sided[1] else one_sided


def _settled(square: Float64[np.ndarray, "n 7 7"], gradient: Float64[np.ndarray, "n 7"]) -> Float64[np.ndarray, " 7"]:
    """Robust regression from several starts, each the change that suits some consecutive views."""

    def chi_square(change: Float64[np.ndarray, " 7"]) -> Float64[np.ndarray, " n"]:
        return 2 * _gain(square, gradient + square @ change)[0]

    def fitted(weight: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " 7"]:
        return np.asarray(-_inverse(np.tensordot(weight, square, 1)) @ (weight @ gradient))

    n = len(square)
    width = max(_MIN_VIEWS, n // 8)
    starts = [
        (np.abs(np.arange(n) - middle) <= width / 2).astype(np.float64) for middle in range(0, n, max(width // 2, 1))
    ]
    best = min((fitted(weight) for weight in starts), key=lambda change: np.log1p(chi_square(change) / _LOOSE).sum())
    for _ in range(_REFITS):
        best = fitted(1 / (1 + chi_square(best) / _LOOSE))
    return best


def _within(
    values: Float64[np.ndarray, n * batch], start: Int64[np.ndarray, " w"], end: Int64[np.ndarray, " w"]
) -> Float64[np.ndarray, w * batch]:
    """Sums over spans."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    return np.asarray(total[end] - total[start])


def _gain(
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


def _inverse(square: Float64[np.ndarray, "S S"]) -> Float64[np.ndarray, "S S"]:
    """Of a symmetric matrix; what nothing determines stays where it is."""
    size = np.sqrt(np.maximum(np.diag(square), 1e-300))
    values, vectors = np.linalg.eigh(square / np.outer(size, size))
    determined = values > 1e-10
    vectors = vectors[:, determined] / size[:, None]
    return np.asarray((vectors / values[determined]) @ vectors.T)


def _groups(time: Float64[np.ndarray, " V"], camera: Int64[np.ndarray, " V"]) -> Int64[np.ndarray, " V"]:
    """Views that are less than about half a frame apart."""
    gaps = np.concatenate([np.diff(np.sort(time[camera == c])) for c in np.unique(camera)])
    gaps = gaps[gaps > 0]
    step = float(np.quantile(gaps, 0.1)) if len(gaps) else 1.0
    return np.asarray(np.unique(np.round(time / step).astype(np.int64), return_inverse=True)[1])
