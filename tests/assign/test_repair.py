import numpy as np
import pytest

from multiview.assign.repair_kernels import Room, repair
from multiview.rays import Rays

GATE = 20.0
NO_PAIRS = np.empty((0, 2), dtype=np.int64)


def chosen(own: float, other: float, owners: float) -> int:
    """The detection from which person 0 gets its one joint: its own is 0, another's is 1.

    `own` and `other` are how badly they fit person 0, `owners` how badly detection 1 fits the person who claims it.
    """
    zeros = np.zeros((2, 1, 3))
    rays = Rays(
        camera=np.zeros(2, np.int64),
        first=np.array([0, 2]),
        alive=np.ones(1, bool),
        score=np.ones((2, 1)),
        xy=np.zeros((2, 1, 2)),
        ray=zeros,
        info=zeros + 1.0,
        noise=zeros,
    )
    claims, table = np.array([[0], [1]]), np.empty((2, 1, 1), np.int64)
    chi2 = np.array([[[own], [other]], [[1e3], [owners]]])
    room = Room.empty(2, 1, 1)
    repair(claims, NO_PAIRS, np.zeros((2, 1, 5, 1)), np.ones((2, 2), bool), chi2, rays, GATE, table, room)
    assert room.whole[0, 0] == (table[0, 0, 0] == 0)
    return int(table[0, 0, 0])


@pytest.mark.parametrize(
    ("own", "other", "owners", "expected"),
    [
        (1.0, 0.1, 1e3, 0),  # fits
        (30.0, 15.0, 1e3, 1),  # does not fit at all
        (30.0, 15.0, 1.0, 0),  # the other one fits whose it is
        (10.0, 1.0, 1e3, 1),  # fits poorly, and another one far better
        (10.0, 4.0, 1e3, 0),  # not far better
        (np.nan, 2.0, 1e3, 1),  # cannot be judged
    ],
)
def test_a_joint_comes_from_where_it_fits(own: float, other: float, owners: float, expected: int) -> None:
    assert chosen(own, other, owners) == expected


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (10.0, 1.0, -1),  # the same joint of another, of whom the detection is a part
        (10.0, 4.0, 0),  # not far better
        (4.0, 0.1, 0),  # fits
        (30.0, 1.0, 0),  # outlier: left to triangulation, which may find that the prediction is wrong
    ],
)
def test_a_poor_joint_that_is_anothers_is_taken_away(own: float, others: float, expected: int) -> None:
    """Person 0 claims the only detection, which is also where person 1 is expected."""
    rays = Rays.empty(1, 1, 1)
    rays.info[:], rays.noise[:], rays.camera[:], rays.first[:] = 1.0, 0.0, 0, [0, 1]
    claims, table = np.array([[0], [-1]]), np.empty((2, 1, 1), np.int64)
    chi2 = np.array([[[own]], [[others]]])
    room = Room.empty(2, 1, 1)
    repair(claims, NO_PAIRS, np.zeros((2, 1, 5, 1)), np.ones((2, 1), bool), chi2, rays, GATE, table, room)
    assert room.whole[0, 0] == (expected == 0)
    assert table[0, 0, 0] == expected


@pytest.mark.parametrize(("fits_mirrored", "expected"), [(True, -1), (False, 1)])
def test_a_joint_that_is_its_owners_other_side_stays_there(fits_mirrored: bool, expected: int) -> None:
    """Detection 1 (camera 0) has its owner's sides exchanged, and its left joint lies where person 0's is expected."""
    xy = np.zeros((3, 2, 2))
    xy[1, 0], xy[1, 1] = (1.0, 0.0), (2.0, 0.0)
    expectation = np.zeros((2, 2, 5, 2))
    expectation[..., 2, :] = expectation[..., 4, :] = 0.01
    expectation[1, 0, 0] = (2.0, 1.0) if fits_mirrored else (8.0, 9.0)
    rays = Rays(
        camera=np.array([0, 0, 1]),
        first=np.array([0, 2, 3]),
        alive=np.ones(2, bool),
        score=np.ones((3, 2)),
        xy=xy,
        ray=np.zeros((3, 2, 3)),
        info=np.ones((3, 2, 3)),
        noise=np.tile([0.01, 0.0, 0.01], (3, 2, 1)),
    )
    far = 1e3
    chi2 = np.full((2, 3, 2), far)
    chi2[0, 1, 0] = 1.0
    chi2[1, 2] = 1.0  # the other camera sees the owner as they are
    claims, table = np.array([[-1, -1], [1, 2]]), np.empty((2, 2, 2), np.int64)
    room = Room.empty(2, 2, 2)
    repair(claims, np.array([[0, 1]]), expectation, np.ones((2, 3), bool), chi2, rays, GATE, table, room)
    assert table[0, 0, 0] == (expected * 2 if expected >= 0 else -1)
    if fits_mirrored:
        assert table[1, 0].tolist() == [3, 2]
