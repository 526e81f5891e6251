"""What the views that fusion was given look like: the evidence from which `reasons` says why nobody came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float64

from multiview.data import Keypoints2D, Tracks, Views

__all__ = ["CameraSurvey", "ViewSurvey"]

EXTENT_EVERY = 5  # ticks between two looks at coordinates, of which all are alike
SAMPLE = 40  # views that are kept, at least, of a recording that has twice as many


class CameraSurvey:
    """One camera's share of the views.

    Attributes:
        views: Ticks for which it gave something.
        shared: Of these, those for which another camera did, too.
        with_people: Ticks in which it saw somebody.
        low: Least x and y of any joint, px; infinite while there is none.
        high: Greatest x and y.
        inside: Joints looked at within the calibrated picture.
        outside: Joints looked at beyond it.
    """

    def __init__(self) -> None:
        self.views = self.shared = self.with_people = 0
        self.low: Float64[np.ndarray, " 2"] = np.full(2, np.inf)
        self.high: Float64[np.ndarray, " 2"] = np.full(2, -np.inf)
        self.outside = self.inside = 0

    def look(self, keypoints: Keypoints2D, size: tuple[int, int]) -> None:
        """Note where people are in a picture of this size (px): within it, or beyond it."""
        xy = keypoints.xy[keypoints.score > 0]
        if not len(xy):
            return
        self.low, self.high = np.minimum(self.low, xy.min(axis=0)), np.maximum(self.high, xy.max(axis=0))
        within = ((xy >= 0.0) & (xy <= np.asarray(size, float))).all(axis=1)
        self.inside += int(within.sum())
        self.outside += int((~within).sum())


class _Sample:
    """Views spread evenly over a recording of unknown length: every second one is dropped whenever they are many."""

    def __init__(self) -> None:
        self.views: list[Views] = []
        self._step, self._offered = 1, 0

    def offer(self, views: Views) -> None:
        if self._offered % self._step == 0:
            self.views.append(views)
            if len(self.views) == 2 * SAMPLE:
                self.views, self._step = self.views[::2], 2 * self._step
        self._offered += 1


class ViewSurvey:
    """Counts views tick by tick.

    Args:
        sizes: Of each camera's calibrated pictures, px, in the rig's order.

    Attributes:
        cameras: One survey for each.
        ticks: How many ticks there were.
        together: Ticks in which two cameras or more saw somebody.
        people: Those who came out.
    """

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self._sizes = sizes
        self.cameras = [CameraSurvey() for _ in sizes]
        self.ticks = self.together = 0
        self.people: set[int] = set()
        self._sample = _Sample()

    @property
    def sample(self) -> list[Views]:
        """Some of the views in which two cameras or more saw somebody."""
        return self._sample.views

    def add(self, views: Views) -> None:
        """Note what the cameras saw at one tick."""
        seeing, shared = 0, sum(keypoints is not None for keypoints in views.keypoints) > 1
        for camera, keypoints, size in zip(self.cameras, views.keypoints, self._sizes, strict=True):
            if keypoints is None:
                continue
            camera.views += 1
            camera.shared += shared
            if keypoints.people:
                camera.with_people += 1
                seeing += 1
                if self.ticks % EXTENT_EVERY == 0 or camera.with_people == 1:
                    camera.look(keypoints, size)
        if seeing >= 2:
            self.together += 1
            self._sample.offer(views)
        self.ticks += 1

    def watch(self, views: Iterable[Views]) -> Iterator[Views]:
        """The same views, each noted on its way."""
        for seen in views:
            self.add(seen)
            yield seen

    def add_people(self, tracks: Tracks) -> None:
        """Note who came out of one tick."""
        self.people.update(track.person for track in tracks.tracks)
