"""Files of keypoint formats as their programs document them, for formats whose libraries are not installed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.keypoint_formats.files import made_files as TRUTH


def mmpose_video(camera: int, meta: bool) -> Any:
    xy, score = TRUTH.arrays(camera, 2)
    frames = [
        {
            "frame_id": frame,
            "instances": [
                {
                    "keypoints": np.nan_to_num(xy[frame, animal]).tolist(),
                    "keypoint_scores": score[frame, animal].tolist(),
                    "bbox": [[0, 0, 9, 9]],
                    "bbox_score": 0.9,
                }
                for animal in range(2)
            ],
        }
        for frame in range(TRUTH.FRAMES)
    ]
    if not meta:
        return frames
    names = {str(n): name for n, name in enumerate(TRUTH.JOINTS)}
    return {
        "meta_info": {
            "dataset_name": "mouse",
            "keypoint_id2name": names,
            "skeleton_links": [list(b) for b in TRUTH.BONES],
        },
        "instance_info": frames,
    }


def listed(camera: int, image_id: Callable[[int], str | int]) -> Any:
    xy, score = TRUTH.arrays(camera, 2)
    triples = np.concatenate([np.nan_to_num(xy), score[..., None]], axis=-1)
    return [
        {
            "image_id": image_id(frame),
            "category_id": 1,
            "keypoints": triples[frame, animal].ravel().tolist(),
            "score": 2.9,
        }
        for frame in range(TRUTH.FRAMES)
        for animal in range(2)
    ]


def alphapose_open(camera: int) -> Any:
    xy, score = TRUTH.arrays(camera, 2)
    triples = np.concatenate([np.nan_to_num(xy), score[..., None]], axis=-1)
    return {
        f"{frame}.jpg": {
            "version": "AlphaPose v0.3",
            "people": [{"pose_keypoints_2d": triples[frame, animal].ravel().tolist()} for animal in range(2)],
        }
        for frame in range(TRUTH.FRAMES)
    }


def label_studio(camera: int) -> Any:
    """Two animals, told apart by boxes; 0 % is the picture's edge, so the centre of pixel 0 is at half a pixel."""
    xy, tasks = TRUTH.arrays(camera, 2)[0], []
    size = {"original_width": 640, "original_height": 480}
    for frame in range(TRUTH.FRAMES):
        result: list[dict[str, Any]] = []
        for animal in range(2):
            box = {
                "id": f"b{animal}",
                "type": "rectanglelabels",
                "value": {"x": 1, "y": 1, "rectanglelabels": ["mouse"]},
            }
            result.append({**box, **size})
            for joint, name in enumerate(TRUTH.JOINTS):
                x, y = xy[frame, animal, joint] + 0.5
                if np.isfinite(x):
                    value = {"x": x / 6.4, "y": y / 4.8, "width": 0.3, "keypointlabels": [name]}
                    key = f"k{animal}{joint}"
                    result.append(
                        {"id": key, "type": "keypointlabels", "parentID": f"b{animal}", "value": value, **size}
                    )
        picture = f"/data/local-files/?d=cam{camera + 1:02d}/img_{frame:05d}.png"
        tasks.append({"id": frame, "data": {"image": picture}, "annotations": [{"id": 1, "result": result}]})
    return tasks


BY_HAND = {
    "mmpose": lambda camera: mmpose_video(camera, meta=False),
    "mmpose with names": lambda camera: mmpose_video(camera, meta=True),
    "coco results": lambda camera: listed(camera, lambda frame: frame),
    "alphapose": lambda camera: listed(camera, lambda frame: f"{frame}.jpg"),
    "alphapose pictures": lambda camera: listed(camera, lambda frame: f"frame_{frame:06d}.png"),
    "alphapose open": alphapose_open,
    "label studio": label_studio,
}
