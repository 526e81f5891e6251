"""NWB with the extension ndx-pose: series of 2D positions for each body part, one PoseEstimation per animal.

Read from its HDF5 directly. The video that a PoseEstimation names, or else its own name, tells the camera. A sample's
number is the frame, by its rate or time stamps where they start later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiview.keypoint_formats._hdf5 import holds, is_hdf5, opened, text, texts
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, numbered

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".nwb",)
WHAT = "an NWB file with ndx-pose"
MOST_FRAMES = 10**8


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is NWB."""
    return is_hdf5(head) and holds(path, ("nwb_version",))


def read(path: Path) -> KeypointFile:
    """All animals of all cameras."""
    with opened(path, WHAT) as file:
        found = _of_type(file, "PoseEstimation")
        if not found:
            raise ValueError("it has no PoseEstimation")
        joints, bones = _skeleton(file, found)
        by_source: dict[str, list[Any]] = {}
        for group in found:
            by_source.setdefault(_source(group, str(group.name), len(found)), []).append(group)
        seen: list[Seen] = []
        for source, animals in by_source.items():
            arrays = [_animal(group, joints) for group in animals]
            frames = range(max((len(xy) for xy, _ in arrays), default=0))
            shape = (len(frames), len(arrays), len(joints))
            xy, score = np.full((*shape, 2), np.nan), np.zeros(shape)
            for n, (places, scores) in enumerate(arrays):
                xy[: len(places), n], score[: len(places), n] = places, scores
            seen += numbered(source, frames, xy, score)
        return KeypointFile(seen, joints, bones)


def _of_type(group: Any, wanted: str) -> list[Any]:
    found: list[Any] = []

    def visit(_: str, item: Any) -> None:
        if text(item.attrs.get("neurodata_type", "")) == wanted:
            found.append(item)

    group.visititems(visit)
    return found


def _source(group: Any, name: str, groups: int) -> str:
    """The video's path, else the name of the PoseEstimation where there are several."""
    for videos in ("original_videos", "labeled_videos"):
        if videos in group and group[videos].size and texts(group[videos])[0]:
            return texts(group[videos])[0].replace("\\", "/")
    return name.rsplit("/", 1)[-1] if groups > 1 else ""


def _skeleton(file: Any, found: list[Any]) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Nodes and edges of the only skeleton, or of the estimations themselves; else the series' names."""
    for group in [*_of_type(file, "Skeleton"), *found]:
        if "nodes" in group:
            edges = group["edges"][()].reshape(-1, 2).tolist() if "edges" in group else []
            return texts(group["nodes"]), tuple((int(a), int(b)) for a, b in edges)
    names = (text(s.name).rsplit("/", 1)[-1] for group in found for s in _of_type(group, "PoseEstimationSeries"))
    return tuple(dict.fromkeys(names)), ()


def _animal(group: Any, joints: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(T, J, 2) px and (T, J)."""
    series = {str(item.name).rsplit("/", 1)[-1]: item for item in _of_type(group, "PoseEstimationSeries")}
    # ndx-pose's older examples name the series PoseEstimationSeriesNOSE.
    named = {joint: series.get(joint, series.get(f"PoseEstimationSeries{joint}")) for joint in joints}
    measured = {joint: one for joint, one in named.items() if one is not None}
    numbers = {joint: _frames(one) for joint, one in measured.items()}
    if not numbers:
        raise ValueError(f"its series {', '.join(series)} are not named as its nodes {', '.join(joints)}")
    count = max((int(rows.max()) + 1 for rows in numbers.values() if len(rows)), default=0)
    if count > MOST_FRAMES:
        raise ValueError(f"its time stamps would make {count} frames")
    xy, score = np.full((count, len(joints), 2), np.nan), np.zeros((count, len(joints)))
    for joint, rows in numbers.items():
        column, one = joints.index(joint), measured[joint]
        if one["data"].shape[1:] != (2,):
            raise ValueError(f"{one.name} has data of shape {one['data'].shape}, not x and y in pictures")
        xy[rows, column] = one["data"][()]
        score[rows, column] = one["confidence"][()] if "confidence" in one else 1.0
    return xy, score


def _frames(series: Any) -> np.ndarray:
    """The frame of each sample: series may begin after the video does, and stamps may leave frames out."""
    samples = len(series["data"])
    if "timestamps" in series and samples > 1:
        times = np.asarray(series["timestamps"][()], dtype=np.float64)
        steps = np.diff(times)
        if not (np.isfinite(times).all() and (steps > 0).all()):
            raise ValueError("its time stamps do not rise")
        step = float(np.median(steps[steps < 1.5 * steps.min()]))  # of one frame; others are gaps
        later = np.cumsum(np.maximum(1.0, np.rint(steps / step)))
        return np.rint(times[0] / step).astype(np.int64) + np.concatenate([[0], later.astype(np.int64)])
    start = series.get("starting_time", None)
    first = 0 if start is None else max(0, round(float(start[()]) * float(start.attrs.get("rate", 0.0))))
    return np.arange(first, first + samples)
