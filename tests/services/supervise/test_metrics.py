"""The figures for Prometheus say what the stream says, in a form that Prometheus reads."""

from __future__ import annotations

import json
import logging
import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from multiview.errors import ConfigError
from multiview.wire.messages import CameraHealth, KeypointsMessage, PosesMessage, ServiceHealth, Stamp, encode
from services.runtime.process import begin_service
from services.supervise.metrics import MetricsCollector, MetricsServer
from services.supervise.watcher import Watcher
from services.transport.bus import Received

MS = 1_000_000


@pytest.fixture
def watcher() -> Watcher:
    """Two cameras, of which one never spoke, and a fusion that knows of the other's clock."""
    watcher = Watcher(["cam01", "cam02"])
    messages: list[tuple[str, object, int]] = []
    for i in range(20):
        keypoints = KeypointsMessage(
            camera="cam01", boot_id=1, frame=i, time_ns=0, skeleton="coco17", people=0, joints=17, blob=b""
        )
        messages.append(("keypoints/cam01", keypoints, i * 20 * MS))
        pose = PosesMessage(
            tick=i, time_ns=0, arrival_ns=i * 20 * MS, latency_ns=9 * MS, cameras=["cam01"], missing=["cam02"],
            skeleton="coco17", joints=17, people=[], blob=b"",
        )  # fmt: skip
        messages.append(("poses", pose, i * 20 * MS + 2 * MS))
    messages.append(("camera_health/cam01", CameraHealth(camera="cam01", boot_id=1, dropped=3, expected_hz=50.0), 0))
    values = {"cam01.clock_sigma_ms": 0.04, "cam01.residual_px": 3.5, "cam01.time_offset_ms": -25.0, "fit_ms": 0.25}
    health = ServiceHealth(service="fusion", boot_id=1, counts={"ticks": 20, "cam01.late": 1}, values=values)
    messages.append(("service_health/fusion", health, 0))
    counts = {"received": 9, "rejected": 4, "too fast: camera/cam01": 4}
    messages.append(("service_health/hub", ServiceHealth(service="hub", boot_id=1, counts=counts), 0))
    recorder = ServiceHealth(service="recorder", boot_id=1, values={"disk_minutes": 12.5})
    messages.append(("service_health/recorder", recorder, 0))
    for topic, message, arrival_ns in messages:
        watcher.take(Received(topic, Stamp(0, 0, arrival_ns), encode(message)))
    return watcher


def figures_of(port: int) -> dict[tuple[str, ...], float]:
    """By name and labels' values."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
        text = reply.read().decode()
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_every_figure_is_served(watcher: Watcher) -> None:
    with MetricsServer(MetricsCollector(watcher), "127.0.0.1", 0) as served:
        found = figures_of(served.port)
    assert found["multiview_camera_alive", "cam01"] == 1.0
    assert found["multiview_camera_alive", "cam02"] == 0.0
    assert found["multiview_camera_valid", "cam02"] == 0.0
    assert found["multiview_camera_rate_hertz", "cam01"] == pytest.approx(50.0)
    assert found["multiview_camera_frames_total", "cam01"] == 20
    assert found["multiview_camera_dropped_total", "cam01"] == 3
    assert found["multiview_camera_clock_uncertainty_seconds", "cam01"] == pytest.approx(40e-6)
    assert found["multiview_camera_residual_pixels", "cam01"] == 3.5
    assert found["multiview_camera_time_offset_seconds", "cam01"] == pytest.approx(-0.025)
    assert ("multiview_camera_residual_pixels", "cam02") not in found
    assert found["multiview_stage_seconds", "fit"] == pytest.approx(0.25e-3)
    assert found["multiview_pose_latency_seconds", "0.5"] == pytest.approx(2e-3)
    assert found["multiview_fusion_count_total", "ticks"] == 20
    assert found["multiview_hub_count_total", "too fast: camera/cam01"] == 4
    assert found["multiview_recorder_disk_minutes",] == 12.5


def test_a_port_in_use_is_said(watcher: Watcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="cannot listen"):
        MetricsServer(MetricsCollector(watcher), "127.0.0.1", taken.getsockname()[1])


def test_logs_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        begin_service("hub", json_lines=True)
        logging.warning('refused: "%s"', "two\nlines")
        try:
            raise ValueError("no")
        except ValueError:
            logging.exception("went wrong")
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = before
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["service"], first["level"], first["message"]) == ("hub", "warning", 'refused: "two\nlines"')
    assert first["time"].endswith("+00:00")
    assert "ValueError" in second["trace"]
