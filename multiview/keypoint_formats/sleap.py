"""SLEAP: labels and predictions of its own files, `.slp`, with all videos of a project in one.

An instance corrected by hand stands for the prediction that it was made from. Before version 1.1 of the format, pixel
(0.5, 0.5) was the centre of the top-left pixel; since then it is (0, 0), as here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.errors import SourceError
from multiview.keypoint_formats._hdf5 import holds, is_hdf5, opened, text
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, keypoints

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".slp",)
WHAT = "a SLEAP file"
LIMIT = 3.0  # version of the format that has another layout
BODY, SYMMETRY = 1, 2  # types of edges
USER = 0  # type of an instance; 1 is predicted


def recognises(path: Path, head: bytes) -> bool:
    """Whether it has SLEAP's tables."""
    return is_hdf5(head) and holds(path, ("metadata", "frames", "instances"))


def read(path: Path) -> KeypointFile:
    """All frames of all videos."""
    with opened(path, WHAT) as file:
        version = float(file["metadata"].attrs.get("format_id", 1.0))
        if version >= LIMIT:
            raise SourceError(
                f"{path}: version {version:g} of SLEAP's format is newer than is known here, below {LIMIT:g}"
            )
        skeletons = _skeletons(json.loads(text(file["metadata"].attrs["json"])))
        frames, instances = file["frames"][()], file["instances"][()]
        points = _points(file["points"][()], version, user=True), _points(file["pred_points"][()], version, user=False)
        videos = [_video(json.loads(text(value))) for value in file["videos_json"][()]]
        used = sorted({int(number) for number in instances["skeleton"]})
        remarks = []
        if len(used) > 1:
            remarks.append(f"{path}: has animals of {len(used)} skeletons; only those of the first are read")
        joints, bones, pairs = skeletons[used[0] if used else 0]
        replaced = set(instances["from_predicted"][instances["instance_type"] == USER].tolist())
        seen = []
        for frame in frames:
            rows = range(int(frame["instance_id_start"]), int(frame["instance_id_end"]))
            kept = [r for r in rows if r not in replaced and instances["skeleton"][r] == used[0]]
            people = np.array([_instance(instances[r], points, len(joints)) for r in kept]).reshape(-1, len(joints), 3)
            source = videos[int(frame["video"])]
            seen.append(Seen(source, int(frame["frame_idx"]), keypoints(people[..., :2], people[..., 2])))
        return KeypointFile(seen, joints, bones, pairs, remarks)


def _points(table: np.ndarray, version: float, user: bool) -> Float64[np.ndarray, "N 3"]:
    """x, y and score of all points; what a user placed is certain."""
    xy = np.stack([table["x"], table["y"]], axis=-1) - (0.5 if version < 1.1 else 0.0)
    score = np.ones(len(table)) if user else table["score"].astype(np.float64)
    return np.concatenate([xy, np.where(table["visible"], score, 0.0)[:, None]], axis=-1)


def _instance(row: Any, points: tuple[np.ndarray, np.ndarray], joints: int) -> np.ndarray:
    found = points[0 if row["instance_type"] == USER else 1][int(row["point_id_start"]) : int(row["point_id_end"])]
    if len(found) != joints:
        raise ValueError(f"an instance with {len(found)} points of a skeleton with {joints}")
    return found


def _video(video: dict[str, Any]) -> str:
    """The video's name, or that of the one whose frames are embedded."""
    backend = video.get("backend") or {}
    name = video.get("filename") or backend.get("filename") or ""
    if isinstance(name, list):  # pictures
        name = str(Path(str(name[0]).replace("\\", "/")).parent) if name else ""
    return str(name).replace("\\", "/").removesuffix("/.") if name != "." else ""


def _skeletons(
    metadata: dict[str, Any],
) -> list[tuple[tuple[str, ...], tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]]:
    """Joints, bones and symmetric pairs of each skeleton; edges name joints by their place in the file's list."""
    names, found = [str(node["name"]) for node in metadata["nodes"]], []
    for skeleton in metadata["skeletons"]:
        nodes = [node["id"] for node in skeleton["nodes"]]
        bones: list[tuple[int, int]] = []
        pairs: list[tuple[int, int]] = []
        types: list[int] = []
        for link in skeleton["links"]:
            ends = nodes.index(link["source"]), nodes.index(link["target"])
            kind = link.get("type", {})
            if "py/reduce" in kind:
                types.append(int(kind["py/reduce"][1]["py/tuple"][0]))
                number = types[-1]
            else:  # jsonpickle's reference to the n-th type before
                place = int(kind.get("py/id", BODY))
                number = types[place - 1] if 0 < place <= len(types) else place
            (pairs if number == SYMMETRY else bones).append(ends)
        unique = tuple(dict.fromkeys((min(pair), max(pair)) for pair in pairs))
        found.append((tuple(names[node] for node in nodes), tuple(bones), unique))
    return found
