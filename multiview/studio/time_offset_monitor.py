"""Live monitoring of the cameras' time offsets: which are significant, and what to do about them.

Whether they are also corrected is the studio's choice (`[fusion] correct_time_offsets`).
"""

from __future__ import annotations

import logging

from multiview.cameras.camera import Rig
from multiview.cameras.observations import TrackObservations
from multiview.data import NS_PER_S
from multiview.selfcalib.time_offset import MIN_OFFSET_S, TimeOffset, TimeOffsetEstimator
from multiview.timing.sync_buffer import SyncBuffer

__all__ = ["TimeOffsetMonitor"]

MAX_OFFSET_S = 0.25  # a larger offset is an error to be examined, not to be corrected
CHANGED_S = 0.002
MIN_Z_SCORE = 5.0  # one look each second for hours: advice must be beyond doubt


class TimeOffsetMonitor:
    """Estimates the time offsets at every tick.

    `latest` are the estimates of all cameras, `confirmed` those of cameras whose offset is significant, `corrected_s`
    what has been added to their stamps here. Signs are as in the rig: the offset is added to a camera's stamps.
    """

    def __init__(self, rig: Rig, sync: SyncBuffer, correct: bool) -> None:
        self.confirmed: dict[int, TimeOffset] = {}
        self.latest: list[TimeOffset] = []
        self.corrected_s = [0.0] * len(rig)
        self._names, self._sync, self._correct = rig.names, sync, correct
        self._estimator = TimeOffsetEstimator(rig, sync.rate_hz)
        self._second = 0

    def warm_up(self) -> None:
        """As the pipeline's."""
        self._estimator.warm_up()

    def update(self, time_ns: int, observations: TrackObservations | None) -> None:
        """To be called after every step of the pipeline, once its poses have been sent."""
        self._estimator.update(time_ns, observations)
        second = time_ns // NS_PER_S
        if second != self._second:
            self._second = second
            self.latest = self._estimator.time_offsets() or []
            self._confirm(self.latest)

    def advice(self) -> dict[str, str]:
        """One line for the user about each camera with a significant or corrected offset, by camera."""
        lines = {self._names[c]: self._advice(c, offset) for c, offset in self.confirmed.items()}
        for name, corrected in zip(self._names, self.corrected_s, strict=True):
            if corrected and name not in lines:
                lines[name] = (
                    f"stamps corrected by {1e3 * corrected:+.0f} ms: write it into the rig (multiview time-offsets)"
                )
        return lines

    def _confirm(self, offsets: list[TimeOffset]) -> None:
        """An offset stays confirmed until it is known to be small: an excluded camera gives no new estimates."""
        for c, offset in enumerate(offsets):
            before = self.confirmed.get(c)
            if offset.exceeds(MIN_Z_SCORE) and abs(offset.offset_s) < MAX_OFFSET_S:
                self.confirmed[c] = offset
                if before is None or abs(before.offset_s - offset.offset_s) > CHANGED_S:
                    logging.warning("%s %s", self._names[c], self._advice(c, offset))
            elif offset.known and abs(offset.offset_s) < MIN_OFFSET_S:
                self.confirmed.pop(c, None)
        if self._correct and self.confirmed:
            self._apply()

    def _apply(self) -> None:
        for c, offset in self.confirmed.items():
            self._sync.add_offset(c, round(offset.offset_s * NS_PER_S))
            self.corrected_s[c] += offset.offset_s
        self.confirmed.clear()
        self._estimator.reset()

    def _advice(self, camera: int, offset: TimeOffset) -> str:
        late = "late" if offset.offset_s < 0 else "early"
        found = f"seems {1e3 * abs(offset.offset_s):.0f} ± {2e3 * offset.sigma_s:.0f} ms {late}"
        if self._correct:
            return f"{found}: its stamps are corrected from now on"
        known = self._sync.offset_s(camera)
        return f"{found}: set time_offset_s = {known + offset.offset_s:.3f} in the rig, or correct_time_offsets = true"
