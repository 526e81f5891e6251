"""Serve a running studio's metrics to Prometheus at http://HOST:PORT/metrics, from the hub's stream alone.

A separate process, so that metrics requests do not delay fusion.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.ranges import Port, ranged
from multiview.errors import ConfigError
from multiview.fusion.pipeline import STAGES
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from services.nodes.ready_signal import ReadySignal
from services.runtime.process import Stopping, begin_service
from services.supervise.watcher import CameraState, Watcher, rate_of
from services.transport.bus import Subscriber

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.metrics_core import Metric

__all__ = ["MetricsCollector", "MetricsServer"]

CAMERA_GAUGES: tuple[tuple[str, str, Callable[[CameraState], float]], ...] = (
    ("alive", "1 if a message came within the last second", lambda s: float(s.alive)),
    ("rate_ok", "1 if it sends at 90 % of its frame rate or more", lambda s: float(s.rate_ok and s.alive)),
    ("valid", "1 if fusion uses its keypoints", lambda s: float(s.valid and s.alive)),
    ("rate_hertz", "frames per second", lambda s: s.rate_hz if s.alive else 0.0),
    ("people", "people in its last frame", lambda s: float(s.people)),
    ("detect_seconds", "2D detection, per frame", lambda s: s.detect_ms / 1e3),
)
# name of the gauge, its meaning, its name in fusion's health, and its scale
FUSION_GAUGES = (
    ("clock_offset_seconds", "hub's clock minus the camera's", "clock_offset_ms", 1e-3),
    ("clock_uncertainty_seconds", "uncertainty of the clock offset", "clock_sigma_ms", 1e-3),
    ("clock_drift_ppm", "drift of the hub's clock against the camera's", "clock_drift_ppm", 1.0),
    ("residual_pixels", "median distance of its keypoints from the fused people", "residual_px", 1.0),
    (
        "time_offset_seconds",
        "time offset if significant, as in the rig (negative: late)",
        "time_offset_ms",
        1e-3,
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file; [metrics] says where to listen")
    parser.add_argument("--port", type=ranged(Port), help="port to listen on, instead of the studio file's")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("metrics", studio.logging.json)
    stopping, watcher = Stopping(), Watcher(studio_rig(studio).names)
    subscriber, ready = Subscriber(studio.hub, topics.RECORDED, "metrics"), ReadySignal(studio.hub, "metrics")
    port = studio.metrics.port if args.port is None else args.port
    with MetricsServer(MetricsCollector(watcher), studio.metrics.host, port) as served:
        logging.info("http://%s:%d/metrics", studio.metrics.host, served.port)
        while not stopping:
            received = subscriber.receive(0.1)
            if received is not None:
                watcher.take(received)
                ready.refresh()
    subscriber.close()


class MetricsCollector:
    """Prometheus collector of the current metrics."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        yield from self._cameras()
        yield from self._stream()

    def _cameras(self) -> Iterator[Metric]:
        states = {name: self._watcher.state(name) for name in sorted(self._watcher.cameras)}
        for key, meaning, value in CAMERA_GAUGES:
            gauge = _gauge(f"camera_{key}", meaning, "camera")
            for name, state in states.items():
                gauge.add_metric([name], value(state))
            yield gauge
        for key, meaning in (("frames", "sent"), ("dropped", "dropped by its worker")):
            yield _counter(
                f"camera_{key}", f"frames {meaning}", {n: getattr(s, key) for n, s in states.items()}, "camera"
            )
        for key, meaning, value_name, scale in FUSION_GAUGES:
            gauge = _gauge(f"camera_{key}", meaning, "camera")
            for name in states:
                if (figure := self._watcher.value("fusion", f"{name}.{value_name}")) is not None:
                    gauge.add_metric([name], figure * scale)
            yield gauge

    def _stream(self) -> Iterator[Metric]:
        watcher = self._watcher
        stages = _gauge("stage_seconds", "fusion's stages, last tick", "stage")
        for stage in (*STAGES, "step"):
            if (ms := watcher.value("fusion", f"{stage}_ms")) is not None:
                stages.add_metric([stage], ms / 1e3)
        yield stages
        latency = _gauge(
            "pose_latency_seconds", "from the arrival of the tick's last message to the pose at the hub", "quantile"
        )
        for quantile in (0.5, 0.99):
            if watcher.fusion_latencies:
                ordered = sorted(watcher.fusion_latencies)
                latency.add_metric([str(quantile)], ordered[int(len(ordered) * quantile)] / 1e9)
        yield latency
        tick = _gauge("tick_age_seconds", "from the tick to the arrival of the message that completed it", "quantile")
        if watcher.tick_latencies:
            tick.add_metric(["0.5"], sorted(watcher.tick_latencies)[len(watcher.tick_latencies) // 2] / 1e9)
        yield tick
        rate = _gauge("poses_hertz", "ticks with poses per second")
        rate.add_metric([], rate_of(watcher.ticks))
        people = _gauge("people", "people in the room")
        people.add_metric([], float(len(watcher.pose.people)) if watcher.pose else 0.0)
        disk = _gauge("recorder_disk_minutes", "until the disk of the take is full, where it fills")
        if (minutes := watcher.value("recorder", "disk_minutes")) is not None:
            disk.add_metric([], minutes)
        yield from (rate, people, disk)
        for service, (health, _) in sorted(watcher.services.items()):
            counts = {key: n for key, n in health.counts.items() if "." not in key}
            yield _counter(f"{service.replace('-', '_')}_count", f"counters of {service}", counts, "what")


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"multiview_{name}", meaning, labels=labels)


def _counter(name: str, meaning: str, values: dict[str, int], label: str) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    counter = CounterMetricFamily(f"multiview_{name}", meaning, labels=[label])
    for key, value in values.items():
        counter.add_metric([key], float(value))
    return counter


class MetricsServer:
    """Serves the metrics over HTTP, in a separate thread, until closed; ConfigError if the port is in use."""

    def __init__(self, collector: MetricsCollector, host: str, port: int) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(collector)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} ({error}): set another [metrics] port, or use --port"
            ) from None
        self.port = self._server.server_port

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
