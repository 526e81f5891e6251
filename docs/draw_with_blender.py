"""Run by a Python that has Blender, by make_program_pictures.py: an imported file as Blender renders it.

Armatures are not rendered, so every bone gets a solid where the armature has it in that frame.

    python draw_with_blender.py FILE.glb|FILE.fbx OUT.png
"""

import sys

import bpy
from mathutils import Vector

bpy.ops.wm.read_factory_settings(use_empty=True)
if sys.argv[1].endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=sys.argv[1], automatic_bone_orientation=True)
    for figure in [thing for thing in bpy.data.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(figure)
else:
    bpy.ops.import_scene.gltf(filepath=sys.argv[1], bone_heuristic="TEMPERANCE")
scene = bpy.context.scene
armatures = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
last = max(int(action.frame_range[1]) for action in bpy.data.actions)
colours = [(0.10, 0.35, 0.75, 1), (0.85, 0.35, 0.10, 1), (0.15, 0.55, 0.30, 1)]
for frame in range(0, last + 1, max(1, last // 4)):
    scene.frame_set(frame)
    for place, armature in enumerate(armatures):
        material = bpy.data.materials.new("bone")
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colours[place % 3]
        for bone in armature.pose.bones:
            begin, end = armature.matrix_world @ bone.head, armature.matrix_world @ bone.tail
            way = end - begin
            if way.length < 1e-3:
                continue
            bpy.ops.mesh.primitive_cone_add(
                vertices=4, radius1=0.05 * way.length**0.5, radius2=0.005, depth=way.length,
                location=(begin + end) / 2, rotation=way.to_track_quat("Z", "Y").to_euler(),
            )  # fmt: skip
            bpy.context.object.data.materials.append(material)
things = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.name.startswith("Cone")]
low = Vector([min(thing.location[k] for thing in things) for k in range(3)])
high = Vector([max(thing.location[k] for thing in things) for k in range(3)])
middle = (low + high) / 2
bpy.ops.mesh.primitive_plane_add(size=30, location=(middle.x, middle.y, low.z - 0.03))
side = Vector((high.y - low.y, low.x - high.x, 0)).normalized()
size = max((high - low).length, 2.0)
bpy.ops.object.camera_add(location=middle + side * 1.45 * size + Vector((0, 0, 0.12 * size)))
camera = bpy.context.object
camera.rotation_euler = (middle - camera.location).to_track_quat("-Z", "Y").to_euler()
scene.camera = camera
bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0.4))
bpy.context.object.data.energy = 3.0
scene.world = bpy.data.worlds.new("sky")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.8, 0.85, 0.9, 1)
scene.render.engine = "CYCLES"
scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 12, False
scene.render.resolution_x, scene.render.resolution_y = 800, 260
scene.render.filepath = sys.argv[2]
bpy.ops.render.render(write_still=True)
