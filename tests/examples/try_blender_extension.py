"""Run by a Python that has Blender: the extension on a folder, what it made as JSON.

python try_blender_extension.py FOLDER X,Y,Z ...: also where points (m) are in the pictures of the cameras.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

PACKAGE = Path(__file__).parents[2] / "examples/blender/multiview_blender"
spec = importlib.util.spec_from_file_location("multiview_blender", PACKAGE / "__init__.py")
extension = importlib.util.module_from_spec(spec)
sys.modules["multiview_blender"] = extension
spec.loader.exec_module(extension)

bpy.ops.wm.read_factory_settings(use_empty=True)
extension.register()
points = [Vector(map(float, text.split(","))) for text in sys.argv[2:]]
done = bpy.ops.import_scene.multiview_take(directory=sys.argv[1], frames_per_second=25.0)
scene, found = bpy.context.scene, {"done": list(done), "cameras": {}}
for camera in (thing for thing in bpy.data.objects if thing.type == "CAMERA"):
    extension.cameras.look_through(scene, camera)
    bpy.context.view_layer.update()
    width, height = scene.render.resolution_x, scene.render.resolution_y
    seen = [world_to_camera_view(scene, camera, point) for point in points]
    background = camera.data.background_images
    found["cameras"][camera.name] = {
        "pixels": [[x * width, (1 - y) * height] for x, y, _ in seen],
        "video": Path(background[0].clip.filepath).name if background else "",
        "first": background[0].clip.frame_start if background else 0,
    }
found["people"] = sorted(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE")
found["rate"], found["end"] = scene.render.fps / scene.render.fps_base, scene.frame_end

joints = ("left_shoulder", "left_elbow", "left_wrist", "nose")
places = np.array([[0, 0, 1.4], [0.3, 0, 1.4], [0.3, 0.25, 1.4], [np.nan] * 3])
amy = SimpleNamespace(id=3, name="amy", joints=joints, xyz=places)
extension.live.show([amy])
bpy.context.view_layer.update()
armature = bpy.data.objects["amy live"]
found["live"] = {
    bone.name: [list(armature.matrix_world @ bone.head), list(armature.matrix_world @ bone.tail)]
    for bone in armature.pose.bones
}
extension.live.show([])
found["hidden"] = armature.hide_viewport
extension.unregister()
print(json.dumps(found))
