"""People of a running studio, live: an armature for each, whose bones reach from joint to joint."""

import bpy

LIMBS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    ("left_ankle", "left_big_toe"), ("right_ankle", "right_big_toe"),
    ("left_shoulder", "nose"), ("right_shoulder", "nose"),
)  # fmt: skip
PERIOD_S = 1 / 60

_connection = None


class FollowPeople(bpy.types.Operator):
    """Follow the people of a studio that runs"""

    bl_idname = "multiview.follow"
    bl_label = "Follow people"

    def execute(self, context):
        global _connection
        try:
            from multiview.client import connect

            stop()
            _connection = connect(context.scene.multiview_hub)
        except Exception as error:
            self.report({"ERROR"}, f"{context.scene.multiview_hub}: {error}")
            return {"CANCELLED"}
        bpy.app.timers.register(_tick)
        return {"FINISHED"}


class StopFollowing(bpy.types.Operator):
    """Leave everyone where they are"""

    bl_idname = "multiview.stop_following"
    bl_label = "Stop"

    def execute(self, context):
        stop()
        return {"FINISHED"}


class PeoplePanel(bpy.types.Panel):
    bl_idname = "VIEW3D_PT_multiview"
    bl_label = "People live"
    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "multiview"

    def draw(self, context):
        self.layout.prop(context.scene, "multiview_hub")
        if _connection is None:
            self.layout.operator(FollowPeople.bl_idname, icon="PLAY")
        else:
            self.layout.operator(StopFollowing.bl_idname, icon="PAUSE")


def stop():
    """Close the connection; the timer ends by itself."""
    global _connection
    if _connection is not None:
        _connection.close()
    _connection = None


def _tick():
    if _connection is None:
        return None
    frame = None
    while (newer := _connection.poll()) is not None:
        frame = newer
    if frame is not None:
        show(frame.people)
    return PERIOD_S


def show(people):
    """Put everyone where they are; who is gone is hidden."""
    present = set()
    for person in people:
        name = person.name or f"person{person.id}"
        present.add(name)
        if f"{name} live" not in bpy.data.objects:
            _add_person(name, person.joints)
        for joint, place in zip(person.joints, person.xyz.tolist(), strict=True):
            if place == place:  # not NaN: unknown joints stay where they were
                bpy.data.objects[f"{name}.{joint}"].location = place
    for thing in bpy.data.objects:
        if "multiview_live" in thing:
            thing.hide_viewport = thing["multiview_live"] not in present


def _add_person(name, joints):
    """An empty for each joint, and an armature whose bones reach from one to another."""
    collection = bpy.data.collections.new(f"{name} live")
    bpy.context.scene.collection.children.link(collection)
    for joint in joints:
        empty = bpy.data.objects.new(f"{name}.{joint}", None)
        empty.empty_display_size = 0.02
        collection.objects.link(empty)
    armature = bpy.data.objects.new(f"{name} live", bpy.data.armatures.new(f"{name} live"))
    armature["multiview_live"] = name
    armature.show_in_front = True
    collection.objects.link(armature)
    limbs = [(head, tail) for head, tail in LIMBS if head in joints and tail in joints]
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for head, tail in limbs:
        bone = armature.data.edit_bones.new(f"{head}-{tail}")
        bone.head, bone.tail = (0.0, 0.0, 0.0), (0.0, 0.0, 0.3)
    bpy.ops.object.mode_set(mode="OBJECT")
    for head, tail in limbs:
        constraints = armature.pose.bones[f"{head}-{tail}"].constraints
        constraints.new("COPY_LOCATION").target = bpy.data.objects[f"{name}.{head}"]
        stretch = constraints.new("STRETCH_TO")
        stretch.target, stretch.rest_length = bpy.data.objects[f"{name}.{tail}"], 0.3
