"""COCO keypoint files, in and out, for any set of joints.

Format: https://cocodataset.org/#format-data, section keypoint detection: COCO counts pixel corners, and so does its
box; keypoints are taken as they stand.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.picture_file import decode_picture
from multiview.common.ranges import shown
from multiview.errors import SourceError, one_line
from multiview.learn.sample import ABSENT, Sample

__all__ = ["CocoPeople", "Person", "coco_document", "read_coco", "read_picture", "write_coco"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One annotation: `xy` px, `visibility` COCO's flags, `box` x1 y1 x2 y2 px, `area` px^2."""

    image_id: int
    path: Path
    xy: Float64[np.ndarray, "J 2"]
    visibility: Int64[np.ndarray, " J"]
    box: Float64[np.ndarray, " 4"]
    area: float
    id: int


class CocoPeople:
    """The labelled people of a file, as samples; a picture that cannot be read is named once and replaced."""

    def __init__(self, people: list[Person], skipped: list[str]) -> None:
        self.people = people
        self.skipped = skipped
        self._bad: set[Path] = set()

    def __len__(self) -> int:
        return len(self.people)

    def sample(self, index: int) -> Sample | None:
        """Sample `index`; None, and its picture named in `skipped`, if that cannot be read."""
        person = self.people[index]
        image = None if person.path in self._bad else read_picture(person.path)
        if image is None:
            if person.path not in self._bad:
                self._bad.add(person.path)
                self.skipped.append(f"{person.path}: not a picture that can be read")
                log.warning("skipped %s", self.skipped[-1])
            return None
        return Sample(image, person.xy, person.visibility, person.box)

    def load(self, index: int) -> Sample:
        """Sample `index`, or the next one whose picture can be read."""
        for offset in range(len(self.people)):
            sample = self.sample((index + offset) % len(self.people))
            if sample is not None:
                return sample
        raise SourceError(f"none of the labelled pictures can be read; the first is {self.people[0].path}")


def read_picture(path: Path) -> Any:
    """A picture as RGB, or None where the file is missing or broken."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    image = decode_picture(data, cv2.IMREAD_COLOR)
    return None if image is None else np.ascontiguousarray(image[..., ::-1])


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(reading(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise SourceError(f"{path}: not a COCO file: it needs the lists images, annotations and categories")
    return document


def _joint_order(path: Path, document: dict[str, Any], joints: tuple[str, ...]) -> tuple[int, list[int]]:
    """The category with keypoints, and where each wanted joint stands in it (-1: it has none)."""
    for category in document["categories"]:
        names = category.get("keypoints")
        if names:
            order = [names.index(joint) if joint in names else -1 for joint in joints]
            if max(order) < 0:
                raise SourceError(
                    f"{path}: its keypoints ({', '.join(names[:4])} ...) have none of the skeleton's joints"
                )
            return int(category["id"]), order
    raise SourceError(f"{path}: no category has keypoints")


def read_coco(annotations: Path, images: Path, joints: tuple[str, ...], least: int = 1) -> CocoPeople:
    """The people in a COCO keypoint file with at least `least` labelled joints, their joints in the order of `joints`.

    A bad annotation is named and skipped; SourceError where the file is no COCO keypoint file or nobody is left.
    """
    with foreign_errors(annotations, "a COCO keypoint file"):
        return _people(annotations, images, joints, least)


def _people(annotations: Path, images: Path, joints: tuple[str, ...], least: int) -> CocoPeople:
    document = _load(annotations)
    category, order = _joint_order(annotations, document, joints)
    files = {entry["id"]: entry["file_name"] for entry in document["images"] if "id" in entry and "file_name" in entry}
    width = max(order) + 1
    people, skipped = [], []
    for number, entry in enumerate(document["annotations"]):
        if entry.get("category_id") != category or entry.get("iscrowd"):
            continue
        try:
            values = np.asarray(entry["keypoints"], float).reshape(-1, 3)
            if len(values) < width:
                raise ValueError(f"{len(values)} keypoints, not {width}")
            values = np.where(np.array(order)[:, None] >= 0, values[order], 0.0)
            x, y, w, h = (float(value) for value in entry["bbox"])
            if not np.isfinite(values).all() or not np.isfinite([x, y, w, h]).all() or w <= 0 or h <= 0:
                raise ValueError("numbers that are not finite, or an empty box")
            if not np.isin(values[:, 2], (0, 1, 2)).all():
                raise ValueError("visibility is not 0, 1 or 2")
            path = images / files[entry["image_id"]]
            area = float(entry.get("area") or w * h)
            number, image = int(entry.get("id", number)), int(entry["image_id"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            skipped.append(
                f"{annotations}: annotation {shown(entry.get('id', f'number {number}'))}: {one_line(error)[:200]}"
            )
            log.warning("skipped %s", skipped[-1])
            continue
        if (values[:, 2] > ABSENT).sum() >= least:
            box = np.array([x, y, x + w, y + h])
            people.append(
                Person(
                    image,
                    path,
                    values[:, :2],
                    values[:, 2].astype(np.int64),
                    box,
                    area,
                    number,
                )
            )
    if not people:
        raise SourceError(
            f"{annotations}: nobody with labelled keypoints" + (f" ({len(skipped)} bad annotations)" if skipped else "")
        )
    return CocoPeople(people, skipped)


def coco_document(
    pictures: Iterable[tuple[int, str, int, int]],
    people: Iterable[Person],
    joints: tuple[str, ...],
    bones: tuple[tuple[int, int], ...],
) -> dict[str, Any]:
    """A COCO document of pictures (id, file name, width, height) and their people."""
    annotations = []
    for person in people:
        labelled = person.visibility > ABSENT
        triples = np.column_stack([np.where(labelled[:, None], np.round(person.xy, 3), 0.0), person.visibility])
        x1, y1, x2, y2 = (round(float(v), 3) for v in person.box)
        annotations.append(
            {
                "id": person.id,
                "image_id": person.image_id,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)],
                "area": round(person.area, 3),
                "num_keypoints": int(labelled.sum()),
                "keypoints": [int(v) if v == int(v) else v for v in triples.ravel().tolist()],
            }
        )
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(joints),
        "skeleton": [[a + 1, b + 1] for a, b in bones],
    }
    images = [{"id": i, "file_name": name, "width": w, "height": h} for i, name, w, h in pictures]
    return {"images": images, "annotations": annotations, "categories": [category]}


def write_coco(document: dict[str, Any], path: Path) -> None:
    """Write a COCO document, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document), encoding="utf-8")
