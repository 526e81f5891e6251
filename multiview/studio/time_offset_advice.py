"""Live advice: which cameras' stamps are late or early beyond doubt, and what to do about it.

Whether it is also done is the studio's choice (`[fusion] correct_latency`).
"""

from __future__ import annotations

import logging

from multiview.cameras.camera import Rig
from multiview.cameras.observations import TrackObservations
from multiview.data import NS_PER_S
from multiview.selfcalib.time_offset import MIN_OFFSET_S, TimeOffset, TimeOffsetEstimator
from multiview.timing.sync_buffer import SyncBuffer

__all__ = ["LateCameras"]

FURTHEST_S = 0.25  # what is further off is a mistake to be looked at, not an offset to be corrected
CHANGED_S = 0.002


class LateCameras:
    """Looks at every tick; `latest` is what is known of every camera, `late` are those late beyond doubt, `corrected_s`
    what was added to their stamps here."""

    def __init__(self, rig: Rig, sync: SyncBuffer, correct: bool) -> None:
        self.late: dict[int, TimeOffset] = {}
        self.latest: list[TimeOffset] = []
        self.corrected_s = [0.0] * len(rig)
        self._names, self._sync, self._correct = rig.names, sync, correct
        self._estimator = TimeOffsetEstimator(rig, sync.rate_hz)
        self._second = 0

    def warm_up(self) -> None:
        """As the pipeline's."""
        self._estimator.warm_up()

    def update(self, time_ns: int, observations: TrackObservations | None) -> None:
        """After every step of the pipeline, once its poses have been sent."""
        self._estimator.update(time_ns, observations)
        second = time_ns // NS_PER_S
        if second != self._second:
            self._second = second
            self.latest = self._estimator.time_offsets() or []
            self._judge(self.latest)

    def advice(self) -> dict[str, str]:
        """What to tell the user, by camera."""
        words = {self._names[c]: self._advice(c, offset) for c, offset in self.late.items()}
        for name, corrected in zip(self._names, self.corrected_s, strict=True):
            if corrected and name not in words:
                words[name] = (
                    f"stamps corrected by {1e3 * corrected:+.0f} ms: write it into the rig (multiview time-offsets)"
                )
        return words

    def _judge(self, offsets: list[TimeOffset]) -> None:
        """What was found stays until it is found otherwise: a camera that is left out tells nothing new."""
        for c, offset in enumerate(offsets):
            before = self.late.get(c)
            if offset.confirmed and abs(offset.offset_s) < FURTHEST_S:
                self.late[c] = offset
                if before is None or abs(before.offset_s - offset.offset_s) > CHANGED_S:
                    logging.warning("%s %s", self._names[c], self._advice(c, offset))
            elif offset.known and abs(offset.offset_s) < MIN_OFFSET_S:
                self.late.pop(c, None)
        if self._correct and self.late:
            self._apply()

    def _apply(self) -> None:
        for c, offset in self.late.items():
            self._sync.shift(c, round(offset.offset_s * NS_PER_S))
            self.corrected_s[c] += offset.offset_s
        self.late.clear()
        self._estimator.reset()

    def _advice(self, camera: int, offset: TimeOffset) -> str:
        late = "late" if offset.offset_s < 0 else "early"
        found = f"seems {1e3 * abs(offset.offset_s):.0f} ± {2e3 * offset.sigma_s:.0f} ms {late}"
        if self._correct:
            return f"{found}: its stamps are corrected from now on"
        known = self._sync.offset_s(camera)
        return f"{found}: set time_offset_s = {known + offset.offset_s:.3f} in the rig, or correct_latency = true"
