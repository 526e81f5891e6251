"""From images to the corner table: every camera's board corners in every frame, cameras in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from calib.board.found import Found, Identified
from calib.board.target import Target, finder_of, identify_target
from calib.corners.corners import Corners
from calib.corners.pictures import Picture, Pictures
from calib.corners.sample_pictures import SamplePicture, SamplePictures
from multiview.data import FrameNumber, FrameNumbers, Times
from multiview.errors import SourceError

__all__ = ["CameraSummary", "Detected", "detect", "search_steps"]

_SAMPLES = 8
_MAX_FRAMES = 900  # per camera; a longer video is read at every second frame, third frame, ...
_RAREST_S = 1 / 7.5  # but so often that the board's motion, which relates the cameras' clocks, can be followed


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """Summary of one camera's detection.

    Attributes:
        name: Of the camera.
        pictures: Number of images searched.
        boards: Number of those with the board.
        corners: Number of corners kept.
        rejected: How many were rejected for blur or glare.
        remarks: In words.
    """

    name: str
    pictures: int
    boards: int
    corners: int
    rejected: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """The board's corners in a recording.

    Attributes:
        corners: The table.
        identified: Which board it is, and which cameras mirror it.
        summaries: One per camera.
    """

    corners: Corners
    identified: Identified[Target]
    summaries: tuple[CameraSummary, ...]


def detect(
    sources: list[Pictures],
    stated: Target,
    every: int | None = None,
    advanced: Callable[[str, int], None] = lambda name, count: None,
) -> Detected:
    """Find the board in all pictures, one thread per camera.

    Args:
        sources: Pictures of each camera.
        stated: The board as its file says; what is left open or wrong is found out.
        every: Look at every so many-th picture; None: as many as 900 per camera, or 7 a second.
        advanced: Called as `advanced(camera, pictures)` while work is done, from several threads.

    Returns:
        The corners, and what was found out.

    Raises:
        SourceError: Two cameras have one name, one camera has pictures of two sizes, or no picture shows a board.
    """
    import cv2

    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"two cameras are named {name!r}; give other names with --cameras")
    cv2.setNumThreads(1)  # one thread per camera is faster than several inside each
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        samples = dict(zip(names, pool.map(lambda s: [p.grey for p in s.samples(_SAMPLES)], sources), strict=True))
        identified = identify_target(samples, stated)
        steps = [every] * len(sources) if every else search_steps([(s.count, s.fps) for s in sources])
        tables = list(
            pool.map(lambda own: _camera(own[0], identified, own[1], advanced), zip(sources, steps, strict=True))
        )
    found = [i for i, table in enumerate(tables) if table[1]]
    if not found and any("two boards of one print" in text for table in tables for text in table[0].remarks):
        raise SourceError(
            f"all images of {', '.join(names)} in which a board was found show two of one print at once: "
            "keep one in view, and record again"
        )
    if not found:
        raise SourceError(
            f"no board in any image of {', '.join(names)}: expected {identified.board.words()}; "
            + (identified.hint or "record it whole in view and well lit, and check the board file")
        )
    rows = [row for i in found for row in tables[i][1]]
    counts = [len(row[3].corner) for row in rows]
    corners = Corners(
        tuple(names[i] for i in found),
        tuple(tables[i][2] for i in found),
        np.repeat([found.index(row[0]) for row in [(names.index(r[0]),) for r in rows]], counts),
        FrameNumbers(np.repeat([row[1] for row in rows], counts)),
        Times(np.repeat([row[2] for row in rows], counts)),
        np.concatenate([row[3].corner for row in rows]),
        np.concatenate([row[3].xy for row in rows]),
        identified.board,
        tuple(one for i in found for one in tables[i][3]),
    )
    return Detected(corners, identified, tuple(table[0] for table in tables))


def search_steps(recordings: list[tuple[int, float]]) -> list[int]:
    """Every how many-th picture of each camera is searched, so that all are searched about equally often.

    Args:
        recordings: Number of pictures and rate (Hz) of each camera.

    Returns:
        Steps, 1 or more; the same for cameras of one rate.
    """
    interval_s = min(max(count / fps for count, fps in recordings) / _MAX_FRAMES, _RAREST_S)
    return [max(1, int(np.ceil(interval_s * fps - 1e-6))) for _, fps in recordings]


def _camera(
    source: Pictures, identified: Identified[Target], step: int, advanced: Callable[[str, int], None]
) -> tuple[CameraSummary, list[tuple[str, FrameNumber, float, Found]], tuple[int, int], tuple[SamplePicture, ...]]:
    finder = finder_of(identified.board, source.name in identified.mirrored)
    rows: list[tuple[str, FrameNumber, float, Found]] = []
    sizes: set[tuple[int, int]] = set()
    pictures = SamplePictures(source.name)
    looked = rejected = last = untimed = copies = 0
    for picture in source.read(step):
        looked, last = looked + 1, picture.frame
        size = (picture.grey.shape[1], picture.grey.shape[0])
        if sizes and size not in sizes:
            raise SourceError(_other_size(source, picture, sizes.pop()))
        sizes.add(size)
        found = finder.find(picture.grey)
        rejected += found.rejected
        copies += found.copies
        untimed += not np.isfinite(picture.time)
        if len(found.corner) and np.isfinite(picture.time):
            rows.append((source.name, picture.frame, picture.time, found))
            pictures.offer(picture.frame, picture.grey, found)
        advanced(source.name, step)
    remarks = []
    if not source.files and last + step < source.count - 1:
        remarks.append(f"ends after {last + 1} of {source.count} frames: the file is cut off")
    if source.files and looked * step < source.count:
        remarks.append(f"{source.count - looked * step} images cannot be read")
    if copies:
        remarks.append(
            f"shows two boards of one print at once in {copies} of {looked} images, which are left out: "
            "nothing tells them apart, so keep one in view"
        )
    if untimed:
        remarks.append(f"has no time for {untimed} images in its timestamps file: they are left out")
    if not rows:
        remarks.append("has no image with the board")
    corners = sum(len(row[3].corner) for row in rows)
    summary = CameraSummary(source.name, looked, len(rows), corners, rejected, tuple(remarks))
    return summary, rows, sizes.pop() if sizes else (0, 0), pictures.chosen()


def _other_size(source: Pictures, picture: Picture, before: tuple[int, int]) -> str:
    """Which picture differs from those before it, and what to do."""
    name = dict(source.files)[picture.frame].name if source.files else f"frame {picture.frame}"
    return (
        f"{source.path}: {name} is {picture.grey.shape[1]}x{picture.grey.shape[0]}, the images before it are "
        f"{before[0]}x{before[1]}: take out those of another size, or record all of a camera's images at one resolution"
    )
