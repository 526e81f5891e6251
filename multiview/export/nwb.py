"""NWB with the extension ndx-pose: a PoseEstimation for each person or animal, in the processing module `behavior`.

Every joint is a PoseEstimationSeries of x, y and z in metres in all frames of the take, z up, NaN where it is unknown;
`confidence` is its score, 0 where it is unknown or filled by bones and motion. Time stamps are seconds from the first
frame, whose UTC is the session's start, or 1970 where the take does not know it. Bones are the edges of the Skeleton.

References:
    Rübel et al. 2022, eLife 11, e78362: NWB. https://github.com/rly/ndx-pose
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.errors import ConfigError, MultiviewError
from multiview.export import Progress, silent
from multiview.export._scene import PersonTrack, Scene, scene_of
from multiview.recordings.pose_table import Poses

try:
    import h5py
    import ndx_pose
    import pynwb
except ModuleNotFoundError:
    raise MultiviewError("NWB needs two more packages: pip install multiview-mocap[nwb]") from None

__all__ = ["Exporter"]

_FRAME = "world of the cameras: x, y horizontal, z up"
_CONFIDENCE = "score of the pose network, mean over the cameras; 0: unknown, or placed by bones and motion"


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        return self.write_scene(scene_of(poses), stem, progress)

    def write_scene(self, scene: Scene, stem: Path, progress: Progress = silent) -> list[Path]:
        if scene.width_px:
            raise ConfigError("nwb files show no videos: leave --videos out")
        if not len(scene.poses):
            return []
        file = _file(scene, stem.name)
        behaviour = file.create_processing_module("behavior", "poses in 3D, by multiview")
        tracks = list(scene.tracks())
        edges = np.array(scene.bones, dtype=np.uint8 if len(scene.poses.joints) < 256 else np.uint16).reshape(-1, 2)
        nodes = list(scene.poses.joints)
        skeletons = [ndx_pose.Skeleton(name=track.label, nodes=nodes, edges=edges) for track in tracks]
        behaviour.add(ndx_pose.Skeletons(skeletons=skeletons))
        for track, skeleton in zip(tracks, skeletons, strict=True):
            behaviour.add(_estimation(scene, track, skeleton))
        path = stem.with_name(stem.name + ".nwb")
        with replacing(path) as temporary:
            temporary.write_bytes(_content(file))
        progress(1.0)
        return [path]


def _content(file: Any) -> bytes:
    """Made in memory: a disk that fills up would leave HDF5 in a state in which it crashes later."""
    content = io.BytesIO()
    with h5py.File(content, "w") as hdf5, pynwb.NWBHDF5IO(file=hdf5, mode="w") as output:
        output.write(file)
    return content.getvalue()


def _file(scene: Scene, name: str) -> Any:
    begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(scene.utc_ns[0]) // 1000)
    return pynwb.NWBFile(
        session_description=f"3D poses of {name}",
        identifier=f"{name} {begin.isoformat(timespec='milliseconds')}",
        session_start_time=begin,
    )


def _estimation(scene: Scene, track: PersonTrack, skeleton: Any) -> Any:
    there = track.row >= 0
    rows = track.row[there]
    shape = (len(scene.frame), len(scene.poses.joints))
    xyz: Float64[np.ndarray, "F J 3"] = np.full((*shape, 3), np.nan)
    score: Float64[np.ndarray, "F J"] = np.zeros(shape)
    xyz[there] = scene.poses.xyz[rows]
    known = np.isfinite(scene.poses.xyz[rows]).all(axis=-1) & ~scene.poses.filled[rows]
    score[there] = np.where(known, scene.poses.score[rows], 0.0)
    times: Any = (scene.time_ns - scene.time_ns[0]) / NS_PER_S
    series: list[Any] = []
    for joint, name in enumerate(scene.poses.joints):
        series.append(
            ndx_pose.PoseEstimationSeries(
                name=name,
                data=xyz[:, joint],
                reference_frame=_FRAME,
                unit="meters",
                confidence=score[:, joint],
                confidence_definition=_CONFIDENCE,
                timestamps=series[0] if series else times,  # the others point to the first one's
            )
        )
    return ndx_pose.PoseEstimation(
        name=track.label,
        pose_estimation_series=series,
        description="joints in 3D, fused from several cameras",
        source_software="multiview",
        scorer="multiview",
        skeleton=skeleton,
    )
