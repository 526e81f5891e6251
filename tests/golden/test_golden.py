"""Poses and rigs are what they were when the reference was stored, to 1e-9 m."""

import pytest

from tests.golden import reference
from tests.golden.reference import Difference


def check(differences: list[Difference]) -> None:
    beyond = [f"{one.name}: {one.size:.3g} at {one.where}" for one in differences if not one.within]
    if beyond:
        text = "\n  ".join(beyond)
        pytest.fail(
            f"not what the reference says:\n  {text}\n"
            "If this is meant to be, renew it: python -m tests.golden.renew (it prints how far it moves).",
            pytrace=False,
        )


@pytest.mark.parametrize(
    ("studio", "result"), [(studio, name) for studio, names in reference.STUDIOS.items() for name in names]
)
def test_poses_are_those_of_the_reference(studio: str, result: str) -> None:
    poses = reference.fused(reference.read(f"{studio}_input"), result)
    check(reference.pose_differences(poses, reference.read_poses(studio, result)))


@pytest.mark.slow
def test_rig_is_that_of_the_reference() -> None:
    check(reference.rig_differences(reference.solved(reference.read("board_input")), reference.read_rig()))


def test_differences_of_two_nanometres_are_noticed_and_located() -> None:
    stored = reference.read_poses("fisheye", "causal")
    moved = stored.xyz.copy()
    moved[40, 3, 1] += 2e-9
    with pytest.raises(pytest.fail.Exception, match=rf"frame {stored.tick[40]}, person {stored.person[40]}, joint 3"):
        check(reference.pose_differences(stored._replace(xyz=moved), stored))
