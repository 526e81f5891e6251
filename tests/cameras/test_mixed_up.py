"""Which cameras of a rig were exchanged, in any world and unit, beside cameras that were knocked."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from multiview.cameras.camera import Camera
from multiview.cameras.mixed_up import mixed_up, words
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic import StudioOptions, make_rig


def elsewhere(cameras: tuple[Camera, ...], scale: float = 1.3) -> list[Camera]:
    """The same cameras in another world, whose unit is another, too."""
    R, t = rotation_from_vector(np.array([0.3, -0.4, 1.2])), np.array([1.0, -2.0, 0.5])
    centres = [scale * camera.centre @ R.T + t for camera in cameras]
    turns = [camera.R @ R.T for camera in cameras]
    return [replace(c, R=turn, t=-turn @ centre) for c, turn, centre in zip(cameras, turns, centres, strict=True)]


def knocked(camera: Camera) -> Camera:
    R = rotation_from_vector(np.radians([1.0, 2.0, 0.0])) @ camera.R
    return replace(camera, R=R, t=-R @ (camera.centre + 0.05))


def test_mixed_up_is_nobody_in_a_rig_that_is_right() -> None:
    for cameras in (2, 3, 5, 9):
        rig = make_rig(StudioOptions(cameras=cameras))
        now = elsewhere(rig.cameras)
        assert mixed_up(now, rig.cameras) == tuple(range(cameras))
        assert mixed_up([knocked(now[0]), *now[1:]], rig.cameras) == tuple(range(cameras))


@pytest.mark.parametrize("pair", [*combinations(range(3), 2), (0, 7), (4, 5)])
def test_mixed_up_names_two_that_were_exchanged(pair: tuple[int, int]) -> None:
    rig = make_rig(StudioOptions(cameras=3 if max(pair) < 3 else 8, seed=1))
    a, b = pair
    now = elsewhere(rig.cameras)
    now[a], now[b] = now[b], now[a]
    expected = list(range(len(rig)))
    expected[a], expected[b] = b, a
    assert mixed_up(now, rig.cameras) == tuple(expected)
    assert f"{rig.names[a]} and {rig.names[b]} are exchanged" in words(rig.names, expected)


def test_mixed_up_names_three_that_went_round_beside_one_that_was_knocked() -> None:
    rig = make_rig(StudioOptions(cameras=5, seed=2))
    now = elsewhere(rig.cameras)
    now[0], now[1], now[2], now[4] = now[1], now[2], now[0], knocked(now[4])
    source = mixed_up(now, rig.cameras)
    assert source == (2, 0, 1, 3, 4)
    assert "cam03 sees what cam01 should, cam01 sees what cam02 should" in words(rig.names, source)


def test_mixed_up_is_nobody_where_cameras_stand_in_new_places() -> None:
    old, new = make_rig(StudioOptions(cameras=5, seed=3)), make_rig(StudioOptions(cameras=5, seed=3, layout="row"))
    assert mixed_up(elsewhere(new.cameras), old.cameras) == (0, 1, 2, 3, 4)
