"""Live advice: which cameras' stamps are late or early beyond doubt, and what to do about it.

Whether it is also done is the studio's choice (`[fusion] correct_latency`).
"""

from __future__ import annotations

import logging

from multiview.data import NS_PER_S
from multiview.fusion.pipeline import Pipeline
from multiview.selfcalib.time_offset import WORTH_S, Latency, LatencyWatch
from multiview.timing.sync_buffer import SyncBuffer

__all__ = ["LateCameras"]

FURTHEST_S = 0.25  # what is further off is a mistake to be looked at, not a latency to be corrected
CHANGED_S = 0.002


class LateCameras:
    """Looks at every tick; `latest` is what is known of every camera, `late` are those late beyond doubt, `corrected_s`
    what was added to their stamps here."""

    def __init__(self, pipeline: Pipeline, sync: SyncBuffer, correct: bool) -> None:
        self.late: dict[int, Latency] = {}
        self.latest: list[Latency] = []
        self.corrected_s = [0.0] * len(pipeline.rig)
        self._names, self._sync, self._correct = pipeline.rig.names, sync, correct
        self._watch = LatencyWatch(pipeline, sync.rate_hz)
        self._second = 0

    def warm_up(self) -> None:
        """As the pipeline's."""
        self._watch.warm_up()

    def look(self, time_ns: int) -> None:
        """After every step of the pipeline, once its poses have been sent."""
        self._watch.look(time_ns)
        second = time_ns // NS_PER_S
        if second != self._second:
            self._second = second
            self.latest = self._watch.latencies() or []
            self._judge(self.latest)

    def advice(self) -> dict[str, str]:
        """What to tell the user, by camera."""
        words = {self._names[c]: self._advice(c, latency) for c, latency in self.late.items()}
        for name, corrected in zip(self._names, self.corrected_s, strict=True):
            if corrected and name not in words:
                words[name] = f"stamps corrected by {1e3 * corrected:+.0f} ms: write it into the rig (multiview sync)"
        return words

    def _judge(self, latencies: list[Latency]) -> None:
        """What was found stays until it is found otherwise: a camera that is left out tells nothing new."""
        for c, latency in enumerate(latencies):
            before = self.late.get(c)
            if latency.confirmed and abs(latency.offset_s) < FURTHEST_S:
                self.late[c] = latency
                if before is None or abs(before.offset_s - latency.offset_s) > CHANGED_S:
                    logging.warning("%s %s", self._names[c], self._advice(c, latency))
            elif latency.known and abs(latency.offset_s) < WORTH_S:
                self.late.pop(c, None)
        if self._correct and self.late:
            self._apply()

    def _apply(self) -> None:
        for c, latency in self.late.items():
            self._sync.shift(c, round(latency.offset_s * NS_PER_S))
            self.corrected_s[c] += latency.offset_s
        self.late.clear()
        self._watch.restart()

    def _advice(self, camera: int, latency: Latency) -> str:
        late = "late" if latency.offset_s < 0 else "early"
        found = f"seems {1e3 * abs(latency.offset_s):.0f} ± {2e3 * latency.sigma_s:.0f} ms {late}"
        if self._correct:
            return f"{found}: its stamps are corrected from now on"
        known = self._sync.offset_s(camera)
        return f"{found}: set time_offset_s = {known + latency.offset_s:.3f} in the rig, or correct_latency = true"
