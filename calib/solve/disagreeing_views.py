"""Which single views disagree with where the other cameras see the board, all cameras staying where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.stats import chi2

from calib.solve.change_equations import Equations
from calib.solve.disagreement import Disagreement
from calib.solve.evidence import MIN_VIEWS, Evidence
from calib.solve.suspects import noticeable_px
from multiview.geometry.bundle import Bundle, BundleState

__all__ = ["ToldViews", "told_views", "without_isolated_views"]

_MOMENT_S = 0.2  # pictures that are nearer in time are wrong for one reason
_RARE = 0.1  # of the views that tell; of a camera that trembles or breathes more disagree now and then
_FALSE_ALARM = 0.01  # probability at most, for a whole recording


@dataclass(frozen=True, slots=True, eq=False)
class ToldViews:
    """One camera's views at whose time another camera saw the board, in the order of time.

    Attributes:
        views: (t,) of the bundle.
        group: (t,) of simultaneous views of all cameras.
        time: (t,) s, common to all cameras.
        disagree: (t,) mask of those that do.
    """

    views: Int64[np.ndarray, " t"]
    group: Int64[np.ndarray, " t"]
    time: Float64[np.ndarray, " t"]
    disagree: Bool[np.ndarray, " t"]

    def runs(self) -> list[tuple[int, int]]:
        """First and past-the-last of the views that disagree one after the other."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.disagree, [False]]).astype(np.int8)))
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

    def moments(self, start: int = 0, end: int | None = None) -> int:
        """How many moments some of the views show."""
        time = self.time[start:end]
        return min(len(time), 1 + int(np.minimum(np.diff(time) / _MOMENT_S, 1).sum()))


def told_views(
    equations: Equations, bundle: Bundle, found: Disagreement, excluded: frozenset[int]
) -> dict[int, ToldViews]:
    """What the views of each camera that is not excluded say beside the others.

    Args:
        equations: About where the cameras are.
        bundle: Of them.
        found: What the views say, each by itself.
        excluded: Cameras that are not asked.

    Returns:
        The views that tell, by camera.
    """
    evidence = Evidence(equations.without(excluded, follow=False))
    cameras = evidence.changes.cameras
    least_px = noticeable_px(bundle, evidence.typical_px, views=1)
    total = max(sum(int(own.told.sum()) for own in cameras.values()), 1)
    views = {}
    for c, own in cameras.items():
        told = own.told
        square, count = own.view_square()
        disagree = own.view_px(float(found.sigma[c])) > least_px
        disagree &= square > chi2.isf(_FALSE_ALARM / total, np.maximum(count, 1))
        if told.any():
            views[c] = ToldViews(own.views[told], own.group[told], found.time[own.views[told]], disagree[told])
    return views


def without_isolated_views(bundle: Bundle, state: BundleState, found: Disagreement) -> Bundle:
    """The bundle without views that disagree while those just before or after them do not, where such views are rare.

    A picture that is wrong by itself (blur, a corner taken for another one) tells of no lasting change, and, linear as
    the equations are, much of it would be seen in others. A moment at which any camera disagrees for longer is kept.

    Args:
        bundle: With the weights of all good corners.
        state: Of it.
        found: What the views say, each by itself.

    Returns:
        The bundle with no weight on these views; the same where there are none, or too many to be wrong pictures.
    """
    told = told_views(Equations.of(bundle, state, found.time, found.sigma), bundle, found, frozenset())
    isolated, lasting = list[int](), set[int]()
    group = dict[int, int]()
    for own in told.values():
        group |= dict(zip(own.views.tolist(), own.group.tolist(), strict=True))
        for start, end in own.runs():
            if end - start < MIN_VIEWS:
                isolated += own.views[start:end].tolist()
            else:
                lasting |= set(own.group[start:end].tolist())
    isolated = [view for view in isolated if group[view] not in lasting]
    if not isolated or len(isolated) > _RARE * len(group):
        return bundle
    weight = bundle.weight.copy()
    weight[isolated] = 0.0
    return replace(bundle, weight=weight)
