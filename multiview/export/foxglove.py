"""MCAP with Foxglove's own schemas, for Foxglove and Lichtblick: people in 3D, cameras, their lenses and pictures.

`/people` is a SceneUpdate for every frame (metres, z up, frame "world"), `/cameras` the FrameTransforms from it to each
camera, `/cameras/NAME` its CameraCalibration, and `/cameras/NAME/picture` its CompressedImages. Filled joints, and
bones that end in one, are paler. Messages carry UTC where the take knows it, else seconds from the first frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiview.common.atomic_file import replacing
from multiview.drawing.foxglove_messages import (
    Figure,
    camera_calibration,
    camera_transforms,
    compressed_image,
    scene_update,
)
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._scene import PersonTrack, Scene, scene_of
from multiview.recordings.pose_table import Poses

try:
    import foxglove
    from foxglove.channels import (
        CameraCalibrationChannel,
        CompressedImageChannel,
        FrameTransformsChannel,
        SceneUpdateChannel,
    )
except ModuleNotFoundError:
    raise MultiviewError("Foxglove's format needs one more package: pip install multiview-mocap[foxglove]") from None

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        return self.write_scene(scene_of(poses), stem, progress)

    def write_scene(self, scene: Scene, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(scene.poses):
            return []
        path = stem.with_name(stem.name + ".foxglove.mcap")
        context = foxglove.Context()
        with replacing(path) as temporary, foxglove.open_mcap(temporary, allow_overwrite=True, context=context):
            times = scene.utc_ns if scene.utc_ns.all() else scene.time_ns - scene.time_ns[0]
            _log_cameras(scene, int(times[0]), context)
            _log_pictures(scene, int(times[0] - scene.time_ns[0]), context)
            people = SceneUpdateChannel("/people", context=context)
            tracks = list(scene.tracks())
            for index, now_ns in enumerate(times.tolist()):
                people.log(_update(scene, tracks, index, now_ns), log_time=now_ns)
                progress((index + 1) / len(times))
        return [path]


def _log_cameras(scene: Scene, now_ns: int, context: Any) -> None:
    """Once, at the beginning: they stand still."""
    for camera in scene.cameras:
        channel = CameraCalibrationChannel(f"/cameras/{camera.name}", context=context)
        channel.log(camera_calibration(camera, now_ns), log_time=now_ns)
    if scene.cameras:
        transforms = camera_transforms(scene.cameras, now_ns)
        FrameTransformsChannel("/cameras", context=context).log(transforms, log_time=now_ns)


def _log_pictures(scene: Scene, later_ns: int, context: Any) -> None:
    """`later_ns` is from the clock of the ticks to that of the messages."""
    channels: dict[str, Any] = {}
    for picture in scene.pictures:
        if picture.camera not in channels:
            topic = f"/cameras/{picture.camera}/picture"
            channels[picture.camera] = CompressedImageChannel(topic, context=context)
        now_ns = picture.time_ns + later_ns
        channels[picture.camera].log(compressed_image(picture.camera, picture.jpeg, now_ns), log_time=now_ns)


def _update(scene: Scene, tracks: list[PersonTrack], index: int, now_ns: int) -> Any:
    """Who is there in one frame, and who has left since the frame before."""
    poses = scene.poses
    figures = [
        Figure(track.number, track.label, poses.xyz[track.row[index]], poses.filled[track.row[index]])
        for track in tracks
        if track.row[index] >= 0
    ]
    left = [track.number for track in tracks if index and track.row[index - 1] >= 0 > track.row[index]]
    return scene_update(figures, left, poses.joints, scene.bones, now_ns)
