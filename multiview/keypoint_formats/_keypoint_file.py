"""What a file of 2D keypoints holds, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from multiview.data import Keypoints2D
from multiview.errors import SourceError

__all__ = ["KeypointFile", "Seen", "keypoints", "numbered", "one_image"]

MAX_FRAME = 10**18


@dataclass(frozen=True, slots=True)
class Seen:
    """What one image shows.

    Attributes:
        source: The video, picture or camera as the file names it, perhaps with folders; empty where it does not.
        frame: Number of the frame; None where only the name of a picture tells.
        keypoints: Who is there.
    """

    source: str
    frame: int | None
    keypoints: Keypoints2D


@dataclass(slots=True)
class KeypointFile:
    """All that one file holds.

    Attributes:
        seen: What each image shows.
        joints: Names in the order of the keypoints; empty where the file does not name them.
        bones: Pairs of joints, the parent first.
        symmetric_pairs: Pairs (left, right) as the file states them; empty where it does not.
        remarks: What was assumed or left out.
    """

    seen: list[Seen]
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()
    symmetric_pairs: tuple[tuple[int, int], ...] = ()
    remarks: list[str] = field(default_factory=list)


def keypoints(xy: ArrayLike, score: ArrayLike) -> Keypoints2D:
    """People as a program wrote them, cleaned: a joint without a positive score or a finite number is missing.

    People without any joint are left out, scores are at most 1, numbers are rounded to float32, as on the wire.

    Args:
        xy: (P, J, 2) px.
        score: (P, J).

    Returns:
        Keypoints of those who are left.
    """
    points = np.asarray(xy, dtype=np.float32).astype(np.float64)
    scores = np.asarray(score, dtype=np.float32).astype(np.float64)
    there = np.isfinite(points).all(axis=-1) & np.isfinite(scores) & (scores > 0)
    kept = there.any(axis=-1)
    points = np.where(there[..., None], points, np.nan)[kept]
    return Keypoints2D(points, np.where(there, np.minimum(scores, 1.0), 0.0)[kept])


def one_image(people: Sequence[Sequence[Sequence[float]]], joints: int, where: str) -> Keypoints2D:
    """The people of one image from their (x, y, score) triples.

    Args:
        people: For each person J triples.
        joints: J.
        where: Of which image, for the message.

    Returns:
        Their keypoints.

    Raises:
        SourceError: Somebody has another number of joints.
    """
    for person in people:
        if len(person) != joints:
            raise SourceError(f"{where}: {len(person)} joints for one person and {joints} for another")
    if not people:
        return Keypoints2D.nobody(joints)
    triples: Float64[np.ndarray, "P J 3"] = np.array(people, dtype=np.float64).reshape(len(people), joints, 3)
    return keypoints(triples[..., :2], triples[..., 2])


def numbered(
    source: str,
    frames: Sequence[int],
    xy: Float64[np.ndarray, "T P J 2"],
    score: Float64[np.ndarray, "T P J"],
) -> Iterator[Seen]:
    """One video's frames from arrays.

    Args:
        source: Name of the video.
        frames: T numbers.
        xy: (T, P, J, 2) px.
        score: (T, P, J).

    Yields:
        What each frame shows.

    Raises:
        ValueError: A number cannot be that of a frame.
    """
    for row, frame in enumerate(frames):
        if not 0 <= frame < MAX_FRAME:
            raise ValueError(f"frame {frame}: frames are numbered from 0")
        yield Seen(source, int(frame), keypoints(xy[row], score[row]))
