"""Rerun's recording (.rrd): people with bones and names, how sure each joint is, and the cameras, on three time lines.

Metres, z up. A person is an entity of points, whose skeleton the viewer draws; a filled joint is paler. `frame` counts
frames, `time` is seconds from the first one, `utc` is there where the take knows it. A camera has its pinhole, and its
pictures as /world/cameras/NAME/picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.drawing.rerun_entities import (
    JOINT_M,
    camera_entity,
    describe_cameras,
    describe_people,
    person_colours,
    person_entity,
)
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._scene import PersonTrack, Scene, scene_of
from multiview.recordings.pose_table import Poses

try:
    import rerun as rr
except ModuleNotFoundError:
    raise MultiviewError("Rerun's format needs one more package: pip install multiview-mocap[rerun]") from None

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        return self.write_scene(scene_of(poses), stem, progress)

    def write_scene(self, scene: Scene, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(scene.poses):
            return []
        path = stem.with_name(stem.name + ".rrd")
        stream = rr.RecordingStream("multiview", recording_id=stem.name, send_properties=False)
        memory = stream.memory_recording()  # what cannot be written to a file Rerun only logs
        tracks = list(scene.tracks())
        people = [(number, track.number, track.label) for number, track in enumerate(tracks, start=1)]
        describe_people(stream, scene.poses.joints, scene.bones, people)
        describe_cameras(stream, scene.cameras, scene.width_px)
        _send_pictures(stream, scene)
        for done, track in enumerate(tracks, start=1):
            _send(stream, scene, track, done)
            progress(done / (len(tracks) + 1))
        with replacing(path) as temporary:
            temporary.write_bytes(memory.drain_as_bytes())
        return [path]


def _send_pictures(stream: rr.RecordingStream, scene: Scene) -> None:
    """At their own times; of their frames nobody asks."""
    for picture in scene.pictures:
        stream.reset_time()
        since_ns = picture.time_ns - int(scene.time_ns[0])
        stream.set_time("time", duration=since_ns / NS_PER_S)
        if scene.utc_ns.all():
            stream.set_time("utc", timestamp=np.datetime64(int(scene.utc_ns[0]) + since_ns, "ns"))
        image = rr.EncodedImage(contents=picture.jpeg, media_type="image/jpeg")
        stream.log(f"{camera_entity(picture.camera)}/picture", image)
    stream.reset_time()


def _send(stream: rr.RecordingStream, scene: Scene, track: PersonTrack, number: int) -> None:
    """A person's points in every frame, none where they are away, and the deviation of their median joint."""
    poses, there = scene.poses, track.row >= 0
    xyz = np.where(there[:, None, None], poses.xyz[track.row], np.nan)
    known = np.isfinite(xyz).all(axis=-1)
    joint = np.nonzero(known)[1]
    counts = known.sum(axis=1)
    points = rr.Points3D.columns(
        positions=xyz[known],
        radii=np.full(len(joint), JOINT_M),
        colors=person_colours(track.number, poses.filled[track.row][known]),
        class_ids=np.full(len(joint), number),
        keypoint_ids=joint,
    )
    stream.send_columns(
        person_entity(track.label),
        _times(scene, np.arange(len(there))),
        points.partition(counts),
    )
    sigma = np.where(known, poses.sigma[track.row], np.nan)
    sure = np.flatnonzero(np.isfinite(sigma).any(axis=1))
    if len(sure):
        stream.send_columns(
            rr.new_entity_path(["figures", track.label, "sigma_mm"]),
            _times(scene, sure),
            rr.Scalars.columns(scalars=1e3 * np.nanmedian(sigma[sure], axis=1)),
        )


def _times(scene: Scene, which: np.ndarray) -> list[Any]:
    """The time lines of some frames."""
    since = (scene.time_ns[which] - scene.time_ns[0]) / NS_PER_S
    lines = [rr.TimeColumn("frame", sequence=scene.frame[which]), rr.TimeColumn("time", duration=since)]
    if scene.utc_ns.all():
        lines.append(rr.TimeColumn("utc", timestamp=scene.utc_ns[which].astype("datetime64[ns]")))
    return lines
