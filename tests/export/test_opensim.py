"""Models and inverse kinematics by OpenSim, of a walker whose joint angles are known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from multiview.biomechanics.movement import Movement
from multiview.biomechanics.musculoskeletal import build_model
from multiview.errors import ConfigError, MultiviewError
from multiview.export.opensim import Kinematics, marker_weights, solve_kinematics, solve_with_own_model
from tests.biomechanics.walking import off_deg, true_angles, walk, walker

pytestmark = [
    pytest.mark.skipif(find_spec("opensim") is None, reason="opensim has no wheel here"),
    pytest.mark.slow,
]
WALKER = walker(2)
FLEXIONS = {"hip_flexion": "hip_flexion", "knee_angle": "knee_flexion", "ankle_angle": "ankle_dorsiflexion"}


def solved(moving: Movement, folder: Path, weighted: bool = True) -> Kinematics:
    model = build_model(moving)
    names = tuple(marker.name for marker in model.markers)
    weights = marker_weights(moving, names) if weighted else np.ones((len(moving.xyz), len(names)))
    return solve_kinematics(moving, model, weights, folder / "walker.osim")


def rms_deg(moving: Movement, found: Kinematics) -> dict[str, float]:
    true = true_angles(WALKER, moving.time_s[found.rows])
    return {
        f"{theirs}_{side[0]}": float(
            np.sqrt(np.mean(off_deg(found.columns[f"{theirs}_{side[0]}"], true[f"{side}_{ours}_deg"]) ** 2))
        )
        for theirs, ours in FLEXIONS.items()
        for side in ("left", "right")
    }


def test_kinematics_are_the_walkers(tmp_path: Path) -> None:
    moving = walk(WALKER, "halpe26", 1.1, 30.0)
    found = solved(moving, tmp_path)
    assert max(rms_deg(moving, found).values()) < 3.0
    assert np.sqrt(np.nanmean(found.error_m**2)) < 0.015
    bodies = ElementTree.parse(tmp_path / "walker.osim").getroot().iter("Body")
    masses = {body.get("name"): float(body.findtext("mass") or "nan") for body in bodies}
    assert sum(masses.values()) == pytest.approx(23 * (moving.leg_m / 0.491) ** 2, rel=0.01)


def test_kinematics_of_a_noisy_joint_are_better_with_weights_of_its_covariance(tmp_path: Path) -> None:
    moving = walk(WALKER, "halpe26", 1.1, 30.0)
    sigma = np.full(len(moving.joints), 0.005)
    sigma[moving.joints.index("left_ankle")] = 0.05
    xyz = moving.xyz + sigma[:, None] * np.random.default_rng(0).normal(size=moving.xyz.shape)
    cov = np.broadcast_to(np.eye(3) * sigma[:, None, None] ** 2, moving.cov.shape)
    noisy = replace(moving, xyz=xyz, cov=cov)
    weighted, equal = (rms_deg(noisy, solved(noisy, tmp_path, by_cov)) for by_cov in (True, False))
    for name in ("hip_flexion_l", "knee_angle_l", "ankle_angle_l"):
        assert weighted[name] < 0.8 * equal[name], name


def test_kinematics_go_on_without_a_joint_that_is_not_seen(tmp_path: Path) -> None:
    moving = walk(WALKER, "coco17", 0.5, 30.0)
    xyz = moving.xyz.copy()
    xyz[4:8, moving.joints.index("right_wrist")] = np.nan
    xyz[10] = np.nan
    found = solved(replace(moving, xyz=xyz), tmp_path)
    assert 10 not in found.rows
    assert len(found.rows) == 14
    assert np.isfinite(found.columns["knee_angle_r"]).all()
    assert np.isnan(found.error_m).sum() == 4


def test_kinematics_of_nobody_are_refused(tmp_path: Path) -> None:
    moving = walk(WALKER, "coco17", 0.2, 30.0)
    model = build_model(moving)
    with pytest.raises(MultiviewError, match="nothing for OpenSim"):
        solve_kinematics(replace(moving, xyz=np.full_like(moving.xyz, np.nan)), model, np.zeros((6, 1)), tmp_path / "a")


def test_a_users_own_model_is_scaled_to_the_person(tmp_path: Path) -> None:
    """Of other proportions; its knees bend as the walker's, and its thighs are as long."""
    own, scaled = tmp_path / "own.osim", tmp_path / "scaled.osim"
    subprocess.run([sys.executable, Path(__file__).with_name("make_osim.py"), own], check=True, cwd=tmp_path)
    moving = walk(WALKER, "halpe26", 1.1, 30.0)
    found = solve_with_own_model(moving, own, scaled)
    assert {"left_hip", "right_knee", "left_ankle", "right_shoulder", "left_wrist"} <= set(found.markers)
    assert not {"nose", "left_heel"} & set(found.markers)
    true = true_angles(WALKER, moving.time_s[found.rows])
    for side in ("left", "right"):
        bend = -found.columns[f"walker_knee_{side[0]}_angle"]  # about Z, to the right
        assert np.sqrt(np.mean(off_deg(bend, true[f"{side}_knee_flexion_deg"]) ** 2)) < 3.0
    legs = [k for k, name in enumerate(found.markers) if name.endswith(("hip", "knee", "ankle"))]
    assert np.sqrt(np.nanmean(found.error_m[:, legs] ** 2)) < 0.015
    root = ElementTree.parse(scaled).getroot()
    thigh = np.linalg.norm(moving.at("right_hip") - moving.at("right_knee"), axis=1).mean()
    (knee,) = [joint for joint in root.iter("PinJoint") if joint.get("name") == "walker_knee_r"]
    places = [np.fromstring(frame.findtext("translation") or "", sep=" ") for frame in knee.iter("PhysicalOffsetFrame")]
    assert max(np.linalg.norm(place) for place in places) == pytest.approx(thigh, abs=1e-3)
    mass = sum(float(body.findtext("mass") or "nan") for body in root.iter("Body"))
    assert mass == pytest.approx(23 * (moving.leg_m / 0.491) ** 2, rel=0.01)


