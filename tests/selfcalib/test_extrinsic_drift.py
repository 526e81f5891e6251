"""A camera that is turned a little is found, and named, and nobody is accused wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, pack
from multiview.cameras.rotate import turned, turned_back
from multiview.data import Views
from multiview.fusion.pipeline import Pipeline
from multiview.geometry.rigid import rotation_from_vector
from multiview.selfcalib.extrinsic_drift import KnockDetector
from multiview.selfcalib.rotation_equations import turns
from multiview.synthetic import Options, make_studio

STUDIO = make_studio(Options(cameras=5, people=3, seconds=16.0, fps=25.0, seed=3))
SIDEWAYS = np.array([0.0, 1.0, 0.0])


def noticed(rig: Rig, camera: int | None, begins: int = 200) -> dict[int, int]:
    """Which cameras are left out from which frame on, when one is turned by half a degree."""
    return session(rig, camera, begins)[0]


def session(
    rig: Rig, camera: int | None, begins: int = 200, late: int = 0, turn_back: bool = False
) -> tuple[dict[int, int], KnockDetector]:
    """The same, and the detector; `late`: camera 0 is so many frames behind, from the start."""
    pipeline, detector = Pipeline(rig, STUDIO.skeleton), KnockDetector(rig, STUDIO.fps, turn_back)
    found: dict[int, int] = {}
    for frame in range(STUDIO.frames):
        views = STUDIO.views(frame)
        keypoints = list(views.keypoints)
        if late:
            keypoints[0] = STUDIO.keypoints(0, max(0, frame - late))
        seen = keypoints[camera] if camera is not None else None
        if camera is not None and seen is not None and frame >= begins:
            keypoints[camera] = turned(seen, STUDIO.rig.cameras[camera], 0.5, SIDEWAYS)
        for knocked in detector.knocked:
            keypoints[knocked] = None
        for knocked, turn in detector.turns.items():
            own = keypoints[knocked]
            keypoints[knocked] = None if own is None else turned_back(own, rig.cameras[knocked], turn)
        tracks = pipeline.step(Views(views.tick, views.time_ns, tuple(keypoints)))
        assert pipeline.sighted is not None
        detector.look(pipeline.sighted.rays, tracks)
        found |= {index: frame for index in detector.knocked if index not in found}
    return found, detector


def disturbed(degrees: float) -> Rig:
    """Every camera of the rig file is off by so much."""
    axes = np.random.default_rng(8).normal(size=(len(STUDIO.rig), 3))
    turns = rotation_from_vector(np.radians(degrees) * axes / np.linalg.norm(axes, axis=-1, keepdims=True))
    cameras = zip(STUDIO.rig.cameras, turns, strict=True)
    return Rig(tuple(replace(c, R=turn @ c.R, t=turn @ c.t) for c, turn in cameras))


@pytest.mark.parametrize("camera", [1, 4])
def test_the_turned_camera_is_found_within_five_seconds(camera: int) -> None:
    found = noticed(STUDIO.rig, camera)
    assert set(found) == {camera}
    assert 200 < found[camera] <= 200 + 5 * STUDIO.fps


def test_a_rig_that_was_never_right_was_not_knocked() -> None:
    """One camera is half a degree off from the start, the others a little: only change is a knock."""
    rng = np.random.default_rng(5)
    off = rotation_from_vector(np.radians(0.2) * rng.normal(size=(len(STUDIO.rig), 3)))
    off[2] = rotation_from_vector(np.radians(0.5) * SIDEWAYS)
    cameras = zip(STUDIO.rig.cameras, off, strict=True)
    assert noticed(Rig(tuple(replace(c, R=turn @ c.R, t=turn @ c.t) for c, turn in cameras)), None) == {}


def test_a_poor_calibration_is_said_to_be_poor_and_loses_no_camera() -> None:
    """All cameras are off by more than a degree; one is turned by half a degree more: named, but used on."""
    found, detector = session(disturbed(1.2), 1)
    assert found == {}
    assert detector.poor
    assert set(detector.turned) == {1}
    found, detector = session(STUDIO.rig, 1)
    assert not detector.poor
    assert not detector.turned


@pytest.mark.parametrize("frames", [1, 3])
def test_a_late_camera_was_not_knocked(frames: int) -> None:
    found, detector = session(STUDIO.rig, None, late=frames)
    assert found == {}
    assert not detector.turned


def test_a_camera_that_is_turned_back_agrees_again() -> None:
    found, detector = session(STUDIO.rig, 1, turn_back=True)
    assert found == {}
    np.testing.assert_allclose(np.degrees(detector.turns[1]), 0.5 * SIDEWAYS, atol=0.1)


def test_turning_back_undoes_a_turn() -> None:
    camera, seen = STUDIO.rig.cameras[0], STUDIO.keypoints(0, 0)
    assert seen is not None
    turn = np.radians([0.3, -0.4, 1.2])
    angle = float(np.linalg.norm(turn))
    there = turned(seen, camera, np.degrees(angle), turn / angle)
    assert np.nanmax(np.abs(there.xy - seen.xy)) > 1.0
    np.testing.assert_allclose(turned_back(there, camera, turn).xy, seen.xy, atol=1e-6)
    assert turned_back(seen, camera, np.zeros(3)) is seen


def test_turns_are_those_that_were_made() -> None:
    """Without noise the equations of all cameras give each one's small turn, however many there are."""
    studio = make_studio(Options(cameras=4, people=2, seconds=1.0, fps=25.0, seed=2).perfect())
    rng = np.random.default_rng(1)
    true = np.radians(0.1) * rng.normal(size=(4, 3))
    seen = []
    for camera, keypoints, turn in zip(studio.rig.cameras, studio.views(3).keypoints, true, strict=True):
        assert keypoints is not None
        angle = float(np.linalg.norm(turn))
        seen.append(turned(keypoints, camera, np.degrees(angle), turn / angle))
    rig = PackedRig.of(studio.rig)
    joints = len(studio.skeleton.joints)
    rays = pack(Views(0, 0, tuple(seen)), rig, joints, np.ones((joints, 2)), np.array([0.0, 1.0]))
    xyz = studio.truth.xyz[studio.truth.frame == 3]
    found = turns(xyz, np.isfinite(xyz[..., 0]), rays, rig)
    H = found.H.transpose(0, 2, 1, 3).reshape(12, 12)
    np.testing.assert_allclose(H, H.T, atol=1e-9 * np.abs(H).max())
    np.testing.assert_allclose(np.linalg.solve(H, found.g.ravel()).reshape(4, 3), true, atol=2e-5)
    one = turns(xyz, np.isfinite(xyz[..., 0]), rays, rig)
    np.testing.assert_allclose(found.plus(one).H, 2 * found.H)


def test_nobody_there_is_no_trouble() -> None:
    KnockDetector(STUDIO.rig, STUDIO.fps).warm_up()
