"""A rig that grows: known cameras that stand elsewhere are named, on observed legs with exact truth."""

from dataclasses import replace

import numpy as np
import pytest

from calib.people.identities import Placement
from calib.people.known_rig import check_known, known_world, start_of
from calib.people.pairs import PairPose
from calib.people.refine import Refined
from calib.people.scene import Scene
from multiview.cameras.camera import Camera, Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import rotation_from_vector
from tests.calib.people.people_scene import JOINTS, STEP, observed_legs

NAMES = ["cam01", "cam02", "cam03", "new"]


@pytest.fixture(scope="module")
def refined():
    """Three held cameras and a new one, solved: the state is the truth."""
    observed, state = observed_legs(12.0, 0.0, 0)
    held, placed = np.array([True, True, True, False]), np.ones(4, dtype=bool)
    placement = Placement(state.R, state.t, state.offset, placed, held)
    scene = Scene((), [], [], JOINTS, np.array([3, 4, 5, 0, 1, 2]), 1 / 30, 0.1, STEP)
    return Refined(scene, placement, [], observed, state, np.zeros(4, dtype=int))


def rig_of(state, moved=(), by=0.0):
    """The three known cameras, some of them moved by metres along the world's x."""
    lens = state.lenses[0]
    cameras = []
    for c, name in enumerate(NAMES[:3]):
        shift = state.R[c] @ np.array([by if name in moved else 0.0, 0, 0])
        cameras.append(Camera(name, (1280, 720), lens.K, lens.dist, state.R[c], state.t[c] + shift))
    return Rig(tuple(cameras), "floor")


@pytest.mark.slow
def test_known_cameras_that_stay_are_not_blamed(refined):
    rig = rig_of(refined.state)
    everyone = Rig((*rig.cameras, replace(rig.cameras[0], name="new")))
    check_known(NAMES, everyone, rig, refined)


@pytest.mark.slow
def test_known_camera_that_moved_is_named_and_refused(refined):
    rig = rig_of(refined.state, moved=("cam02",), by=0.3)
    everyone = Rig((*rig.cameras, replace(rig.cameras[0], name="new")))
    with pytest.raises(CalibrationError, match=r"cam02 \(.* no longer stands where the known rig has it"):
        check_known(NAMES, everyone, rig, refined)


def test_known_world_is_that_of_the_held_cameras(refined):
    R, t = rotation_from_vector(np.array([0.3, -0.2, 0.5])), np.array([1.0, 2.0, 3.0])  # world_from_bundle
    state = refined.state
    moved = replace(state, R=state.R @ R.T, t=state.t - np.einsum("cij,j->ci", state.R @ R.T, t))
    found_R, found_t = known_world(NAMES, rig_of(moved), state)
    np.testing.assert_allclose(found_R, R, atol=1e-12)
    np.testing.assert_allclose(found_t, t, atol=1e-12)


def test_known_cameras_that_share_nobody_are_refused(refined):
    with pytest.raises(CalibrationError, match="no two of the known cameras cam01, cam02, cam03 agree on anybody"):
        start_of(NAMES, rig_of(refined.state), [])


def test_known_cameras_turned_to_each_other_otherwise_are_refused(refined):
    placement = refined.placement
    state = placement.between(0, 1)
    turned = replace(state, R=rotation_from_vector(np.radians([0.0, 20.0, 0.0])) @ state.R)
    pair = PairPose(0, 1, turned, support=1.0, possible=1.0, parallax=1.0, sigma=0.01)
    with pytest.raises(CalibrationError, match="cam01 and cam02 are turned to each other by 20 degrees"):
        start_of(NAMES, rig_of(refined.state), [pair])


def test_known_cameras_that_are_exchanged_are_refused(refined):
    placement, rig = refined.placement, rig_of(refined.state)
    pairs = [
        PairPose(a, b, placement.between(a, b), support=1.0, possible=1.0, parallax=1.0, sigma=0.01)
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert start_of(NAMES, rig, pairs).placed.sum() == 2
    one, two, three = rig.cameras
    exchanged = Rig((replace(two, name="cam01"), replace(one, name="cam02"), three), rig.world)
    with pytest.raises(CalibrationError, match="cam01 and cam02 are exchanged"):
        start_of(NAMES, exchanged, pairs)
