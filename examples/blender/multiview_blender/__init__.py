"""multiview in Blender: File > Import > multiview take, and People live in the sidebar of the 3D view."""

import bpy

from . import live, take

CLASSES = (take.ImportTake, live.FollowPeople, live.StopFollowing, live.PeoplePanel)


def _menu(menu, context):
    menu.layout.operator(take.ImportTake.bl_idname, text="multiview take (folder with rig.toml)")


def register():
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.multiview_hub = bpy.props.StringProperty(
        name="Hub", description="Address at which the studio publishes", default="tcp://127.0.0.1:5556"
    )
    bpy.types.TOPBAR_MT_file_import.append(_menu)


def unregister():
    live.stop()
    bpy.types.TOPBAR_MT_file_import.remove(_menu)
    del bpy.types.Scene.multiview_hub
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
