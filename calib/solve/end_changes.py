"""Cameras that changed so near an end of the recording that fewer pictures tell of it than a span needs (`evidence`).

All last pictures of such a camera, or all first ones, disagree with where the other cameras see the board. So does a
picture that is wrong by itself, wherever it lies: how often there are such pictures tell those in between, and an end
that they explain as well is no change of the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from calib.solve.change_equations import Equations
from calib.solve.disagreeing_views import ToldViews, told_views
from calib.solve.disagreement import Disagreement
from calib.solve.evidence import MIN_VIEWS, Evidence, Span
from calib.solve.suspects import stands_out
from multiview.geometry.bundle import Bundle, BundleState

__all__ = ["EndChange", "changes_at_ends"]

_BY_CHANCE = 0.05  # ends that wrong pictures explain, at most


@dataclass(frozen=True, slots=True, eq=False)
class EndChange:
    """A camera whose first or last pictures disagree.

    Attributes:
        span: These pictures.
        displaced: (t,) mask of them, among those that tell of the camera.
        moments: How many they are, those of one moment being one.
        alternative: Another camera that explains them as well; None: there is none.
    """

    span: Span
    displaced: Bool[np.ndarray, " t"]
    moments: int
    alternative: int | None


def changes_at_ends(
    bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int]
) -> list[EndChange]:
    """The cameras that changed near an end, the one that explains most first.

    Args:
        bundle: With the weights of all good corners.
        state: Of the cameras that are not excluded.
        found: What the views say, each by itself.
        excluded: Cameras that are not asked.

    Returns:
        One change of each camera at most.
    """
    equations, changes = Equations.of(bundle, state, found.time, found.sigma), list[EndChange]()
    while (change := _likeliest(equations, bundle, found, excluded)) is not None:
        changes.append(change)
        excluded |= {change.span.camera}
    return changes


def _likeliest(equations: Equations, bundle: Bundle, found: Disagreement, excluded: frozenset[int]) -> EndChange | None:
    """The end without whose camera least disagrees, if the others' pictures are not wrong as often."""
    views = told_views(equations, bundle, found, excluded)
    ends = [(c, end) for c, own in views.items() for end in _ends(own)]
    rest = {c: told_views(equations, bundle, found, excluded | {c}) for c in {c for c, _ in ends}}
    left = {c: sum(int(others.disagree.sum()) for others in rest[c].values()) for c in rest}
    evidence = Evidence(equations.without(excluded))
    for c, (start, end) in sorted(ends, key=lambda one: (left[one[0]], one[1][0] - one[1][1])):
        span, moments = evidence.span(c, start, end), views[c].moments(start, end)
        if span.gain <= 0 or not stands_out(bundle, span, evidence.typical_px):
            continue
        if 2 * len(views) * _share_wrong([views[c], *rest[c].values()]) ** moments > _BY_CHANCE:
            continue
        displaced = np.zeros(len(views[c].time), dtype=bool)
        displaced[start:end] = True
        equal = [other for other in left if other != c and left[other] == left[c]]
        return EndChange(span, displaced, moments, equal[0] if equal else None)
    return None


def _ends(own: ToldViews) -> list[tuple[int, int]]:
    """Runs of views that disagree at the beginning or the end, beside enough others that do not."""
    n = len(own.views)
    return [(start, end) for start, end in own.runs() if (start == 0 or end == n) and end - start <= n - MIN_VIEWS]


def _share_wrong(views: list[ToldViews]) -> float:
    """Of all moments, those between the ends at which a camera disagrees."""
    wrong = sum(start > 0 and end < len(own.views) for own in views for start, end in own.runs())
    return wrong / max(sum(own.moments() for own in views), 1)
