"""A rig against a fresh calibration in another world and unit: cameras that were displaced are named."""

from dataclasses import replace

import numpy as np
import pytest

from calib.people.compare import compare_rigs
from multiview.cameras.camera import Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic import StudioOptions, make_rig

SIGMA_DEG, SIGMA_MM = 0.05, 4.0


def fresh(rig, scale=1.04, noise=1.0):
    """The same cameras in a world that is turned, shifted and larger, with noise as stated."""
    rng = np.random.default_rng(1)
    R, t = rotation_from_vector(np.array([0.3, -0.4, 1.2])), np.array([1.0, -2.0, 0.5])
    cameras = []
    for camera in rig.cameras:
        centre = scale * (camera.centre + noise * rng.normal(0, SIGMA_MM / 1000 / np.sqrt(3), 3)) @ R.T + t
        turn = rotation_from_vector(noise * rng.normal(0, np.radians(SIGMA_DEG) / np.sqrt(3), 3))
        own = turn @ camera.R @ R.T
        cameras.append(replace(camera, R=own, t=-own @ centre))
    return Rig(tuple(cameras))


def compared(found, given):
    return compare_rigs(found, np.full(len(found), SIGMA_DEG), np.full(len(found), SIGMA_MM), given)


def displaced(rig, c, turn_deg=0.0, shift_m=0.0):
    camera = rig.cameras[c]
    R = rotation_from_vector(np.radians([0.0, turn_deg, 0.0])) @ camera.R
    moved = replace(camera, R=R, t=-R @ (camera.centre + np.array([0.0, 0.0, shift_m])))
    return Rig(tuple(moved if n == c else other for n, other in enumerate(rig.cameras)))


def test_comparison_of_the_same_rig_finds_every_camera_in_its_place():
    rig = make_rig(StudioOptions(cameras=5))
    outcome = compared(fresh(rig), rig)
    assert outcome.held == rig.names
    assert not outcome.moved
    assert outcome.certain


@pytest.mark.parametrize(("turn_deg", "shift_m"), [(1.5, 0.0), (0.0, 0.08), (2.0, 0.1)])
def test_comparison_names_the_displaced_camera_with_its_displacement(turn_deg, shift_m):
    rig = make_rig(StudioOptions(cameras=5))
    outcome = compared(fresh(rig), displaced(rig, 2, turn_deg, shift_m))
    assert outcome.certain
    (moved,) = outcome.moved
    assert moved.name == rig.names[2]
    # All five cameras' noise stands in the displacement: of the camera and of the alignment by the others.
    assert moved.turn_deg == pytest.approx(turn_deg, abs=4 * SIGMA_DEG)
    assert moved.place_mm == pytest.approx(1000 * shift_m, abs=4 * SIGMA_MM)


def test_comparison_of_three_cameras_names_the_turned_one():
    rig = make_rig(StudioOptions(cameras=3))
    outcome = compared(fresh(rig), displaced(rig, 0, turn_deg=3.0))
    assert [moved.name for moved in outcome.moved] == [rig.names[0]]


def test_comparison_of_half_of_the_cameras_is_not_certain():
    rig = make_rig(StudioOptions(cameras=4))
    given = displaced(displaced(rig, 0, turn_deg=3.0), 1, turn_deg=-4.0)
    assert not compared(fresh(rig), given).certain


def test_comparison_of_two_cameras_is_refused():
    rig = make_rig(StudioOptions(cameras=2))
    with pytest.raises(CalibrationError, match="nothing says which one moved"):
        compared(fresh(rig), rig)


@pytest.mark.parametrize("knocked", [False, True])
def test_comparison_says_which_cameras_are_exchanged_and_compares_them_where_they_are(knocked):
    rig = make_rig(StudioOptions(cameras=5))
    found = fresh(rig)
    names = (*rig.names[:2], rig.names[3], rig.names[2], rig.names[4])
    renamed = Rig(tuple(replace(c, name=name) for c, name in zip(found.cameras, names, strict=True)))
    outcome = compared(renamed, displaced(rig, 0, turn_deg=2.0) if knocked else rig)
    assert outcome.mixed_up.startswith(f"{rig.names[2]} and {rig.names[3]} are exchanged")
    assert [moved.name for moved in outcome.moved] == ([rig.names[0]] if knocked else [])
