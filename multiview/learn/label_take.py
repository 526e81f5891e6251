"""A recording, its rig and its fused people become a COCO data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from multiview.body.skeleton import find_skeleton
from multiview.cameras.camera import Rig
from multiview.common.atomic_file import writing
from multiview.data import Keypoints2D, VideoFrame
from multiview.errors import SourceError
from multiview.learn.coco import Person, coco_document, write_coco
from multiview.learn.label import LabelCriteria, label_view
from multiview.recordings.pose_table import Poses
from multiview.sources import FrameSource

__all__ = ["DetectionsOf", "label_recording"]

DetectionsOf = Callable[[int, int], Keypoints2D | None]
"""What a camera (index in the rig) detected itself in a frame of the poses."""


def label_recording(
    folder: Path,
    rig: Rig,
    poses: Poses,
    sources: dict[str, FrameSource],
    every: int,
    criteria: LabelCriteria,
    detections: DetectionsOf | None = None,
    watch: Callable[[int], None] = lambda _: None,
    beside: Path = Path(),
) -> tuple[int, int]:
    """Write `images/` and `annotations.json` from each camera's frames; how many pictures, and people in them.

    A frame is labelled by the tick nearest to it, at most a quarter of a frame away; `every` takes only each n-th. With
    `detections`, joints that the camera did not find itself are labelled as hidden. `beside` is where the poses are.
    """
    skeleton = find_skeleton(poses.skeleton, beside) if poses.skeleton else None
    if skeleton is None:
        raise SourceError("the poses do not name their skeleton; make them anew with `multiview fuse` or `process`")
    ticks, first = np.unique(poses.time_ns, return_index=True)
    tolerance = 0.25e9 / poses.frames_per_second
    people: list[Person] = []
    pictures: list[tuple[int, str, int, int]] = []
    for name, source in sources.items():
        index = rig.index(name)
        camera = rig.cameras[index]
        for number, frame in enumerate(_frames(source)):
            watch(1)
            nearest = int(np.abs(ticks - frame.time_ns).argmin())
            if number % every or abs(int(ticks[nearest]) - frame.time_ns) > tolerance:
                continue
            rows = np.flatnonzero(poses.time_ns == ticks[nearest])
            found = detections(index, int(poses.frame[first[nearest]])) if detections else None
            labelled = label_view(camera, poses, rows, found, criteria)
            picture = f"{name}_{frame.index:06d}.jpg"
            path = writing(folder / "images" / picture)
            cv2.imwrite(str(path), frame.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
            pictures.append((len(pictures), picture, *camera.size))
            for xy, flags, box in zip(labelled.xy, labelled.visibility, labelled.box, strict=True):
                area = 0.5 * float(np.prod(box[2:] - box[:2]))  # about what a standing person covers of their box
                people.append(Person(len(pictures) - 1, path, xy, flags, box, area, len(people) + 1))
    if not people:
        raise SourceError("nobody could be labelled: no fused joint is certain enough in any picture (see --rms-px)")
    write_coco(coco_document(pictures, people, skeleton.joints, skeleton.bones), folder / "annotations.json")
    return len(pictures), len(people)


def _frames(source: FrameSource) -> Iterator[VideoFrame]:
    while (frame := source.read()) is not None:
        yield frame
    source.close()
