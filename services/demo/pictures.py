"""Images of the demo: a video of skeletons in two camera views, the room from above, the 3D viewer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.video_writer import VideoWriter
from multiview.data import Pose3D, Track
from multiview.drawing.overlay import draw_floor, draw_keypoints, draw_label, draw_skeletons, empty_picture
from multiview.drawing.top_view import draw_top_view, floor_extent
from multiview.recordings.pose_table import Poses
from multiview.synthetic import Studio

__all__ = ["room_from_above", "skeleton_video", "tracks_of", "viewer_snapshot"]

_VIEW = (768, 432)  # px, of one camera in the video


def tracks_of(poses: Poses, frame: int) -> list[Track]:
    """Everyone at one frame."""
    first, last = np.searchsorted(poses.frame, [frame, frame + 1])
    return [
        Track(
            int(poses.person[i]),
            Pose3D(poses.xyz[i], poses.cov[i], poses.score[i], poses.views[i], poses.filled[i]),
        )
        for i in range(first, last)
    ]


def skeleton_video(studio: Studio, rig: Rig, poses: Poses, path: Path) -> Path:
    """Two opposite cameras side by side: detections as crosses, fused people as skeletons."""
    from rich.progress import track

    chosen = sorted({0, len(rig) // 2})
    small = [_scaled(rig.cameras[c], _VIEW) for c in chosen]
    extent = floor_extent(rig, np.zeros((0, 2)))
    grounds = []
    for camera in small:
        ground = empty_picture(*_VIEW)
        draw_floor(ground, camera, extent)
        draw_label(ground, camera.name, (14, 24))
        grounds.append(ground)
    skeleton = load_skeleton(poses.skeleton)
    scales = [np.array(camera.size) / rig.cameras[c].size for camera, c in zip(small, chosen, strict=True)]
    size = (_VIEW[0] * len(chosen), _VIEW[1])
    with replacing(path) as temporary, VideoWriter(temporary, size, studio.fps) as writer:
        for frame in track(range(studio.frames), description="drawing the video"):
            views = []
            for camera, c, ground, scale in zip(small, chosen, grounds, scales, strict=True):
                picture = ground.copy()
                seen = studio.keypoints(c, frame)
                if seen is not None:
                    draw_keypoints(picture, type(seen)(seen.xy * scale, seen.score))
                draw_skeletons(picture, camera, skeleton, tracks_of(poses, frame))
                views.append(picture)
            draw_label(views[-1], f"{frame / studio.fps:5.2f} s", (_VIEW[0] - 90, 24))
            writer.write(np.concatenate(views, axis=1))
    return path


def room_from_above(rig: Rig, poses: Poses, path: Path) -> Path:
    """Draw everyone's path, and their poses in the middle of the recording."""
    middles = np.nanmean(np.where(np.isfinite(poses.xyz), poses.xyz, np.nan), axis=1)[:, :2]
    trails = {int(person): middles[poses.person == person] for person in poses.people}
    middle = int(np.median(poses.frame)) if len(poses) else 0
    picture = draw_top_view(rig, load_skeleton(poses.skeleton), tracks_of(poses, middle), trails)
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), picture)
    return path


def viewer_snapshot(take: Path, path: Path) -> Path | None:
    """Save an image of the 3D viewer in a separate process; None where it cannot be drawn."""
    command = [sys.executable, "-m", "multiview", "viewer", str(take), "--time", "4.0", "--snapshot", str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        print("no image of the 3D viewer:", result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "")
        return None
    return path


def _scaled(camera: Camera, size: tuple[int, int]) -> Camera:
    """The same camera with pictures of another size; pixel (0, 0) is the middle of the first pixel in both."""
    scale = np.array(size) / camera.size
    K = camera.K.copy()
    K[0, :2] *= scale[0]
    K[1, 1:2] *= scale[1]
    K[:2, 2] = (camera.K[:2, 2] + 0.5) * scale - 0.5
    return Camera(camera.name, size, K, camera.dist, camera.R, camera.t, camera.model)