def test_a_model_without_legs_is_refused(tmp_path: Path) -> None:
    moving = walk(WALKER, "halpe26", 0.2, 30.0)
    (tmp_path / "own.osim").write_text("<OpenSimDocument Version='40500'><Model name='a'/></OpenSimDocument>")
    with pytest.raises(MultiviewError, match=r"own\.osim: it has no joints hip_r"):
        solve_with_own_model(moving, tmp_path / "own.osim", tmp_path / "out.osim")
    (tmp_path / "own.osim").write_text("nothing")
    with pytest.raises(MultiviewError, match=r"own\.osim"):
        solve_with_own_model(moving, tmp_path / "own.osim", tmp_path / "out.osim")
    with pytest.raises(ConfigError, match="no such file"):
        solve_with_own_model(moving, tmp_path / "none.osim", tmp_path / "out.osim")


def test_weights_hold_the_models_own_error_too() -> None:
    """A joint that cameras see ten times as well counts twice, (5^2 + 5^2) / (5^2 + .5^2), not a hundred times."""
    moving = walk(WALKER, "coco17", 0.2, 30.0)
    cov = moving.cov.copy()
    cov[:, moving.joints.index("nose")] = 0.0005**2 * np.eye(3)
    weights = marker_weights(replace(moving, cov=cov), ("left_knee", "nose", "left_hip"))
    np.testing.assert_allclose(weights[:, 1] / weights[:, 0], 50 / 25.25, rtol=1e-9)
    unknown = cov.copy()
    unknown[:, moving.joints.index("left_hip")] = np.nan
    assert (marker_weights(replace(moving, cov=unknown), ("left_knee", "nose", "left_hip"))[:, 2] == 1.0).all()
