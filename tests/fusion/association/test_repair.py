import numpy as np
import pytest

from multiview.cameras.observations import Rays
from multiview.fusion.association.assignment_kernels import Association
from multiview.fusion.association.repair_kernels import FAR_BETTER, POOR, RepairProblem, Scratch, repair_table
from multiview.fusion.state.track_state import DISPUTED_FRAMES
from multiview.geometry.jit import Array, kernel
from multiview.geometry.point_batch_kernels import padded

GATE = 20.0
NO_PAIRS = np.empty((0, 2), dtype=np.int64)


@kernel
def repair_all(
    tracked: int,
    disputed: Array,
    pairs: Array,
    gate: float,
    rays: Rays,
    found: Association,
    table: Array,
    scratch: Scratch,
) -> None:
    slots = np.arange(tracked)
    repair_table(RepairProblem(tracked, slots, disputed, pairs, gate, rays, found, table, scratch))


def repaired(
    assignment: np.ndarray,
    pairs: np.ndarray,
    expected: np.ndarray,
    gated: np.ndarray,
    chi2: np.ndarray,
    rays: Rays,
    disputed: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The table, and who has the whole of their detections."""
    (people, cameras), joints = assignment.shape, rays.xy.shape[1]
    table, scratch = np.empty((people, cameras, joints), np.int64), Scratch.empty(people, cameras, joints)
    found = Association(expected, gated, chi2, assignment)
    repair_all(len(gated), np.full(people, disputed), pairs, GATE, rays, found, table, scratch)
    return table, scratch.whole


def chosen(own: float, other: float, owners: float) -> int:
    """The detection from which person 0 gets its one joint: its own is 0, another's is 1.

    `own` and `other` are how badly they fit person 0, `owners` how badly detection 1 fits its owner.
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
    assignment = np.array([[0], [1]])
    chi2 = np.array([[[own], [other]], [[1e3], [owners]]])
    table, whole = repaired(assignment, NO_PAIRS, np.zeros((2, 1, 5, 1)), np.ones((2, 2), bool), chi2, rays)
    assert whole[0, 0] == (table[0, 0, 0] == 0)
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
def test_adopt_takes_a_joint_from_where_it_fits(own: float, other: float, owners: float, expected: int) -> None:
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
def test_drop_takes_away_a_poor_joint_that_is_anothers(own: float, others: float, expected: int) -> None:
    """Person 0 is assigned the only detection, which is also where person 1 is expected."""
    rays = Rays.empty(1, 1, 1)
    rays.info[:], rays.noise[:], rays.camera[:], rays.first[:] = 1.0, 0.0, 0, [0, 1]
    assignment = np.array([[0], [-1]])
    chi2 = np.array([[[own]], [[others]]])
    table, whole = repaired(assignment, NO_PAIRS, np.zeros((2, 1, 5, 1)), np.ones((2, 1), bool), chi2, rays)
    assert whole[0, 0] == (expected == 0)
    assert table[0, 0, 0] == expected


@pytest.mark.parametrize(("fits_mirrored", "expected"), [(True, -1), (False, 1)])
def test_adopt_leaves_a_joint_that_is_its_owners_other_side(fits_mirrored: bool, expected: int) -> None:
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
    assignment = np.array([[-1, -1], [1, 2]])
    table, _ = repaired(assignment, np.array([[0, 1]]), expectation, np.ones((2, 3), bool), chi2, rays)
    assert table[0, 0, 0] == (expected * 2 if expected >= 0 else -1)
    if fits_mirrored:
        assert table[1, 0].tolist() == [3, 2]


def studio(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Rays]:
    """Three people whom three cameras see, with joints missing, off, of another person, or of the other side.

    Claims, pairs of joints, expectations, squared distances and rays; a fourth person is newborn.
    """
    rng = np.random.default_rng(seed)
    cameras, people, joints = 3, 3, 7
    pairs, width = np.array([[0, 1], [2, 3], [4, 5]]), padded(joints)
    expected = np.full((people, cameras, 5, width), np.nan)
    expected[..., :2, :joints] = rng.normal(0.0, 0.3, (people, cameras, 2, joints))
    expected[..., 2:, :joints] = rng.uniform([[0.002], [0.0], [0.002]], [[0.004], [0.001], [0.004]], (3, joints))
    rays, assignment = Rays.empty(cameras * 4, cameras, joints), np.empty((4, cameras), np.int64)
    rays.first[:] = range(0, 13, 4)
    for c in range(cameras):
        assignment[:, c] = 4 * c + rng.permutation(4)
        seen = expected[:, c, :2, :joints].swapaxes(1, 2) + rng.normal(0.0, 0.05, (people, joints, 2))
        swapped, mixed = rng.random((2, people, joints)) < 0.2
        for left, right in pairs:
            sides = np.flatnonzero(swapped[:, left])
            seen[np.ix_(sides, [left, right])] = seen[np.ix_(sides, [right, left])]
        seen = np.where(mixed[..., None], np.roll(seen, 1, axis=0), seen)
        rays.xy[assignment[:3, c]], rays.xy[assignment[3, c]] = seen, expected[0, c, :2, :joints].T
    rays.noise[:], rays.info[:] = [0.002, 0.0, 0.002], [500.0, 0.0, 500.0]
    missing = rng.random(rays.xy.shape[:2]) < 0.15
    rays.noise[missing], rays.info[missing] = np.inf, 0.0
    assignment[:3][rng.random((3, cameras)) < 0.15] = -1
    chi2 = np.full((people, 12, width), np.nan)
    for n, d, j in np.ndindex(people, 12, joints):
        chi2[n, d, j] = squared_distance(d, j, n, d // 4, j, expected, rays)
    return assignment, pairs, expected, chi2, rays


def squared_distance(d: int, k: int, n: int, c: int, j: int, expected: np.ndarray, rays: Rays) -> float:
    if np.isinf(rays.noise[d, k, 0]):
        return np.nan
    S = (expected[n, c, 2:, j] + rays.noise[d, k])[[[0, 1], [1, 2]]]
    off = rays.xy[d, k] - expected[n, c, :2, j]
    return float(off @ np.linalg.solve(S, off))


def plain(
    assignment: np.ndarray, pairs: np.ndarray, expected: np.ndarray, gated: np.ndarray, chi2: np.ndarray, rays: Rays
) -> np.ndarray:
    """The table, one joint after the other."""
    tracked, joints, mirrored = len(gated), rays.xy.shape[1], np.arange(rays.xy.shape[1])
    mirrored[pairs], own = pairs[:, ::-1], assignment[:, :, None] * joints + np.arange(joints)
    table = np.where((assignment[:, :, None] >= 0) & (rays.info[assignment, :, 0] > 0), own, -1)

    def off(row: int, n: int, c: int, j: int) -> float:
        x = squared_distance(row // joints, row % joints, n, c, j, expected, rays)
        return x if x < GATE else GATE

    def gain(n: int, c: int, left: int, right: int) -> float:
        a, b = table[n, c, [left, right]]
        first = off(a, n, c, left) - off(a, n, c, right) if a >= 0 else 0.0
        return first + (off(b, n, c, right) - off(b, n, c, left) if b >= 0 else 0.0)

    for n in range(tracked):
        for c in np.flatnonzero(assignment[n] >= 0):
            misfit = sum(off(table[n, c, j], n, c, j) for j in pairs.ravel() if table[n, c, j] >= 0)
            gains = [gain(n, c, left, right) for left, right in pairs]
            if misfit > GATE and sum(gains) > GATE:
                for left, right in pairs[np.array(gains) > -0.5 * GATE]:
                    table[n, c, [left, right]] = table[n, c, [right, left]]
        for left, right in pairs:
            votes = {}
            for c, (a, b) in enumerate(table[n][:, [left, right]]):
                if max(a, b) >= 0:
                    keep = (off(a, n, c, left) if a >= 0 else 0.0) + (off(b, n, c, right) if b >= 0 else 0.0)
                    swap = (off(a, n, c, right) if a >= 0 else 0.0) + (off(b, n, c, left) if b >= 0 else 0.0)
                    votes[c] = swap < 0.5 * GATE and swap + 0.5 * GATE < keep
            if 2 * sum(votes.values()) <= len(votes):
                for c in (c for c, vote in votes.items() if vote):
                    table[n, c, [left, right]] = table[n, c, [right, left]]
    for n, c, j in np.ndindex(tracked, *table.shape[1:]):
        mine = assignment[n, c]
        if table[n, c, j] == mine * joints + j >= 0 and POOR * GATE < chi2[n, mine, j] < GATE:
            others = [o for o in range(tracked) if o != n and gated[o, mine]]
            if any(chi2[o, mine, j] < FAR_BETTER * chi2[n, mine, j] for o in others):
                table[n, c, j] = -1
    for n, c in np.ndindex(tracked, table.shape[1]):
        limit = np.full(joints, -np.inf)
        for j, row in enumerate(table[n, c]):
            x = off(row, n, c, j) if row >= 0 else GATE
            if x >= POOR * GATE:
                limit[j] = FAR_BETTER * x if x < GATE else GATE
        for d in range(rays.first[c], rays.first[c + 1]):
            owner = next((o for o in range(tracked) if assignment[o, c] == d), None)
            for j in np.flatnonzero(chi2[n, d, :joints] < limit) if owner != n and gated[n, d] else ():
                gained, side = d * joints + j, mirrored[j]
                stays = owner is not None and (
                    (gated[owner, d] and chi2[owner, d, j] < GATE)
                    or (side != j and table[owner, c, side] == gained and off(gained, owner, c, side) < GATE)
                )
                if not stays:
                    table[n, c, j], limit[j] = gained, chi2[n, d, j]
    return table


def test_repair_swaps_a_whole_view_by_the_pairs_that_can_tell() -> None:
    """The hips are 20 and the ankles 0.1 standard deviations apart: all of a view is swapped, or none of it."""
    expected = np.zeros((1, 3, 5, 4))
    expected[..., 0, :] = [0.0, 1.0, 2.0, 2.005]
    expected[..., [2, 4], :] = 0.00125
    pairs, sides = np.array([[0, 1], [2, 3]]), [1, 0, 3, 2]
    for swapped, disputed, told in (([1], 0.0, [1]), ([0, 1], 0.0, [0, 1]), ([0, 1], DISPUTED_FRAMES, [])):
        rays = Rays.empty(3, 3, 4)
        rays.first[:] = range(4)
        rays.info[:], rays.noise[:] = [800.0, 0.0, 800.0], [0.00125, 0.0, 0.00125]
        rays.xy[:] = expected[0, :, :2].swapaxes(1, 2)
        rays.xy[swapped] = rays.xy[swapped][:, sides]
        chi2 = np.array([[[squared_distance(d, j, 0, d, j, expected, rays) for j in range(4)] for d in range(3)]])
        table, _ = repaired(np.array([[0, 1, 2]]), pairs, expected, np.ones((1, 3), bool), chi2, rays, disputed)
        for c in range(3):
            assert (table[0, c] - 4 * c).tolist() == (sides if c in told else [0, 1, 2, 3])


def test_repair_table_is_the_one_found_joint_by_joint() -> None:
    changed = 0
    for seed in range(60):
        assignment, pairs, expected, chi2, rays = studio(seed)
        gated = np.ones((3, 12), bool)
        table, whole = repaired(assignment, pairs, expected, gated, chi2, rays)
        np.testing.assert_array_equal(table, plain(assignment, pairs, expected, gated, chi2, rays))
        untouched = plain(assignment, pairs, expected, gated[:0], chi2, rays)
        np.testing.assert_array_equal(whole, (assignment >= 0) & (table == untouched).all(axis=2))
        changed += (table != untouched).sum()
    assert changed > 500
