"""OpenUSD as one binary file (.usdc): a UsdSkel skeleton, a figure of sticks and an animation per person, y up, metres.

Each person is a SkelRoot of their name. Time codes are frames, counted from the first one of all. Joints have VRM's
names, or those of a character. https://openusd.org/release/api/_usd_skel__schemas.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import Humanoid
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._dense import dense, write_intervals
from multiview.export._figure import Figure, figure
from multiview.export._naming import person_path
from multiview.export._quaternions import quaternions
from multiview.export._sticks import rest_places, sticks
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import Character

try:
    from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdSkel, Vt
except ModuleNotFoundError:
    raise MultiviewError("USD needs one more package: pip install multiview-mocap[usd]") from None

__all__ = ["Exporter"]


class Exporter:
    def __init__(self) -> None:
        self.character: Character | None = None

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(poses):
            return []
        path = stem.with_name(stem.name + ".usdc")
        first, rate = int(poses.frame[0]), poses.frames_per_second
        layer = Sdf.Layer.CreateAnonymous(".usdc")
        stage = Usd.Stage.Open(layer)
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetTimeCodesPerSecond(rate)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(int(poses.frame[-1]) - first)
        world = UsdGeom.Xform.Define(stage, "/take")
        stage.SetDefaultPrim(world.GetPrim())
        paths = [path]
        for done, number in enumerate(poses.people, start=1):
            person = dense(poses, int(number))
            shown = figure(poses, person, self.character)
            _add_person(stage, poses.label(int(number)), int(number), shown, person.first - first)
            paths.append(write_intervals(person, person_path(stem, poses, int(number), ".usdc")))
            progress(done / (len(poses.people) + 1))
        with replacing(path) as temporary:
            _save(layer, temporary)
        return paths


def _save(layer: Any, path: Path) -> None:
    try:
        written = layer.Export(str(path))
    except Tf.ErrorException as error:
        raise OSError(f"{path}: cannot be written ({error})") from None
    if not written:
        raise OSError(f"{path}: cannot be written")


def _add_person(stage: Any, label: str, number: int, shown: Figure, first: int) -> None:
    root = UsdSkel.Root.Define(stage, f"/take/{Tf.MakeValidIdentifier(label)}")
    root.GetPrim().SetDisplayName(label)
    joints = _joint_paths(shown.rest)
    skeleton = UsdSkel.Skeleton.Define(stage, root.GetPath().AppendChild("skeleton"))
    offsets = [bone.offset for bone in shown.rest.bones]
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateJointNamesAttr([bone.name for bone in shown.rest.bones])
    skeleton.CreateRestTransformsAttr(_moved(np.array(offsets)))
    skeleton.CreateBindTransformsAttr(_moved(rest_places(shown.rest)))
    animation = UsdSkel.Animation.Define(stage, skeleton.GetPath().AppendChild("animation"))
    _animate(animation, joints, shown, first)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    _add_figure(stage, root, skeleton, shown, number, first)


def _animate(animation: Any, joints: list[str], shown: Figure, first: int) -> None:
    animation.CreateJointsAttr(joints)
    animation.CreateScalesAttr(Vt.Vec3hArray(len(joints), Gf.Vec3h(1, 1, 1)))
    above = rest_places(shown.rest)[shown.hips] - shown.rest.bones[shown.hips].offset
    offsets = np.array([bone.offset for bone in shown.rest.bones], dtype=np.float32)
    rotations_of = np.stack([quaternions(shown.local[:, bone]) for bone in range(len(joints))], axis=1)
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for frame in range(len(shown.root)):
        offsets[shown.hips] = shown.root[frame] - above
        translations.Set(Vt.Vec3fArray.FromNumpy(offsets), first + frame)
        rotations.Set(
            Vt.QuatfArray([Gf.Quatf(w, x, y, z) for x, y, z, w in rotations_of[frame].tolist()]), first + frame
        )


def _add_figure(stage: Any, root: Any, skeleton: Any, shown: Figure, number: int, first: int) -> None:
    """A mesh of sticks that the skeleton moves; it is there from the person's first frame to their last."""
    shape = sticks(shown.rest)
    mesh = UsdGeom.Mesh.Define(stage, root.GetPath().AppendChild("figure"))
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(shape.corners.astype(np.float32)))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(shape.normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr([3] * (len(shape.faces) // 3))
    mesh.CreateFaceVertexIndicesAttr(shape.faces.tolist())
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*(channel**2.2 for channel in person_colour(number)))])  # linear
    extent = UsdGeom.PointBased.ComputeExtent(mesh.GetPointsAttr().Get())
    mesh.CreateExtentAttr(extent)
    visible = mesh.CreateVisibilityAttr()
    if first:
        visible.Set(UsdGeom.Tokens.invisible, 0)
    visible.Set(UsdGeom.Tokens.inherited, first)
    visible.Set(UsdGeom.Tokens.invisible, first + len(shown.root))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateJointIndicesPrimvar(False, 1).Set(shape.bones.tolist())
    binding.CreateJointWeightsPrimvar(False, 1).Set([1.0] * len(shape.bones))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))


def _joint_paths(rest: Humanoid) -> list[str]:
    """Of each bone, its name below those above it, as UsdSkel has them."""
    paths: list[str] = []
    for bone in rest.bones:
        name = Tf.MakeValidIdentifier(bone.name)
        paths.append(f"{paths[bone.parent]}/{name}" if bone.parent >= 0 else name)
    return paths


def _moved(offsets: Float64[np.ndarray, "B 3"]) -> Any:
    return Vt.Matrix4dArray([Gf.Matrix4d(1.0).SetTranslate(Gf.Vec3d(*offset)) for offset in offsets.tolist()])
