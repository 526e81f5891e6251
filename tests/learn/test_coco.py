"""COCO files: there and back, and what is wrong with one is named."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.errors import SourceError
from multiview.learn.coco import Person, coco_document, read_coco, write_coco

COCO = load_skeleton("coco17")


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    people, pictures = [], []
    for i in range(3):
        path = tmp_path / "images" / f"{i}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        pictures.append((i, path.name, 80, 60))
        flags = rng.integers(0, 3, 17)
        flags[:5] = 2
        xy = np.round(rng.uniform(0, 60, (17, 2)), 2)
        people.append(Person(i, path, xy, flags, np.array([1.0, 2, 50, 55]), 900.0, i + 1))
    write_coco(coco_document(pictures, people, COCO.joints, COCO.bones), tmp_path / "a.json")
    return tmp_path, people


def edit(folder, change):
    document = json.loads((folder / "a.json").read_text())
    change(document)
    (folder / "a.json").write_text(json.dumps(document))


def test_there_and_back(dataset):
    folder, people = dataset
    back = read_coco(folder / "a.json", folder / "images", COCO.joints)
    assert len(back) == 3
    assert back.skipped == []
    for person, again in zip(people, back.people, strict=True):
        labelled = person.visibility > 0
        np.testing.assert_array_equal(again.visibility, person.visibility)
        np.testing.assert_allclose(again.xy[labelled], person.xy[labelled])
        np.testing.assert_allclose(again.box, person.box)
    assert back.load(1).image.shape == (60, 80, 3)


def test_joints_are_taken_by_name(dataset):
    folder, people = dataset
    back = read_coco(folder / "a.json", folder / "images", ("right_wrist", "tail", "nose"))
    j = COCO.index("right_wrist")
    assert back.people[0].visibility[0] == people[0].visibility[j]
    assert all(person.visibility[1] == 0 for person in back.people)
    with pytest.raises(SourceError, match="none of the skeleton's joints"):
        read_coco(folder / "a.json", folder / "images", ("tail",))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda a: a.update(keypoints=[1, 2]), "annotation 1"),
        (lambda a: a.update(keypoints=a["keypoints"][:-3]), "16 keypoints, not 17"),
        (lambda a: a.update(bbox=[0, 0, 0, 5]), "empty box"),
        (lambda a: a.update(bbox=None), "annotation 1"),
        (lambda a: a.update(image_id=99), "99"),
        (lambda a: a.update(keypoints=[1, 2, 7] * 17), "visibility"),
        (lambda a: a.pop("keypoints"), "keypoints"),
    ],
)
def test_a_bad_label_is_named_and_skipped(dataset, change, what):
    folder, _ = dataset
    edit(folder, lambda document: change(document["annotations"][0]))
    back = read_coco(folder / "a.json", folder / "images", COCO.joints)
    assert len(back) == 2
    assert len(back.skipped) == 1
    assert what in back.skipped[0]


def test_a_corrupt_picture_is_named_and_replaced(dataset):
    folder, _ = dataset
    (folder / "images" / "0.png").write_bytes(b"\x89PNG not really")
    back = read_coco(folder / "a.json", folder / "images", COCO.joints)
    assert back.sample(0) is None
    assert back.load(0).image.shape == (60, 80, 3)
    assert back.skipped == [f"{folder / 'images' / '0.png'}: not a picture that can be read"]
    for i in (1, 2):
        (folder / "images" / f"{i}.png").unlink()
    with pytest.raises(SourceError, match="none of the labelled pictures"):
        back.load(1)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"images": []}', '{"images": [], "annotations": [], "categories": [{"id": 1}]}']
)
def test_what_is_no_coco_file_says_so(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError, match=r"a\.json: "):
        read_coco(tmp_path / "a.json", tmp_path, COCO.joints)
    with pytest.raises(SourceError, match="no such file"):
        read_coco(tmp_path / "none.json", tmp_path, COCO.joints)
