"""Import of a take: everyone as an armature with an action, and the cameras with their videos."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import bpy

from . import cameras


class ImportTake(bpy.types.Operator):
    """Import the people, cameras and videos of a multiview take"""

    bl_idname = "import_scene.multiview_take"
    bl_label = "Import multiview take"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filepath: bpy.props.StringProperty(subtype="FILE_PATH")
    directory: bpy.props.StringProperty(subtype="DIR_PATH")
    frames_per_second: bpy.props.FloatProperty(
        name="Frames per second", default=30.0, min=1.0, max=1000.0, description="Of the scene, and of the videos"
    )
    with_videos: bpy.props.BoolProperty(name="Videos behind cameras", default=True)
    program: bpy.props.StringProperty(
        name="multiview", default="", description="The program, where it is not on the PATH; it is needed once a take"
    )

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        folder = cameras.folder_of(self.filepath or self.directory)
        try:
            files = people_files(folder, self.program)
            tables = cameras.read_rig(folder)
        except (OSError, ValueError, KeyError) as error:
            self.report({"ERROR"}, f"{folder}: {error}")
            return {"CANCELLED"}
        scene = context.scene
        scene.render.fps = max(1, round(self.frames_per_second))
        scene.render.fps_base = scene.render.fps / self.frames_per_second
        for path in files:
            bpy.ops.import_scene.gltf(filepath=str(path), **_plain())
        _end_with_the_action(scene)
        collection = bpy.data.collections.new(f"{folder.name} cameras")
        scene.collection.children.link(collection)
        shown = 0
        for table in tables:
            camera = cameras.add_camera(table, collection)
            video = cameras.find_video(folder, table["name"]) if self.with_videos else None
            if video is not None:
                offset_s = table.get("time_offset_s", 0.0) - first_time_s(files)
                cameras.show_video(camera, video, offset_s, self.frames_per_second)
                shown += 1
        if collection.objects:
            cameras.look_through(scene, collection.objects[0])
        self.report({"INFO"}, f"{len(files)} file(s) of people, {len(tables)} cameras, {shown} with videos")
        return {"FINISHED"}


def people_files(folder, program=""):
    """The folder's glTF files; where it has none, `multiview export` makes one."""
    found = sorted(folder.glob("*.glb"))
    if found:
        return found
    command = program or shutil.which("multiview") or os.environ.get("MULTIVIEW", "")
    if not command:
        raise OSError(
            "there is no .glb: run `multiview export FOLDER --to gltf`, or say where the program multiview is"
        )
    out = Path(tempfile.mkdtemp(prefix="multiview_"))
    done = subprocess.run(
        [command, "export", str(folder), "--to", "gltf", "--out", str(out)], capture_output=True, text=True, check=False
    )
    made = sorted(out.glob("*.glb"))
    if not made:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nobody is in the take"]
        raise OSError(said[-1])
    return made


def _plain():
    """No balls for bones, from Blender 4.2 on, and bones that point to their children."""
    known = bpy.ops.import_scene.gltf.get_rna_type().properties
    wanted = {"disable_bone_shape": True, "bone_heuristic": "TEMPERANCE"}
    return {name: value for name, value in wanted.items() if name in known}


def first_time_s(files):
    """When the scene's frame 0 is, counted from the beginning of the videos: people may come later.

    Takes that were recorded live count from the machine's start, which says nothing about videos.
    """
    for path in files:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(20)[12:16], "little")
            content = json.loads(file.read(length))
        start = content["scenes"][0].get("extras", {}).get("multiview")
        if start is not None and start["first_utc_ns"] == "0":
            return start["first_time_s"]
    return 0.0


def _end_with_the_action(scene):
    ends = [action.frame_range[1] for action in bpy.data.actions]
    if ends:
        scene.frame_start, scene.frame_end = 0, max(1, round(max(ends)))
