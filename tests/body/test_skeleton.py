from pathlib import Path

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton, mapping, skeleton_names
from multiview.errors import ConfigError

COUNTS = {"coco17": 17, "body25": 25, "halpe26": 26, "coco133": 133, "blazepose33": 33, "coco18": 18}
COUNTS |= {"blazepose75": 75, "blazepose87": 87, "blazepose143": 143, "openpose67": 67, "openpose137": 137}


def test_the_shipped_skeletons_are_these():
    assert {name: len(load_skeleton(name).joints) for name in skeleton_names()} == COUNTS


@pytest.mark.parametrize("name", COUNTS)
def test_bones_form_no_loop_on_the_body_and_mirroring_keeps_them(name):
    skeleton = load_skeleton(name)
    bones = {frozenset(bone) for bone in skeleton.bones}
    mirrored = {frozenset(skeleton.mirrored[list(bone)].tolist()) for bone in skeleton.bones}
    assert len(bones) == len(skeleton.bones)
    assert mirrored == bones


@pytest.mark.parametrize("name", COUNTS)
def test_left_and_right_are_paired(name):
    skeleton = load_skeleton(name)
    assert np.array_equal(skeleton.mirrored[skeleton.mirrored], np.arange(len(skeleton.joints)))
    for joint, mirror in zip(skeleton.joints, skeleton.mirrored, strict=True):
        if joint.startswith("left_"):
            assert skeleton.joints[mirror] == joint.replace("left_", "right_")


@pytest.mark.parametrize("name", ["coco17", "body25", "halpe26", "blazepose33", "coco133"])
def test_joints_have_coco_names_where_coco_has_the_joint(name):
    shared = {"nose", "left_shoulder", "right_wrist", "left_hip", "right_knee", "left_ankle", "right_ear"}
    assert shared <= set(load_skeleton(name).joints)


def test_order_of_body25_is_openpose_order():
    joints = load_skeleton("body25").joints
    assert (joints[1], joints[4], joints[8], joints[14], joints[15], joints[19], joints[24]) == (
        *("neck", "right_wrist", "mid_hip", "left_ankle", "right_eye", "left_big_toe", "right_heel"),
    )


def test_mapping_picks_the_same_joints_by_name():
    coco17, body25 = load_skeleton("coco17"), load_skeleton("body25")
    to_body25 = mapping(coco17, body25)
    assert to_body25[body25.index("neck")] == -1
    for target, source in zip(body25.joints, to_body25, strict=True):
        assert source == -1 or coco17.joints[source] == target
    assert (to_body25 >= 0).sum() == 17
    assert (mapping(body25, coco17) >= 0).all()


def test_one_more_toml_file_is_one_more_skeleton(tmp_path):
    path = tmp_path / "arm.toml"
    path.write_text(
        'joints = [["L1", 0.1], ["L2", 0.1], ["R1", 0.1]]\nbones = [["L1", "L2"]]\nsymmetric_pairs = [["L1", "R1"]]\n'
    )
    arm = load_skeleton(path)
    assert (arm.name, arm.bones, arm.mirrored.tolist()) == ("arm", ((0, 1),), [2, 1, 0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('joints = [["a", 0.1]]\nbones = [["a", "b"]]', "'b'"),
        ('joints = [["a", 0.1], ["a", 0.1]]\nbones = []', "twice: a"),
        ('joints = [["a", 0]]\nbones = []', "must be above 0"),
        ('joints = [["a", 0.1]]\nbones = []\nbone = 1', "bone"),
        ("joints = [", "not TOML"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, content: str, message: str):
    path = tmp_path / "odd.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_skeleton(path)


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(ConfigError, match=r"body25.*coco17"):
        load_skeleton("coco19")
