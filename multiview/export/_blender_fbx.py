"""Run by Blender, or by a Python that has `bpy`: one glTF file of one person as FBX.

blender --background --factory-startup --python _blender_fbx.py -- IN.glb OUT.fbx FRAMES_PER_SECOND
"""

import sys


def convert(source: str, out: str, rate: str) -> None:
    """Import the one, export the other."""
    import bpy  # type: ignore[import-not-found]

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(float(rate)))
    scene.render.fps_base = scene.render.fps / float(rate)
    known = bpy.ops.import_scene.gltf.get_rna_type().properties
    plain = (
        {"disable_bone_shape": True} if "disable_bone_shape" in known else {}
    )  # no balls for bones, from Blender 4.2 on
    bpy.ops.import_scene.gltf(filepath=source, **plain)
    (action,) = bpy.data.actions
    scene.frame_start, scene.frame_end = round(action.frame_range[0]), round(action.frame_range[1])
    for armature in (thing for thing in bpy.data.objects if thing.type == "ARMATURE"):
        moved = armature.animation_data_create()
        while moved.nla_tracks:
            moved.nla_tracks.remove(moved.nla_tracks[0])
        moved.action = action
        if getattr(action, "slots", None):  # from Blender 4.4 on
            moved.action_slot = action.slots[0]
    bpy.ops.export_scene.fbx(
        filepath=out,
        object_types={"ARMATURE", "MESH", "EMPTY"},
        add_leaf_bones=False,
        bake_anim_use_all_actions=False,
        bake_anim_use_nla_strips=False,
        bake_anim_simplify_factor=0.0,
        path_mode="COPY",
        embed_textures=True,
    )


if __name__ == "__main__":
    convert(*sys.argv[sys.argv.index("--") + 1 :])
