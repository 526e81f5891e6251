"""Run by a Python that has Blender (`pip install bpy`): where bones begin, in frames and between them, as an npz file.

python read_with_blender.py FILE.bvh|FILE.glb OUT.npz
"""

import sys
from pathlib import Path

import bpy
import numpy as np

source, out = Path(sys.argv[1]), sys.argv[2]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 30
if source.suffix == ".bvh":
    bpy.ops.import_anim.bvh(filepath=str(source), global_scale=0.01)
else:
    bpy.ops.import_scene.gltf(filepath=str(source))
found: dict[str, np.ndarray] = {}
armatures = {thing.name: thing for thing in bpy.data.objects if thing.type == "ARMATURE"}
first = 1 if source.suffix == ".bvh" else 0
frames = int(max(action.frame_range[1] for action in bpy.data.actions) + 1e-3) - first
for name, armature in armatures.items():
    for kind, count, part in (("frames", frames + 1, 0.0), ("between", frames, 0.5)):
        places = np.empty((count, len(armature.pose.bones), 3))
        for frame in range(count):
            bpy.context.scene.frame_set(first + frame, subframe=part)
            world = armature.matrix_world
            places[frame] = [world @ bone.head for bone in armature.pose.bones]
        found[f"{name}/{kind}"] = places
    found[f"{name}/bones"] = np.array([bone.name for bone in armature.pose.bones])
    found[f"{name}/lengths"] = np.array([bone.length for bone in armature.data.bones])
found["armatures"] = np.array(sorted(armatures))
found["actions"] = np.array(sorted(action.name for action in bpy.data.actions))
np.savez(out, **found)
