"""Grouping reaches the optimum of its own cost, and finds the people that a scene was made of."""

from itertools import permutations

import numpy as np
import pytest

from multiview.keypoints.paf import assemble, group_by_limbs, join_limb, limb_scores
from multiview.keypoints.peaks import find_candidates
from multiview.keypoints.tags import group_by_tags, grouping_cost

TREE = ((0, 1), (1, 2), (1, 3), (3, 4))
SCENES = 300
TAG_SCENES = 250


def best_sum(scores):
    """The largest sum over all ways to pair rows with columns, by trying them all."""
    a, b = scores.shape
    if a > b:
        return best_sum(scores.T)
    return max(sum(scores[i, p] for i, p in enumerate(choice)) for choice in permutations(range(b), a))


def random_limbs(rng, people):
    """Each joint's candidates, shuffled and partly missing, and limb scores that are mostly but not always right."""
    who = [rng.permutation(people)[: rng.integers(max(people - 1, 1), people + 1)] for _ in range(5)]
    scores = []
    for a, b in TREE:
        table = rng.uniform(0, 0.6, (len(who[a]), len(who[b])))
        table[who[a][:, None] == who[b][None]] += rng.uniform(0, 0.6)
        scores.append(np.where(table < 0.15, 0.0, table))
    starts = np.cumsum([0, *map(len, who)])
    members = [np.arange(starts[j], starts[j + 1]) for j in range(5)]
    return members, scores


def test_joined_limbs_are_the_optimum_of_their_cost():
    rng = np.random.default_rng(0)
    for _ in range(SCENES):
        members, scores = random_limbs(rng, rng.integers(1, 5))
        people = assemble(members, TREE, scores)
        total = 0.0
        for (a, b), table in zip(TREE, scores, strict=True):
            for i, j in zip(people[:, a], people[:, b], strict=True):
                if i >= 0 and j >= 0:
                    total += table[i - members[a][0], j - members[b][0]]
        # No grouping into whole people can beat the best pairing of every limb on its own; this one reaches it.
        assert abs(total - sum(best_sum(t) for t in scores if t.size)) < 1e-9
        assert all(sorted(people[:, j][people[:, j] >= 0].tolist()) == members[j].tolist() for j in range(5))


def test_a_pair_of_no_score_is_not_joined():
    assert join_limb(np.array([[0.0, 0.0], [0.0, 0.7]])) == [(1, 1)]
    assert join_limb(np.zeros((0, 3))) == []


def test_a_surplus_limb_never_makes_a_person_with_two_noses():
    members = [np.array([0, 1]), np.array([2]), np.array([3])]
    limbs = ((0, 1), (1, 2), (0, 2))
    scores = [np.array([[0.9], [0.1]]), np.array([[0.8]]), np.array([[0.1], [0.9]])]
    people = assemble(members, limbs, scores)
    assert sorted(map(tuple, people.tolist())) == [(0, 2, 3), (1, -1, -1)]


def draw_scene(rng, people, size=64):
    """Heatmaps and fields of people made of TREE's limbs, well apart or crossing."""
    joints = rng.uniform(6, size - 7, (people, 5, 2))
    yy, xx = np.mgrid[:size, :size]
    heat = np.zeros((5, size, size))
    fields, count = np.zeros((4, 2, size, size)), np.zeros((4, size, size))
    for person in joints:
        for j, (x, y) in enumerate(person):
            heat[j] = np.maximum(heat[j], np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 1.5**2)))
        for k, (a, b) in enumerate(TREE):
            way = person[b] - person[a]
            length = np.linalg.norm(way)
            u = way / length
            along = (xx - person[a][0]) * u[0] + (yy - person[a][1]) * u[1]
            across = np.abs((xx - person[a][0]) * u[1] - (yy - person[a][1]) * u[0])
            on = (along > -1) & (along < length + 1) & (across < 1.5)
            fields[k][:, on] += u[:, None]
            count[k][on] += 1
    return joints, heat, fields / np.maximum(count, 1)[:, None]


