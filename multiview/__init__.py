"""Live multi-person 3D skeletons from calibrated cameras.

What a notebook or a program needs stands here by name and is imported on first use, so that `import multiview` costs
nothing and loads no library:

    import multiview as mv

    rig, skeleton = mv.load_rig("rig.toml"), mv.load_skeleton("body25")
    folders = mv.open_keypoint_folders("keypoints", rig, skeleton)
    views, _ = mv.folder_views(folders, rig, fps=25)
    pipeline = mv.Pipeline(rig, skeleton)
    poses = mv.Poses.from_tracks(map(pipeline.step, views), skeleton)
    mv.write_poses(poses, "poses.parquet")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiview.body.skeleton import Skeleton, load_skeleton
    from multiview.cameras.camera import Camera, Rig
    from multiview.cameras.rig_file import load_rig, save_rig
    from multiview.client import connect
    from multiview.data import Keypoints2D, Pose3D, Track, Tracks, Views
    from multiview.detect import make_detector
    from multiview.errors import CalibrationError, ConfigError, MessageError, MultiviewError, SourceError
    from multiview.evaluation.metrics import compare
    from multiview.fusion.pipeline import Pipeline, PipelineOptions
    from multiview.fusion.smoother import Smoothed
    from multiview.geometry.triangulate import triangulate
    from multiview.recordings.ground_truth import Truth, read_truth
    from multiview.recordings.keypoint_folder import open_keypoint_folders
    from multiview.recordings.pose_table import Poses, read_poses, write_poses
    from multiview.recordings.recorded_keypoints import folder_views
    from multiview.recordings.take import Take, open_take
    from multiview.sources import open_source

__version__ = "0.1.0"

__all__ = [
    "CalibrationError",
    "Camera",
    "ConfigError",
    "Keypoints2D",
    "MessageError",
    "MultiviewError",
    "Pipeline",
    "PipelineOptions",
    "Pose3D",
    "Poses",
    "Rig",
    "Skeleton",
    "Smoothed",
    "SourceError",
    "Take",
    "Track",
    "Tracks",
    "Truth",
    "Views",
    "compare",
    "connect",
    "folder_views",
    "load_rig",
    "load_skeleton",
    "make_detector",
    "open_keypoint_folders",
    "open_source",
    "open_take",
    "read_poses",
    "read_truth",
    "save_rig",
    "triangulate",
    "write_poses",
]

_EXPORTS: dict[str, tuple[str, ...]] = {
    "multiview.body.skeleton": ("Skeleton", "load_skeleton"),
    "multiview.cameras.camera": ("Camera", "Rig"),
    "multiview.cameras.rig_file": ("load_rig", "save_rig"),
    "multiview.client": ("connect",),
    "multiview.data": ("Keypoints2D", "Pose3D", "Track", "Tracks", "Views"),
    "multiview.detect": ("make_detector",),
    "multiview.errors": ("CalibrationError", "ConfigError", "MessageError", "MultiviewError", "SourceError"),
    "multiview.evaluation.metrics": ("compare",),
    "multiview.fusion.pipeline": ("Pipeline", "PipelineOptions"),
    "multiview.fusion.smoother": ("Smoothed",),
    "multiview.geometry.triangulate": ("triangulate",),
    "multiview.recordings.ground_truth": ("Truth", "read_truth"),
    "multiview.recordings.keypoint_folder": ("open_keypoint_folders",),
    "multiview.recordings.pose_table": ("Poses", "read_poses", "write_poses"),
    "multiview.recordings.recorded_keypoints": ("folder_views",),
    "multiview.recordings.take": ("Take", "open_take"),
    "multiview.sources": ("open_source",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    """Import an exported name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'multiview' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
