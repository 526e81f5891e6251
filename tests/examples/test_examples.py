"""Every example runs, and what it prints is true."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.common.plugins import load_plugin
from tests.figures import crowd

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    path = next(EXAMPLES.glob(f"{name}_*.py"))
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_numbered_without_gaps() -> None:
    assert [path.name[:2] for path in sorted(EXAMPLES.glob("*.py"))] == [f"{n:02d}" for n in range(1, 9)]


def test_fuse_keypoints_finds_both_people(capsys: pytest.CaptureFixture[str]) -> None:
    load("01").main()
    out = capsys.readouterr().out
    assert len(re.findall(r"^person \d+: nose at", out, re.M)) == 2
    found = re.search(r"mean error ([\d.]+) mm, recall ([\d.]+)%", out)
    assert found is not None
    assert float(found[1]) < 25  # 4 px of noise at this distance are 14 mm
    assert float(found[2]) > 95


def test_read_poses_measures_wrists(capsys: pytest.CaptureFixture[str]) -> None:
    load("02").main([])
    assert len(re.findall(r"wrist: median speed [\d.]+ m/s", capsys.readouterr().out)) == 2


@pytest.mark.slow
def test_triangulate_points_is_as_exact_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    load("03").main()
    rows = re.findall(r"from (\d) rays: error ([\d.]+) mm, expected ([\d.]+) mm", capsys.readouterr().out)
    assert len(rows) == 3
    assert all(float(error) < 3 * float(expected) for _, error, expected in rows)


@pytest.mark.slow
def test_calibrate_in_code_finds_the_focal_lengths(capsys: pytest.CaptureFixture[str]) -> None:
    load("04").main()
    rows = re.findall(r"focal length ([\d.]+) px \(true ([\d.]+)\)", capsys.readouterr().out)
    assert len(rows) == 3
    assert all(abs(float(found) - float(true)) < 5 for found, true in rows)


def test_live_client_ends_when_nothing_comes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("05")
    monkeypatch.setattr(module, "connect", lambda address, timeout_s: iter(()))
    module.main([])
    assert capsys.readouterr().out == "0 frames received\n"


def test_custom_skeleton_places_every_joint(capsys: pytest.CaptureFixture[str]) -> None:
    load("06").main()
    errors = [float(found) for found in re.findall(r"error (\d+) mm", capsys.readouterr().out)]
    assert len(errors) == 7
    assert max(errors) < 30


def test_custom_detector_loads_as_a_plugin() -> None:
    module = load_plugin("multiview/detect", str(EXAMPLES / "07_custom_detector.py"))
    assert hasattr(module, "Detector")


def test_custom_bridge_sends_everyone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        module = load("08")
        skeleton, tracks = crowd()
        bridge = module.Bridge(module.Options(port=receiver.getsockname()[1]), skeleton, 30.0)
        bridge.send(tracks)
        bridge.close()
        message = json.loads(receiver.recv(65536))
    assert sorted(message["people"]) == ["0", "1", "2"]
    nose = load_skeleton("coco17").index("nose")
    np.testing.assert_allclose(message["people"]["0"]["nose"], tracks.tracks[0].pose.xyz[nose], atol=1e-4)
