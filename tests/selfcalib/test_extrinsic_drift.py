"""A camera that is rotated a little is detected and named, without false alarms."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, pack
from multiview.cameras.rotate import rotate_keypoints, unrotate_keypoints
from multiview.data import Views
from multiview.fusion.pipeline import Pipeline
from multiview.geometry.rigid import rotation_from_vector
from multiview.selfcalib.extrinsic_drift import ExtrinsicDriftDetector
from multiview.selfcalib.matching_kernels import match_by_shape
from multiview.selfcalib.rotation_equations import rotation_normal_equations
from multiview.synthetic import StudioOptions, make_studio

STUDIO = make_studio(StudioOptions(cameras=5, people=3, seconds=16.0, fps=25.0, seed=3))
SIDEWAYS = np.array([0.0, 1.0, 0.0])


def detected(rig: Rig, camera: int | None, begins: int = 200) -> dict[int, int]:
    """Which cameras are excluded from which frame on, when one is rotated by half a degree."""
    return session(rig, camera, begins)[0]


def session(
    rig: Rig, camera: int | None, begins: int = 200, late: int = 0, compensate: bool = False
) -> tuple[dict[int, int], ExtrinsicDriftDetector]:
    """The same, and the detector; `late`: camera 0 is so many frames behind, from the start."""
    pipeline, detector = Pipeline(rig, STUDIO.skeleton), ExtrinsicDriftDetector(rig, STUDIO.fps, compensate)
    found: dict[int, int] = {}
    for frame in range(STUDIO.frames):
        views = STUDIO.views(frame)
        keypoints = list(views.keypoints)
        if late:
            keypoints[0] = STUDIO.keypoints(0, max(0, frame - late))
        seen = keypoints[camera] if camera is not None else None
        if camera is not None and seen is not None and frame >= begins:
            keypoints[camera] = rotate_keypoints(seen, STUDIO.rig.cameras[camera], 0.5, SIDEWAYS)
        corrected = detector.apply_corrections(replace(views, keypoints=tuple(keypoints)))
        assert all(corrected.keypoints[index] is None for index in detector.displaced)
        tracks = pipeline.step(corrected)
        assert pipeline.last_observations is not None
        detector.update(pipeline.last_observations.rays, tracks)
        found |= {index: frame for index in detector.displaced if index not in found}
    return found, detector


def disturbed_rig(degrees: float) -> Rig:
    """Every camera of the rig file is off by so much."""
    axes = np.random.default_rng(8).normal(size=(len(STUDIO.rig), 3))
    rotations = rotation_from_vector(np.radians(degrees) * axes / np.linalg.norm(axes, axis=-1, keepdims=True))
    cameras = zip(STUDIO.rig.cameras, rotations, strict=True)
    return Rig(tuple(replace(c, R=R @ c.R, t=R @ c.t) for c, R in cameras))


@pytest.mark.slow
@pytest.mark.parametrize("camera", [1, 4])
def test_drift_of_a_rotated_camera_is_detected_within_five_seconds(camera: int) -> None:
    found = detected(STUDIO.rig, camera)
    assert set(found) == {camera}
    assert 200 < found[camera] <= 200 + 5 * STUDIO.fps


def test_drift_is_not_a_constant_error_of_the_rig() -> None:
    """One camera is half a degree off from the start, the others a little: only a change is a displacement."""
    rng = np.random.default_rng(5)
    off = rotation_from_vector(np.radians(0.2) * rng.normal(size=(len(STUDIO.rig), 3)))
    off[2] = rotation_from_vector(np.radians(0.5) * SIDEWAYS)
    cameras = zip(STUDIO.rig.cameras, off, strict=True)
    assert detected(Rig(tuple(replace(c, R=R @ c.R, t=R @ c.t) for c, R in cameras)), None) == {}


@pytest.mark.slow
def test_calibration_suspect_excludes_no_camera() -> None:
    """All cameras are off by more than a degree; one is rotated by half a degree more: named, but still used."""
    found, detector = session(disturbed_rig(1.2), 1)
    assert found == {}
    assert detector.calibration_suspect
    assert set(detector.rotated) == {1}
    found, detector = session(STUDIO.rig, 1)
    assert not detector.calibration_suspect
    assert not detector.rotated


@pytest.mark.parametrize("frames", [1, 3])
def test_drift_is_not_detected_in_a_late_camera(frames: int) -> None:
    found, detector = session(STUDIO.rig, None, late=frames)
    assert found == {}
    assert not detector.rotated


@pytest.mark.slow
def test_drift_that_is_compensated_excludes_no_camera() -> None:
    found, detector = session(STUDIO.rig, 1, compensate=True)
    assert found == {}
    np.testing.assert_allclose(np.degrees(detector.rotations[1]), 0.5 * SIDEWAYS, atol=0.1)


def test_unrotate_keypoints_inverts_rotate_keypoints() -> None:
    camera, seen = STUDIO.rig.cameras[0], STUDIO.keypoints(0, 0)
    assert seen is not None
    rotation = np.radians([0.3, -0.4, 1.2])
    angle = float(np.linalg.norm(rotation))
    rotated = rotate_keypoints(seen, camera, np.degrees(angle), rotation / angle)
    assert np.nanmax(np.abs(rotated.xy - seen.xy)) > 1.0
    np.testing.assert_allclose(unrotate_keypoints(rotated, camera, rotation).xy, seen.xy, atol=1e-6)
    assert unrotate_keypoints(seen, camera, np.zeros(3)) is seen


def test_rotation_normal_equations_give_the_rotations_of_all_cameras() -> None:
    """Without noise, the solution of the whole system is each camera's small rotation."""
    studio = make_studio(StudioOptions(cameras=4, people=2, seconds=1.0, fps=25.0, seed=2).perfect())
    rng = np.random.default_rng(1)
    true = np.radians(0.1) * rng.normal(size=(4, 3))
    seen = []
    for camera, keypoints, rotation in zip(studio.rig.cameras, studio.views(3).keypoints, true, strict=True):
        assert keypoints is not None
        angle = float(np.linalg.norm(rotation))
        seen.append(rotate_keypoints(keypoints, camera, np.degrees(angle), rotation / angle))
    rig = PackedRig.of(studio.rig)
    joints = len(studio.skeleton.joints)
    rays = pack(Views(0, 0, tuple(seen)), rig, joints, np.ones((joints, 2)), np.array([0.0, 1.0]))
    xyz = studio.truth.xyz[studio.truth.frame == 3]
    found = rotation_normal_equations(xyz, np.isfinite(xyz[..., 0]), rays, rig)
    H = found.H.transpose(0, 2, 1, 3).reshape(12, 12)
    np.testing.assert_allclose(H, H.T, atol=1e-9 * np.abs(H).max())
    np.testing.assert_allclose(np.linalg.solve(H, found.g.ravel()).reshape(4, 3), true, atol=2e-5)
    one = rotation_normal_equations(xyz, np.isfinite(xyz[..., 0]), rays, rig)
    np.testing.assert_allclose(found.plus(one).H, 2 * found.H)


def test_warm_up_compiles_what_an_update_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    types: list[tuple[object, ...]] = []

    def recorded(*arguments: object) -> None:
        types.append(tuple(numba.typeof(argument) for argument in arguments))
        match_by_shape(*arguments)

    monkeypatch.setattr("multiview.selfcalib.rotation_equations.match_by_shape", recorded)
    detector = ExtrinsicDriftDetector(STUDIO.rig, STUDIO.fps)
    detector.warm_up()
    assert len(types) == 1
    pipeline = Pipeline(STUDIO.rig, STUDIO.skeleton)
    for frame in range(20):
        tracks = pipeline.step(STUDIO.views(frame))
        assert pipeline.last_observations is not None
        detector.update(pipeline.last_observations.rays, tracks)
    assert len(types) > 1
    assert set(types) == {types[0]}
