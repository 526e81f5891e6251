"""The Blender extension, in Blender where there is one: its cameras see points where ours do."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from multiview.cameras.rig_file import save_rig
from multiview.common.video_writer import VideoWriter
from multiview.export import load_exporter
from multiview.synthetic import StudioOptions, make_studio
from tests.export.takes import recorded

BLENDER = Path(__file__).parents[2] / "examples/blender"


def _make_extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_extension", BLENDER / "make_extension.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_blender_extension_lists_every_wheel_that_it_holds(tmp_path: Path) -> None:
    wheels = [tmp_path / "a-1-py3-none-any.whl", tmp_path / "b-2-cp311-cp311-win_amd64.whl"]
    for wheel in wheels:
        wheel.write_bytes(b"wheel")
    with zipfile.ZipFile(_make_extension().write_zip(tmp_path / "out", wheels)) as file:
        manifest = tomllib.loads(file.read("blender_manifest.toml").decode())
        assert manifest["wheels"] == [f"./wheels/{wheel.name}" for wheel in wheels]
        assert {"__init__.py", "take.py", "cameras.py", "live.py"} <= set(file.namelist())
        assert {name for name in file.namelist() if name.endswith(".whl")} == {w[2:] for w in manifest["wheels"]}


@pytest.mark.slow
def test_blender_extension_imports_a_take_whose_cameras_see_it(tmp_path: Path) -> None:
    python = os.environ.get("BLENDER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import bpy"], capture_output=True, timeout=120).returncode:
        pytest.skip("no Blender: pip install bpy in a Python of its own, and set BLENDER_PYTHON to that")
    rig = make_studio(StudioOptions(cameras=3, people=1, seconds=0.2)).rig
    save_rig(rig, tmp_path / "rig.toml")
    poses = recorded()
    poses = replace(poses, utc_ns=np.zeros_like(poses.utc_ns))  # as of videos, whose time of day nobody knows
    load_exporter("gltf").write(poses, tmp_path / "poses")
    (tmp_path / "videos").mkdir()
    first = rig.cameras[0]
    with VideoWriter(tmp_path / "videos" / f"{first.name}.mp4", first.size, 25.0) as video:
        for _ in range(3):
            video.write(np.zeros((first.size[1], first.size[0], 3), dtype=np.uint8))
    points = np.array([[0.0, 0.0, 1.0], [0.4, -0.3, 0.2], [-0.5, 0.5, 1.8]])
    script = Path(__file__).with_name("try_blender_extension.py")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, "-P", str(script), str(tmp_path), *(",".join(map(str, point)) for point in points)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["done"] == ["FINISHED"]
    assert found["people"] == ["person4", "person5"]
    assert found["rate"] == pytest.approx(25.0)
    for camera in rig.cameras:
        inside = points @ camera.R.T + camera.t
        expected = inside[:, :2] / inside[:, 2:] @ camera.K[:2, :2].T + camera.K[:2, 2] + 0.5
        np.testing.assert_allclose(found["cameras"][camera.name]["pixels"], expected, atol=0.02)
    assert found["cameras"][first.name]["video"] == f"{first.name}.mp4"
    assert found["cameras"][first.name]["first"] == -round(7 / 30 * 25)  # people come in frame 7 at 30 Hz
    arm = found["live"]
    np.testing.assert_allclose(arm["left_shoulder-left_elbow"], [[0, 0, 1.4], [0.3, 0, 1.4]], atol=1e-4)
    np.testing.assert_allclose(arm["left_elbow-left_wrist"], [[0.3, 0, 1.4], [0.3, 0.25, 1.4]], atol=1e-4)
    assert found["hidden"]