def test_people_come_back_from_heatmaps_and_fields():
    rng = np.random.default_rng(1)
    right = total = 0
    for _ in range(100):
        people = rng.integers(1, 5)
        joints, heat, fields = draw_scene(rng, people)
        candidates = find_candidates(heat)
        found = group_by_limbs(candidates, fields, TREE, 5)
        total += people
        for person in joints:
            errors = np.linalg.norm(candidates.xy[found] - person, axis=2) + np.where(found < 0, 99, 0)
            right += bool(len(found)) and errors.max(axis=1).min() < 0.5
    assert right / total > 0.8  # the rest are limbs that lie upon each other


def test_limb_scores_point_from_a_to_b():
    _, _, fields = draw_scene(np.random.default_rng(2), 1)
    joints, _, _ = draw_scene(np.random.default_rng(2), 1)
    a, b = joints[:, 0], joints[:, 1]
    assert limb_scores(fields[0], a, b)[0, 0] > 0.5
    assert limb_scores(fields[0], b, a)[0, 0] == 0.0


def exhaustive(joint, tags, new_person, bound):
    """The least cost of any grouping, by trying all that could be below `bound`."""
    best = bound

    def go(i, groups, cost):
        nonlocal best
        if cost >= best - 1e-9:
            return
        if i == len(joint):
            best = cost
            return
        for g, (n, mean, members) in enumerate(groups):
            if joint[i] not in members:
                d = tags[i] - mean
                added = float(d @ d) * n / (n + 1)
                grown = (n + 1, mean + d / (n + 1), members | {joint[i]})
                go(i + 1, [*groups[:g], grown, *groups[g + 1 :]], cost + added)
        go(i + 1, [*groups, (1, tags[i], {joint[i]})], cost + new_person**2)

    go(0, [], 0.0)
    return best


@pytest.mark.slow
def test_groups_by_tags_are_the_optimum_of_their_cost():
    rng = np.random.default_rng(3)
    off = 0
    for _ in range(TAG_SCENES):
        people = rng.integers(1, 5)
        centre = rng.uniform(0, 3.0 * people, people)
        rows = [(j, centre[p] + rng.normal(0, 0.35)) for j in range(5) for p in range(people) if rng.random() < 0.85]
        if not rows:
            continue
        rng.shuffle(rows)
        joint, tags = np.array([r[0] for r in rows], int), np.array([[r[1]] for r in rows])
        found = group_by_tags(joint, tags, np.ones(len(rows)))
        assert all(len(set(joint[found == p])) == (found == p).sum() for p in set(found.tolist()))
        cost = grouping_cost(found, tags)
        off += exhaustive(joint, tags, 1.0, cost) < cost - 1e-6
    print(f"{off} of {TAG_SCENES} scenes above the optimum")
    assert off <= 0.01 * TAG_SCENES


def test_well_separated_tags_give_the_people():
    joint = np.array([0, 0, 1, 1, 2])
    tags = np.array([[0.0], [5.0], [5.2], [0.1], [0.2]])
    np.testing.assert_array_equal(group_by_tags(joint, tags, np.ones(5)), [0, 1, 1, 0, 0])
    assert len(group_by_tags(np.zeros(0, int), np.zeros((0, 1)), np.zeros(0))) == 0


def test_candidates_are_sub_pixel_and_few():
    yy, xx = np.mgrid[:40, :50]
    maps = np.exp(-((xx - 20.3) ** 2 + (yy - 10.8) ** 2) / 8)[None]
    found = find_candidates(maps)
    assert np.abs(found.xy - [[20.3, 10.8]]).max() < 0.05
    noise = np.random.default_rng(0).uniform(size=(3, 40, 50))
    assert (np.bincount(find_candidates(noise, most=7).joint) == 7).all()
