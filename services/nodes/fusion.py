"""The fusion process: reads the hub's stream, and sends everyone's pose at every tick."""

from __future__ import annotations

import argparse
import gc
import logging
import secrets
import time
from collections import deque
from pathlib import Path

import numpy as np

from multiview.studio.config import load_studio
from multiview.studio.stream_fusion import Fused, Fuser
from multiview.wire import topics
from multiview.wire.messages import ServiceHealth, encode
from services.nodes.heartbeat import Presence
from services.nodes.regions import RegionSender, wanted
from services.runtime.process import Stopping, begin_service, come_first
from services.transport.bus import PUBLISH_QUEUE, Received, Sender, Subscriber

HEALTH_S = 1.0
LONG_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("fusion", studio.logging.json)
    stopping = Stopping()
    fuser = Fuser(studio, boot_id=secrets.randbits(62))
    logging.info("loading kernels")
    come_first()  # to be back soon on a machine that others keep busy; sockets' threads are begun with it
    subscriber = Subscriber(studio.hub, topics.FUSION_READS, "fusion")  # clocks and people are heard of meanwhile
    began = time.monotonic()
    fuser.warm_up()
    if time.monotonic() > began + LONG_S:  # compiled, the first time on a machine: begin with the present
        subscriber.close()
        subscriber = Subscriber(studio.hub, topics.FUSION_READS, "fusion")
    gc.collect()
    gc.freeze()  # what is loaded stays: no pause to look at it again
    gc.disable()  # cycles are looked for when the hub has been told how things are, not in the middle of a tick
    sender = Sender(studio.hub, "fusion", PUBLISH_QUEUE)  # one late camera may complete many ticks at once
    regions = RegionSender(fuser, sender) if wanted(studio) else None
    Fusion(fuser, subscriber, sender, Presence(studio.hub, "fusion"), regions).serve(stopping)


class Fusion:
    """Joins a Fuser to its sockets, and says how it is."""

    def __init__(
        self,
        fuser: Fuser,
        subscriber: Subscriber,
        sender: Sender,
        presence: Presence,
        regions: RegionSender | None = None,
    ) -> None:
        self._fuser, self._subscriber, self._sender, self._presence = fuser, subscriber, sender, presence
        self._regions = regions
        self._latency_ns: deque[int] = deque(maxlen=1000)  # arrival of the completing message to pose sent
        self._ticks = self._unsent = 0
        self._finished = False

    def serve(self, stopping: Stopping) -> None:
        next_health = time.monotonic()
        while not stopping:
            received = self._subscriber.receive(0.1)
            if received is not None:
                self._presence.connected()
                self._take(received)
            if self._fuser.finished != self._finished or time.monotonic() >= next_health:
                self._finished = self._fuser.finished
                self._send_health()
                next_health = time.monotonic() + HEALTH_S
        for received in self._subscriber.rest():
            self._take(received)
        self._sender.close(linger_s=0.5)

    def _take(self, received: Received) -> None:
        self._fuser.lost = self._subscriber.lost
        for fused in self._fuser.feed(*received):
            self._send(fused)

    def _send(self, fused: Fused) -> None:
        self._unsent += not self._sender.send(topics.POSES, encode(fused.message))
        if self._regions is not None:
            self._regions.send(fused.message.time_ns)
        self._ticks += 1
        self._latency_ns.append(time.monotonic_ns() - fused.message.arrival_ns)

    def _late(self) -> dict[str, str]:
        return {f"{name} time": words for name, words in self._fuser.late.advice().items()} if self._fuser.late else {}

    def _of_cameras(self) -> dict[str, float]:
        """Figures of each camera: how far its keypoints are from the people, its clock, and its stamps' lateness."""
        fuser, values = self._fuser, dict[str, float]()
        for name, px in fuser.residuals_px().items():
            values[f"{name}.residual_px"] = px
        for name, clock in fuser.clocks().items():
            if not clock.quarantined:
                values[f"{name}.clock_offset_ms"] = clock.offset_ns / 1e6
                values[f"{name}.clock_sigma_ms"] = clock.uncertainty_ns / 1e6
                values[f"{name}.clock_drift_ppm"] = 1e6 * clock.drift
        for index, latency in (fuser.late.late if fuser.late else {}).items():
            values[f"{fuser.rig.names[index]}.late_ms"] = -1e3 * latency.offset_s
        return {name: float(value) for name, value in values.items()}

    def _send_health(self) -> None:
        fuser = self._fuser
        values = {f"{stage}_ms": ns / 1e6 for stage, ns in fuser.pipeline.stage_ns.items()}
        values["step_ms"] = fuser.step_ns / 1e6
        if self._latency_ns:
            p50, p99 = np.percentile(self._latency_ns, [50, 99])
            values |= {"latency_p50_ms": float(p50) / 1e6, "latency_p99_ms": float(p99) / 1e6}
        values |= self._of_cameras()
        counts = {"ticks": self._ticks, "unsent": self._unsent, "lost": self._subscriber.lost}
        counts |= {"heard": fuser.heard, "early": fuser.early, "refused": fuser.refused.total()}
        for camera, count in zip(fuser.rig.names, fuser.sync.counts(), strict=True):
            counts |= {f"{camera}.{name}": number for name, number in count._asdict().items()}
        health = ServiceHealth(
            service="fusion",
            boot_id=fuser.boot_id,
            state="finished" if self._finished else "running",
            counts=counts,
            values={name: float(value) for name, value in values.items()},
            texts=fuser.camera_trouble()
            | self._late()
            | {reason[:80]: str(number) for reason, number in fuser.refused.most_common(5)},
        )
        self._sender.send(topics.topic_of(topics.SERVICE, "fusion"), encode(health))
        gc.collect()
