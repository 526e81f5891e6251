"""The fusion process: reads the hub's stream and sends the poses of every tick."""

from __future__ import annotations

import argparse
import gc
import logging
import math
import secrets
import time
from collections import deque
from pathlib import Path

import numpy as np

from multiview.studio.config import Studio
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import LEFT_OUT, ServiceHealth, encode
from services.nodes.live_reasons import LiveReasons
from services.nodes.ready_signal import ReadySignal
from services.nodes.regions import RegionSender, regions_wanted
from services.runtime.process import Stopping, begin_service, use_realtime_scheduling
from services.transport.bus import PUBLISH_QUEUE, Received, Sender, Subscriber

HEALTH_S = 1.0
LONG_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")


def run(args: argparse.Namespace) -> None:
    gc.disable()  # collected after each health message, not in the middle of a tick
    try:
        _run(load_studio(args.studio, check=False))
    finally:
        gc.enable()


def _run(studio: Studio) -> None:
    begin_service("fusion", studio.logging.json)
    stopping = Stopping()
    use_realtime_scheduling()  # inherited by the sockets' threads, so before they start
    reads = (*topics.FUSION_READS, topics.CAMERA_HEALTH)
    subscriber = Subscriber(studio.hub, reads, "fusion")  # collects clock samples while the kernels load
    fusion = StreamFusion(studio, boot_id=secrets.randbits(62))
    logging.info("loading kernels")
    began = time.monotonic()
    fusion.warm_up()
    if time.monotonic() > began + LONG_S:  # compiled, the first time on a machine: skip what has piled up
        subscriber.close()
        subscriber = Subscriber(studio.hub, reads, "fusion")
    gc.freeze()  # what is loaded stays; the collector need not visit it again
    sender = Sender(studio.hub, "fusion", PUBLISH_QUEUE)  # one late camera may complete many ticks at once
    regions = RegionSender(fusion, sender) if regions_wanted(studio) else None
    volume = any(map(math.isfinite, (*studio.volume.min, *studio.volume.max)))
    reasons = LiveReasons(fusion, volume)
    FusionService(fusion, subscriber, sender, ReadySignal(studio.hub, "fusion"), reasons, regions).serve(stopping)


class FusionService:
    """Connects a StreamFusion to its sockets and reports health."""

    def __init__(
        self,
        fusion: StreamFusion,
        subscriber: Subscriber,
        sender: Sender,
        ready: ReadySignal,
        reasons: LiveReasons,
        regions: RegionSender | None = None,
    ) -> None:
        self._fusion, self._subscriber, self._sender, self._ready_signal = fusion, subscriber, sender, ready
        self._regions, self._reasons = regions, reasons
        self._latency_ns: deque[int] = deque(maxlen=1000)  # arrival of the completing message to pose sent
        self._ticks = self._unsent = 0
        self._finished = False

    def serve(self, stopping: Stopping) -> None:
        next_health = time.monotonic()
        while not stopping:
            received, ticks = self._subscriber.receive(0.1), self._ticks
            if received is not None:
                self._ready_signal.refresh()
                self._feed(received)
            between_ticks = received is None or self._ticks > ticks  # what it costs then delays no pose
            due = next_health if between_ticks else next_health + HEALTH_S
            if self._fusion.finished != self._finished or time.monotonic() >= due:
                self._finished = self._fusion.finished
                self._send_health()
                next_health = time.monotonic() + HEALTH_S
        for received in self._subscriber.remaining():
            self._feed(received)
        self._sender.close(linger_s=0.5)

    def _feed(self, received: Received) -> None:
        self._fusion.dropped = self._subscriber.dropped
        self._reasons.note(received)
        for fused in self._fusion.feed(*received):
            self._send(fused)

    def _send(self, fused: FusedTick) -> None:
        self._unsent += not self._sender.send(topics.POSES, encode(fused.message))
        if self._regions is not None:
            self._regions.send(fused.message.time_ns)
        self._ticks += 1
        self._latency_ns.append(time.monotonic_ns() - fused.message.arrival_ns)

    def _time_offsets(self) -> dict[str, str]:
        monitor = self._fusion.time_offsets
        return {f"{name} time offset": line for name, line in monitor.advice().items()} if monitor else {}

    def _camera_values(self) -> dict[str, float]:
        """Each camera's residual against the people, its clock, and its time offset if significant."""
        fusion, values = self._fusion, dict[str, float]()
        for name, px in fusion.residuals_px().items():
            values[f"{name}.residual_px"] = px
        for name, clock in fusion.clocks().items():
            if clock.known:
                values[f"{name}.clock_offset_ms"] = clock.offset_ns / 1e6
                values[f"{name}.clock_sigma_ms"] = clock.uncertainty_ns / 1e6
                values[f"{name}.clock_drift_ppm"] = 1e6 * clock.drift
        for index, offset in (fusion.time_offsets.confirmed if fusion.time_offsets else {}).items():
            values[f"{fusion.rig.names[index]}.time_offset_ms"] = 1e3 * offset.offset_s
        return {name: float(value) for name, value in values.items()}

    def _send_health(self) -> None:
        fusion = self._fusion
        values = {f"{stage}_ms": ns / 1e6 for stage, ns in fusion.pipeline.stage_ns.items()}
        values["step_ms"] = fusion.step_ns / 1e6
        if self._latency_ns:
            p50, p99 = np.percentile(self._latency_ns, [50, 99])
            values |= {"latency_p50_ms": float(p50) / 1e6, "latency_p99_ms": float(p99) / 1e6}
        values |= self._camera_values()
        self._reasons.update(time.monotonic())
        values["hopeless"] = float(self._reasons.hopeless)
        counts = {"ticks": self._ticks, "unsent": self._unsent, "dropped": self._subscriber.dropped}
        counts |= {"received": fusion.received, "clock_unknown": fusion.clock_unknown}
        counts["rejected"] = fusion.rejected.total()
        for camera, count in zip(fusion.rig.names, fusion.sync.counts(), strict=True):
            counts |= {f"{camera}.{name}": number for name, number in count._asdict().items()}
        health = ServiceHealth(
            service="fusion",
            boot_id=fusion.boot_id,
            state="finished" if self._finished else "running",
            counts=counts,
            values={name: float(value) for name, value in values.items()},
            texts={"why": self._reasons.text, **dict.fromkeys(sorted(fusion.left_out), LEFT_OUT)}
            | fusion.calibration_faults()
            | self._time_offsets()
            | {reason[:80]: str(number) for reason, number in fusion.rejected.most_common(5)},
        )
        self._sender.send(topics.topic_of(topics.SERVICE_HEALTH, "fusion"), encode(health))
        gc.collect()
