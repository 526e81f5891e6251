"""How much speaks for a camera being another one for some time: moved, turned or zoomed, or not holding still.

The bundle's equations, linear about its solution, tell for every camera and every span of time how much better all
corners would fit if that camera had another pose and focal length there, with all lenses, poses and boards free to
follow (a generalised likelihood ratio). It matters not which of two states of a camera the bundle has settled on, nor
how it has spread the difference over lenses, cameras and boards. A camera that trembles has another pose in every view.

Letters in shapes: n views of one camera, S shared unknowns, w spans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.stats import chi2

from calib.solve.change_equations import CameraChange, Changes, gain_of, inverse_of

__all__ = ["MIN_VIEWS", "Evidence", "Span"]

_DIRECTIONS = 7  # of a change: zoom, turn, shift
_FALSE_ALARM = 0.01  # probability at most, for a whole recording
MIN_VIEWS = 3  # inside and outside a span
_BOUNDARIES = 24  # of spans that are tried first; then all near the best
_WORTH = 1.2  # by how much more a span must explain that ends before the recording, or that is of scatter
_LOOSE, _REFITS = 30.0, 10  # chi-square of a view beyond which it counts less and less
_OUTLYING = 5.0  # times the chi-square that nine in ten views do not exceed


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

    @property
    def fewest(self) -> int:
        """Views that tell, in the span or outside, whichever are fewer; those of a span that is everything."""
        inside = int(np.isin(self.told, self.views).sum())
        return min(inside, len(self.told) - inside) or inside


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """How much speaks for a change of each camera, and when.

    Attributes:
        changes: The equations of the cameras that are asked.
    """

    changes: Changes

    @property
    def typical_px(self) -> float:
        """By how much a corner of the median view of all cameras would fit better with a pose of its own."""
        misfits = [np.zeros(1)]
        for c, own in self.changes.cameras.items():
            misfits.append(own.view_px(float(self.changes.sigma[c]))[own.told])
        return float(np.median(np.concatenate(misfits)))

    def spans(self) -> list[Span]:
        """The best span of every camera, the likeliest first."""
        found = [span for c in self.changes.cameras if (span := self._best_span(c)) is not None]
        return sorted(found, key=lambda span: -span.gain)

    def span(self, c: int, start: int, end: int) -> Span:
        """How much speaks for one other pose and focal length of a camera in given views.

        Args:
            c: The camera.
            start: The first, among those that tell of the camera.
            end: Past the last.

        Returns:
            The span, however little speaks for it.
        """
        own = self.changes.cameras[c]
        told = np.flatnonzero(own.told)
        gain = _Steps(own, self.changes.inverse, told)(np.array([start]), np.array([end]))
        return self._span(c, told, (start, end), float(gain[0]))

    def settled(self, c: int) -> Float64[np.ndarray, " 7"]:
        """The change of a camera that suits most of its views, or those that agree best.

        Args:
            c: The camera.

        Returns:
            Zoom, turn (rad) and shift (m).
        """
        own = self.changes.cameras[c]
        return _settled(own.square[own.told], own.gradient[own.told])

    def _best_span(self, c: int) -> Span | None:
        own = self.changes.cameras[c]
        square, count = own.view_square()
        told = np.flatnonzero(own.told)
        if len(told) < 2 * MIN_VIEWS:
            return None
        best, gain = _best(_Scatter(square[told], count[told]), len(told))
        as_one, as_one_gain = _best(_Steps(own, self.changes.inverse, told), len(told))
        return (
            self._span(c, told, best, gain) if gain > _WORTH * as_one_gain else self._span(c, told, as_one, as_one_gain)
        )

    def _span(self, c: int, told: Int64[np.ndarray, " n"], best: tuple[int, int], gain: float) -> Span:
        own, n, (start, end) = self.changes.cameras[c], len(told), best
        chance = float(chi2.isf(_FALSE_ALARM / (n**2 * len(self.changes.cameras)), _DIRECTIONS)) / 2
        px = self.changes.sigma[c] * float(np.sqrt(2 * max(gain, 0.0) / max(own.corners[told[start:end]].sum(), 1.0)))
        inside = own.views[told[start] : told[end - 1] + 1]
        return Span(c, inside, gain - chance, px, own.views[told], start > 0, end < n)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Gains of spans in which the camera has one other pose and focal length."""

    own: CameraChange
    inverse: Float64[np.ndarray, "S S"]
    told: Int64[np.ndarray, " n"]

    whole = False

    def __call__(self, start: Int64[np.ndarray, " w"], end: Int64[np.ndarray, " w"]) -> Float64[np.ndarray, " w"]:
        cross, square, gradient = (
            _within(values[self.told], start, end) for values in (self.own.cross, self.own.square, self.own.gradient)
        )
        square = square - cross @ self.inverse @ np.swapaxes(cross, -1, -2)
        return gain_of(square, gradient)[0]


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


def _best(gains: _Steps | _Scatter, n: int) -> tuple[tuple[int, int], float]:
    """The best span [start, end), and its gain; one that reaches an end of the recording unless another is worth it."""
    marks = np.unique(np.linspace(0, n, _BOUNDARIES + 1).astype(np.int64))

    def among(
        start: Int64[np.ndarray, " a"], end: Int64[np.ndarray, " b"], touching: bool
    ) -> tuple[tuple[int, int], float]:
        i, j = (values.ravel() for values in np.meshgrid(start, end, indexing="ij"))
        fits = (j - i >= MIN_VIEWS) & ((n - (j - i) >= MIN_VIEWS) | (gains.whole & (j - i == n)))
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
        return 2 * gain_of(square, gradient + square @ change)[0]

    def fitted(weight: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " 7"]:
        return np.asarray(-inverse_of(np.tensordot(weight, square, 1)) @ (weight @ gradient))

    n = len(square)
    width = max(MIN_VIEWS, n // 8)
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
