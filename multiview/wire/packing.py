"""The library's values to messages and back: rounded to float32 on the way, and whatever makes no sense is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiview.data import Keypoints2D, Pose3D, TimeNs, Track, Tracks
from multiview.wire.messages import KeypointsMessage, PosesMessage, write_blob

__all__ = ["pack_keypoints", "pack_tracks", "unpack_keypoints", "unpack_tracks"]

_COV_2D = [0, 1, 3]  # cxx, cxy, cyy in a row-major 2x2 matrix
_COV_3D = [0, 1, 2, 4, 5, 8]  # the upper triangle of a row-major 3x3 matrix
_FULL_3D = [0, 1, 2, 1, 3, 4, 2, 4, 5]  # and back


def pack_keypoints(keypoints: Keypoints2D, **header: Any) -> KeypointsMessage:
    """A message of these keypoints; `header` holds the message's other fields."""
    parts = [keypoints.xy, keypoints.score[..., None]]
    if keypoints.visibility is not None:
        parts.append(keypoints.visibility[..., None])
    if keypoints.cov is not None:
        parts.append(keypoints.cov.reshape(*keypoints.score.shape, 4)[..., _COV_2D])
    people, joints = keypoints.score.shape
    return KeypointsMessage(
        people=people,
        joints=joints,
        visibility=keypoints.visibility is not None,
        covariance=keypoints.cov is not None,
        blob=write_blob(np.concatenate(parts, axis=-1)),
        **header,
    )


def unpack_keypoints(message: KeypointsMessage) -> Keypoints2D:
    """The keypoints in float64; a joint with a number that makes no sense is missing (score 0, NaN)."""
    from multiview.wire.unpack_kernels import read  # whoever only packs needs no compiler

    table = np.frombuffer(message.blob, "<f4").reshape(message.people, message.joints, message.channels)
    shape = table.shape[:2]
    xy, score = np.empty((*shape, 2)), np.empty(shape)
    visibility = np.empty(shape if message.visibility else (0, 0))
    cov = np.empty((*shape, 2, 2) if message.covariance else (0, 0, 2, 2))
    read(table, xy, score, visibility, cov)
    return Keypoints2D(xy, score, cov if message.covariance else None, visibility if message.visibility else None)


def pack_tracks(tracks: Tracks, joints: int, **header: Any) -> PosesMessage:
    """A message of these people; `header` holds the message's other fields."""
    table = np.empty((len(tracks.tracks), joints, 12))
    for row, track in zip(table, tracks.tracks, strict=True):
        pose = track.pose
        row[:, :3] = pose.xyz
        row[:, 3:9] = pose.cov.reshape(joints, 9)[:, _COV_3D]
        row[:, 9], row[:, 10], row[:, 11] = pose.score, pose.views, pose.filled
    names = [track.name for track in tracks.tracks]
    contacts = [track.pose.contact for track in tracks.tracks]
    looked = any(contact is not None for contact in contacts)
    return PosesMessage(
        tick=tracks.tick,
        time_ns=tracks.time_ns,
        utc_ns=tracks.utc_ns,
        joints=joints,
        people=[track.person for track in tracks.tracks],
        names=names if any(names) else [],
        contacts=[[] if one is None else np.flatnonzero(one).tolist() for one in contacts] if looked else [],
        blob=write_blob(table),
        **header,
    )


def unpack_tracks(message: PosesMessage) -> Tracks:
    """The people in float64; a joint with a number that makes no sense is unknown (score 0, NaN)."""
    table = message.table()
    good = np.isfinite(table).all(-1) & (table[..., 9] > 0)
    xyz = np.where(good[..., None], table[..., :3], np.nan)
    cov = np.where(good[..., None], table[..., 3:9], np.nan)[..., _FULL_3D].reshape(*good.shape, 3, 3)
    score = np.where(good, np.minimum(table[..., 9], 1.0), 0.0)
    views = np.where(good, np.clip(np.nan_to_num(table[..., 10]), 0, 1024), 0).astype(np.int64)
    filled = good & (table[..., 11] > 0.5)
    names = message.names or [""] * len(message.people)
    contact: list[np.ndarray | None] = [None] * len(message.people)
    for n, standing in enumerate(message.contacts):
        contact[n] = good[n] & np.isin(np.arange(message.joints), standing)
    people = zip(message.people, names, xyz, cov, score, views, filled, contact, strict=True)
    poses = tuple(Track(person, Pose3D(*arrays), name) for person, name, *arrays in people)
    return Tracks(message.tick, TimeNs(message.time_ns), poses, message.utc_ns)
