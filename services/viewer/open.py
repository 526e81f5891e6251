"""Open a live studio or a recording for `multiview viewer`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.body.skeleton import Skeleton, find_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.editing.take_poses import take_poses, take_rig
from multiview.errors import ConfigError, SourceError
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from multiview.studio.config import Studio
from multiview.studio.derived import pipeline_options, studio_rig, studio_skeleton
from multiview.studio.studio_file import load_studio
from multiview.studio.take_studio import take_studio
from services.viewer.feed import Feed, PosesFeed
from services.viewer.record import Recording

__all__ = ["Opened", "open_live", "open_recording"]

_TALL_M = 2.2  # how high a volume without an upper limit is drawn


class Opened(NamedTuple):
    """Data that the viewer needs.

    `volume` has two opposite corners (m), `recording` is set where takes can be recorded; `names` can
    be assigned to people.
    """

    rig: Rig
    skeleton: Skeleton
    feed: Feed
    volume: Float64[np.ndarray, "2 3"] | None = None
    recording: Recording | None = None
    names: tuple[str, ...] = ()


def open_live(studio_file: Path) -> Opened:
    """The stream of a studio that runs, or will."""
    from services.runtime.process import begin_service
    from services.viewer.stream import StreamFeed

    begin_service("viewer")
    recording = Recording(studio_file)  # before this process lowers its priority, which a recorder would inherit
    studio = load_studio(studio_file)
    rig, skeleton = studio_rig(studio), studio_skeleton(studio)
    feed = StreamFeed(studio.hub, rig, len(skeleton.joints))
    names = tuple(actor.name for actor in studio.actors)
    return Opened(rig, skeleton, feed, _volume(studio, rig), recording, names)


def open_recording(path: Path, rig_path: Path | None, start_s: float, paused: bool) -> Opened:
    """A take, or poses with a rig file beside them."""
    from services.viewer.take_keypoints import TakeKeypoints  # loads fusion, which a live viewer does without

    poses, _ = take_poses(path)
    folder = path if path.is_dir() else path.parent
    rig_path = rig_path or (take_rig(path) if path.is_dir() else folder / "rig.toml")
    if not rig_path.is_file():
        raise ConfigError(f"no rig at {rig_path}: give --rig rig.toml")
    rig, take = load_rig(rig_path), Take(folder)
    volume = _recorded_volume(take, rig) if take.studio.is_file() else None
    recorded = path.is_dir() and bool(Take(path).recordings())
    keypoints = TakeKeypoints(Take(path), rig_path, blocking=paused) if recorded else None
    feed = PosesFeed(poses, start_s, paused, poses.names, keypoints)
    return Opened(rig, _skeleton(poses, folder), feed, volume)


def _skeleton(poses: Poses, folder: Path) -> Skeleton:
    skeleton = find_skeleton(poses.skeleton, folder) if poses.skeleton else None
    if skeleton is None or skeleton.joints != poses.joints:
        raise ConfigError("the poses name no skeleton that ships with multiview; write them with `multiview fuse`")
    return skeleton


def _recorded_volume(take: Take, rig: Rig) -> Float64[np.ndarray, "2 3"] | None:
    """None, with a warning, if the studio file is not readable: poses of an older version are shown all the same."""
    try:
        return _volume(take_studio(take), rig)
    except (ConfigError, SourceError) as error:
        logging.warning("the capture volume is not shown: %s", error)
        return None


def _volume(studio: Studio, rig: Rig) -> Float64[np.ndarray, "2 3"] | None:
    """The studio's capture volume; sides without a limit end where the cameras stand, on the floor, above heads."""
    volume = pipeline_options(studio).volume
    corners = np.array([volume.min, volume.max])
    if not np.isfinite(corners).any():
        return None
    centres = np.array([camera.centre for camera in rig.cameras])
    low, high = centres.min(axis=0), centres.max(axis=0)
    if rig.world != "camera":
        low[2], high[2] = 0.0, _TALL_M
    return np.where(np.isfinite(corners), corners, [low, high])
