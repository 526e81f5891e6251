"""A walk on characters of other proportions and other files, read back by other code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pybvh
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.commands.export import export_poses
from multiview.errors import ConfigError
from multiview.export import load_exporter, silent
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.resample import ResampleOptions
from multiview.retarget.target import load_character, rig_names
from tests.biomechanics.walking import walk, walker
from tests.measured_poses import measured_poses
from tests.retarget.characters import LEG, animated_places, bones, write_bvh, write_gltf

FPS = 60.0
_MIXAMO = "mixamorig:"


@pytest.fixture(scope="module")
def walked() -> Poses:
    """Two strides with planted feet, hands and all, exact."""
    return _poses(walk(walker(), seconds=2.5, fps=FPS).xyz)


def _poses(xyz: np.ndarray, joints: tuple[str, ...] = load_skeleton("coco133").joints) -> Poses:
    return measured_poses(xyz, np.arange(len(xyz)) / FPS, joints, "coco133")


def _export(poses: Poses, to: str, rig: str, folder: Path, hands: bool = False) -> Path:
    exporter = load_exporter(to)
    exporter.character = load_character(rig, hands)
    return exporter.write(poses, folder / "walk")[0]


@pytest.fixture(scope="module")
def giant(walked: Poses, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("giant")
    write_gltf(folder / "giant.glb")
    found = animated_places(_export(walked, "gltf", str(folder / "giant.glb"), folder, hands=True))
    return {name.removeprefix(_MIXAMO): places for name, places in found.items()}


def test_character_keeps_its_proportions(giant: dict[str, np.ndarray]) -> None:
    for name, (parent, offset) in bones().items():
        if parent:
            length = np.linalg.norm(giant[name] - giant[parent], axis=1)
            np.testing.assert_allclose(length, np.linalg.norm(offset), atol=1e-4, err_msg=name)


def test_feet_of_a_giant_stay_where_they_are_planted(giant: dict[str, np.ndarray]) -> None:
    time_s = np.arange(len(giant["Hips"])) / FPS
    for side in ("left", "right"):
        planted = walker().planted(side, time_s)
        flat = planted["heel"] & planted["toe"]  # the ankle does not move while both are on the floor
        flat &= np.roll(flat, 1)
        speed = np.linalg.norm(np.diff(giant[f"{side.title()}Foot"], axis=0), axis=1) * FPS
        assert flat.sum() > 20
        assert speed[flat[1:]].max() < 0.02
        height = giant[f"{side.title()}ToeBase"][flat, 1]
        assert np.abs(height - _rest_height(f"{side.title()}ToeBase")).max() < 0.005  # soles lie on the floor


def test_toes_of_a_giant_stay_while_the_heel_is_raised(giant: dict[str, np.ndarray], walked: Poses) -> None:
    """Its feet are shorter for its legs than the person's; toes move no more than the person's own, and 1 cm/s."""
    time_s = np.arange(len(giant["Hips"])) / FPS
    for side in ("left", "right"):
        planted = walker().planted(side, time_s)
        raised = planted["toe"] & ~planted["heel"]
        raised &= np.roll(raised, 1)
        places = giant[f"{side.title()}ToeBase"], walked.xyz[:, walked.joints.index(f"{side}_big_toe")]
        theirs, own = (np.linalg.norm(np.diff(place, axis=0), axis=1)[raised[1:]].max() * FPS for place in places)
        assert raised.sum() > 20
        assert theirs < 0.01 + LEG * own


def _rest_height(name: str) -> float:
    parent, offset = bones()[name]
    return offset[1] + (_rest_height(parent) if parent else 0.0)


def test_knees_of_a_giant_do_not_pop(giant: dict[str, np.ndarray], walked: Poses) -> None:
    joint = {name: walked.xyz[:, i] for i, name in enumerate(walked.joints)}
    for side in ("left", "right"):
        own = _bend(joint[f"{side}_hip"], joint[f"{side}_knee"], joint[f"{side}_ankle"])
        wide = side.title()
        theirs = _bend(giant[f"{wide}UpLeg"], giant[f"{wide}Leg"], giant[f"{wide}Foot"])
        assert np.abs(np.diff(theirs, 2)).max() < 1.5 * np.abs(np.diff(own, 2)).max()
        heel = walker().planted(side, np.arange(len(own)) / FPS)["heel"]  # later the shorter foot stands on its toes
        assert np.abs(theirs - own)[heel].max() < np.radians(12)


def _bend(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    first, second = b - a, c - b
    cosine = np.sum(first * second, axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def test_hands_of_a_giant_reach_where_the_persons_were(walked: Poses, tmp_path: Path) -> None:
    """Both hands rest on the hips, which arms of any length reach."""
    names = list(walked.joints)
    xyz = walked.xyz.copy()
    for side in ("left", "right"):
        shoulder, hip = xyz[:, names.index(f"{side}_shoulder")], xyz[:, names.index(f"{side}_hip")]
        way = hip - shoulder
        out = np.cross(way, xyz[:, names.index("right_hip")] - xyz[:, names.index("left_hip")])
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        xyz[:, names.index(f"{side}_elbow")] = shoulder + 0.4 * way - 0.2 * out
        xyz[:, names.index(f"{side}_wrist")] = shoulder + 0.6 * way + 0.15 * out
    write_gltf(tmp_path / "giant.glb")
    posed = _poses(xyz)
    found = animated_places(_export(posed, "gltf", str(tmp_path / "giant.glb"), tmp_path, hands=True))
    joint = {name: xyz[:, i] @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) for i, name in enumerate(names)}
    lengths = [np.linalg.norm(joint[f"{side}_{a}"] - joint[f"{side}_{b}"], axis=1)
               for side in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))]  # fmt: skip
    ratio = 2 * sum(np.linalg.norm(bones()[name][1]) for name in ("LeftLeg", "LeftFoot")) / np.median(lengths, 1).sum()
    lift = [0.0, np.median(found[f"{_MIXAMO}LeftFoot"] - ratio * joint["left_ankle"], axis=0)[1], 0.0]
    for side in ("left", "right"):
        off = found[f"{_MIXAMO}{side.title()}Hand"] - ratio * joint[f"{side}_wrist"] - lift
        assert np.linalg.norm(off, axis=1).max() < 0.01


def test_t_pose_of_a_person_is_one_of_the_character(tmp_path: Path) -> None:
    person = walker()
    still = walk(person, seconds=0.1, fps=FPS).xyz[:1].repeat(4, axis=0)
    names = list(walk(person, seconds=0.05).joints)
    middle = still[:, [names.index("left_shoulder"), names.index("right_shoulder")]].mean(axis=1)
    hips = still[:, names.index("left_hip")] - still[:, names.index("right_hip")]
    left = np.array([hips[0, 0], hips[0, 1], 0.0]) / np.linalg.norm(hips[0, :2])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for joint, along in (("shoulder", 0.2), ("elbow", 0.5), ("wrist", 0.75)):
            still[:, names.index(f"{side}_{joint}")] = middle + sign * along * left
        for i, name in enumerate(names):
            if name.startswith(f"{side}_hand_root") or (
                (name.startswith(side) and "finger" in name) or "thumb" in name
            ):
                still[:, i] = np.nan
    write_gltf(tmp_path / "giant.glb")
    found = animated_places(_export(_poses(still), "gltf", str(tmp_path / "giant.glb"), tmp_path))
    across = np.array([left[0], 0.0, -left[1]])
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for a, b in (("Arm", "ForeArm"), ("ForeArm", "Hand")):
            way = found[f"{_MIXAMO}{side}{b}"][0] - found[f"{_MIXAMO}{side}{a}"][0]
            assert sign * way @ across / np.linalg.norm(way) > 0.999


@pytest.mark.parametrize(("unit", "z_up"), [(100.0, False), (1.0, True)])
def test_bvh_rig_moves_in_its_own_axes(walked: Poses, tmp_path: Path, unit: float, z_up: bool) -> None:
    some = walked.select(slice(0, 20))
    write_bvh(tmp_path / "giant.bvh", unit, z_up)
    write_gltf(tmp_path / "giant.glb")
    expected = animated_places(_export(some, "gltf", str(tmp_path / "giant.glb"), tmp_path))
    path = _export(some, "bvh", str(tmp_path / "giant.bvh"), tmp_path)
    motion = pybvh.read_bvh_file(str(path))
    assert list(motion.joint_names) == _depth_first("Hips")
    up = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) if z_up else np.eye(3)
    positions = np.asarray(motion.node_positions()) / 100
    for i, node in enumerate(motion.nodes):
        if node.name in bones():
            found = positions[:, i] @ up
            np.testing.assert_allclose(found, expected[_MIXAMO + node.name], atol=2e-3, err_msg=node.name)


def test_bvh_of_a_character_has_names_of_any_script_as_one_word(walked: Poses, tmp_path: Path) -> None:
    write_bvh(tmp_path / "giant.bvh")
    named = (tmp_path / "giant.bvh").read_text().replace("ArmTwist", "Arm捩").replace("Tail", "しっぽ")
    (tmp_path / "giant.bvh").write_text(named, encoding="utf-8")
    path = _export(walked.select(slice(0, 3)), "bvh", str(tmp_path / "giant.bvh"), tmp_path)
    assert "JOINT しっぽ\n" in path.read_text(encoding="utf-8")
    write_gltf(tmp_path / "giant.glb", prefix="Bip01 ")
    path = _export(walked.select(slice(0, 3)), "bvh", str(tmp_path / "giant.glb"), tmp_path)
    assert "Bip01_LeftHand" in pybvh.read_bvh_file(str(path)).joint_names


def _depth_first(name: str) -> list[str]:
    return [name, *(below for child, (parent, _) in bones().items() if parent == name for below in _depth_first(child))]


@pytest.mark.parametrize("name", rig_names())
def test_named_rig_has_the_persons_joints(walked: Poses, tmp_path: Path, name: str) -> None:
    some = walked.select(slice(0, 10))
    found = animated_places(_export(some, "gltf", name, tmp_path))
    own = animated_places(load_exporter("gltf").write(some, tmp_path / "own")[0])
    called = {"mixamo": "mixamorig:LeftHandIndex2", "unreal": "index_02_l", "vrm": "leftIndexIntermediate"}[name]
    np.testing.assert_allclose(found[called], own["LeftIndexIntermediate"], atol=2e-3)
    foot = {"mixamo": "mixamorig:RightToeBase", "unreal": "ball_r", "vrm": "rightToes"}[name]
    np.testing.assert_allclose(found[foot], own["RightToes"], atol=5e-3)


def test_unknown_rig_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean mixamo"):
        load_character("mixano")
    with pytest.raises(ConfigError, match="no such file"):
        load_character(str(tmp_path / "none.vrm"))
    (tmp_path / "cut.glb").write_bytes(b"glTF\x02\0\0\0\x40")
    with pytest.raises(ConfigError, match="not a glTF file"):
        load_character(str(tmp_path / "cut.glb"))
    (tmp_path / "own.toml").write_text('bones = [{ name = "a", human = "Hip" }]')
    with pytest.raises(ConfigError, match="no bone of a human"):
        load_character(str(tmp_path / "own.toml"))


def test_poses_without_hands_say_that_fingers_of_a_character_do_not_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for skeleton, told in (("coco133", 0), ("coco17", 1)):
        joints = load_skeleton(skeleton).joints
        xyz = walk(walker(), skeleton, seconds=0.05, fps=FPS).xyz
        poses = replace(_poses(xyz, joints), skeleton=skeleton)
        write_poses(poses, tmp_path / "poses.parquet")
        words = [str(tmp_path / "poses.parquet"), "--to", "bvh", "--rig", "mixamo"]
        assert main(["export", *words, "--out", str(tmp_path / skeleton)]) == 0
        sentence = "the poses have no hands: the character's fingers do not move"
        assert capsys.readouterr().err.count(sentence) == told


def test_rig_without_legs_is_refused_in_a_sentence(tmp_path: Path) -> None:
    write_bvh(tmp_path / "giant.bvh")
    legless = (tmp_path / "giant.bvh").read_text().replace("UpLeg", "Fin").replace("LeftLeg", "LeftTip")
    (tmp_path / "mermaid.bvh").write_text(legless)
    with pytest.raises(ConfigError, match="no bone can be taken for LeftUpperLeg, LeftLowerLeg and RightUpperLeg"):
        load_character(str(tmp_path / "mermaid.bvh"))


def test_format_without_skeleton_takes_no_rig(walked: Poses, tmp_path: Path) -> None:
    write_poses(walked.select(slice(0, 2)), tmp_path / "poses.parquet")

    def export(to: str) -> list[Path]:
        source, character = tmp_path / "poses.parquet", load_character("mixamo")
        return export_poses(source, tmp_path / "walk", to, "", ResampleOptions(), silent, character=character).paths

    with pytest.raises(ConfigError, match="csv files move no characters"):
        export("csv")
    assert "JOINT mixamorig:LeftHandIndex2" in export("bvh")[0].read_text()
