"""Whose stature gives the unit, and whose bones: people whose lengths are known exactly, in a unit of half a metre."""

import numpy as np
import pytest

from calib.people.bodies import Body
from calib.people.scale import by_actor, by_people, statures
from multiview.body.actor import BONE_LENGTHS, Actor
from multiview.body.skeleton import load_skeleton
from multiview.errors import CalibrationError

UNIT_M = 0.5
JOINTS = load_skeleton("coco17").joints
LENGTHS = {"upper_arm": 0.30, "forearm": 0.26, "thigh": 0.42, "shank": 0.40}


def person(stature, begin, thigh=1.0):
    """Upright, arms down; limbs as LENGTHS, all of them times the stature, thighs once more times their own factor."""
    places = {}
    for side, x in (("left", 0.15), ("right", -0.15)):
        hip = np.array([x, 0.0, LENGTHS["shank"] + thigh * LENGTHS["thigh"]])
        knee = hip - [0, 0, thigh * LENGTHS["thigh"]]
        shoulder = hip + np.array([0, 0, 0.5])
        elbow = shoulder - [0, 0, LENGTHS["upper_arm"]]
        places |= {f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": knee - [0, 0, LENGTHS["shank"]]}
        places |= {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow}
        places |= {
            f"{side}_wrist": elbow - [0, 0, LENGTHS["forearm"]],
            f"{side}_ear": shoulder + np.array([0, 0, 0.14]),
        }
    xyz = np.full((100, len(JOINTS), 3), np.nan)
    for name, place in places.items():
        xyz[:, JOINTS.index(name)] = stature * place / UNIT_M
    return Body(begin + 0.1 * np.arange(100), xyz, np.zeros_like(xyz))


def actor(stature):
    lengths = {name: stature * LENGTHS[name.partition("_")[2]] for name in BONE_LENGTHS if "_" in name}
    return Actor(name="Ada", skeleton="coco17", lengths=lengths)


def test_stature_is_of_the_tallest_the_shortest_or_the_first():
    people = [person(1.0, 0.0), person(1.1, 5.0), person(0.8, 9.0)]
    tallest, shortest, first = (
        by_people(people, JOINTS, 3, 1.6, whose).value for whose in ("tallest", "shortest", "first")
    )
    assert shortest / tallest == pytest.approx(1.1 / 0.8)
    assert first / tallest == pytest.approx(1.1)


def test_bones_of_a_saved_person_give_the_unit_among_others():
    others = person(1.2, 0.0, thigh=1.1), person(0.9, 0.0, thigh=0.9)
    scale = by_actor([others[0], person(1.0, 3.0), others[1]], JOINTS, actor(1.0))
    assert scale.value == pytest.approx(UNIT_M)
    assert scale.how == "by the bones of Ada"


def test_bones_of_a_saved_person_that_others_might_have_are_refused():
    with pytest.raises(CalibrationError, match="2 people have the proportions of Ada"):
        by_actor([person(1.0, 0.0), person(1.2, 3.0)], JOINTS, actor(1.0))


def test_noise_of_the_joints_does_not_make_people_longer():
    """Each coordinate errs by 20 mm, 28 mm in a length: of single instants, the trunk would be 19 mm too long."""
    rng = np.random.default_rng(1)
    still = person(1.0, 0.0)
    noisy = Body(still.time, still.xyz + rng.normal(0, 0.02 / UNIT_M, still.xyz.shape), still.velocity)
    (exact,), (found,) = statures([still], JOINTS), statures([noisy], JOINTS)
    # Means of seven leave 0.67 x 28 / sqrt(7) = 7 mm to each of trunk and neck, of 1.46 m that are measured, and noise
    # across a bone lengthens it by 20^2 / 400 = 1 mm, the neck by 3: 1.3 % at most.
    assert found / exact - 1 < 0.016
