"""A rig's cameras as Blender's, each with its video behind what it sees."""

import tomllib
from pathlib import Path

import bpy
from mathutils import Matrix

SENSOR_MM = 36.0
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
# Blender's camera looks along -z with y up, OpenCV's along z with y down.
_OPENCV_FROM_BLENDER = Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))


def read_rig(folder):
    """The tables of a folder's cameras: of the refined rig where there is one."""
    for name in ("rig.refined.toml", "rig.toml"):
        if (folder / name).is_file():
            return tomllib.loads((folder / name).read_text(encoding="utf-8"))["cameras"]
    return []


def find_video(folder, camera):
    """The video named after a camera, in the folder or in one below; None where there is none."""
    for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")):
        if path.suffix.lower() in VIDEOS and path.stem == camera:
            return path
    return None


def add_camera(table, collection):
    """A camera with the pose, focal length and principal point of a table of rig.toml; lenses without distortion."""
    width, height = table["size"]
    (fx, _, cx), (_, fy, cy), _ = table["K"]
    data = bpy.data.cameras.new(table["name"])
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.lens = SENSOR_MM * fx / width
    # The centre of the first pixel is 0 in a rig and half a pixel from the edge in Blender.
    data.shift_x, data.shift_y = (width / 2 - cx - 0.5) / width, (cy + 0.5 - height / 2) / width
    data.clip_start, data.clip_end, data.display_size = 0.05, 200.0, 0.4
    camera = bpy.data.objects.new(table["name"], data)
    rows = [[*row, t] for row, t in zip(table["R"], table["t"], strict=True)]
    camera.matrix_world = Matrix([*rows, [0, 0, 0, 1]]).inverted() @ _OPENCV_FROM_BLENDER
    camera["multiview_size"], camera["multiview_aspect"] = [width, height], fy / fx
    collection.objects.link(camera)
    return camera


def show_video(camera, path, offset_s, frames_per_second):
    """The video behind what the camera sees, beginning `offset_s` after the scene's frame 0."""
    clip = bpy.data.movieclips.load(str(path))
    clip.frame_start = round(offset_s * frames_per_second)
    background = camera.data.background_images.new()
    background.source, background.clip, background.alpha = "MOVIE_CLIP", clip, 0.6
    camera.data.show_background_images = True


def look_through(scene, camera):
    """Render pictures of the camera's own size."""
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = camera["multiview_size"]
    taller = camera["multiview_aspect"]  # fy / fx
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = max(1.0, taller), max(1.0, 1.0 / taller)


def folder_of(path):
    """The folder that a file browser's answer means."""
    path = Path(bpy.path.abspath(path))
    return path if path.is_dir() else path.parent
