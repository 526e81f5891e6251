"""USD read back by USD's own skinning: the joints are where they were, and time codes are frames."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pxr import Usd, UsdGeom, UsdSkel

from multiview.body.kinematics import points
from multiview.errors import MultiviewError
from multiview.export import load_exporter
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import load_character
from tests.export.takes import recorded

_WORLD_FROM_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@pytest.fixture(scope="module")
def poses() -> Poses:
    return recorded()


def joints_at(stage: Usd.Stage, person: str, frame: int) -> dict[str, np.ndarray]:
    """(3,) m of each joint by name, by `UsdSkel.Cache`."""
    root = UsdSkel.Root(stage.GetPrimAtPath(f"/take/{person}"))
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(f"/take/{person}/skeleton"))
    query = cache.GetSkelQuery(skeleton)
    transforms = query.ComputeJointSkelTransforms(Usd.TimeCode(frame))
    names = skeleton.GetJointNamesAttr().Get()
    return {name: np.array(t.ExtractTranslation()) for name, t in zip(names, transforms, strict=True)}


def test_usd_gives_the_joints_back(poses: Poses, tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(load_exporter("usd").write(poses, tmp_path / "take")[0]))
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 1.0)
    assert (stage.GetTimeCodesPerSecond(), stage.GetStartTimeCode()) == (pytest.approx(30), 0)
    for number in (4, 5):
        own = poses.select(poses.person == number)
        expected = points(own.joints, own.xyz)
        for row in (0, 10, len(own) - 1):
            found = joints_at(stage, f"person{number}", int(own.frame[row] - poses.frame[0]))
            for name in ("Hips", "Head", "LeftHand", "RightLowerArm", "LeftFoot", "RightToes"):
                if np.isfinite(expected[name][row]).all():
                    off = np.linalg.norm(_WORLD_FROM_YUP @ found[name] - expected[name][row])
                    assert off < 0.015, (number, row, name)


def test_usd_shows_a_person_while_they_are_there(poses: Poses, tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(load_exporter("usd").write(poses, tmp_path / "take")[0]))
    figure = UsdGeom.Imageable(stage.GetPrimAtPath("/take/person5/figure"))
    first = int(poses.frame[poses.person == 5][0] - poses.frame[0])
    assert first > 0
    assert figure.ComputeVisibility(first - 1) == "invisible"
    assert figure.ComputeVisibility(first) == "inherited"
    assert UsdSkel.BindingAPI(figure.GetPrim()).GetSkeletonRel().GetTargets()


def test_usd_of_a_rig_has_its_bones_and_the_persons_places(poses: Poses, tmp_path: Path) -> None:
    some = poses.select(poses.person == 4)
    exporter = load_exporter("usd")
    exporter.character = load_character("unreal")
    stage = Usd.Stage.Open(str(exporter.write(some, tmp_path / "take")[0]))
    found = joints_at(stage, "person4", 10)
    np.testing.assert_array_equal(found["root"], 0.0)
    expected = points(some.joints, some.xyz)["LeftFoot"][10]
    assert np.linalg.norm(_WORLD_FROM_YUP @ found["foot_l"] - expected) < 0.015


def test_usd_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "multiview.export.usd", raising=False)
    with pytest.raises(MultiviewError, match=r"multiview-mocap\[usd\]"):
        load_exporter("usd")
