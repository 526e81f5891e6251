"""Rotations of a body with fingers, in every format that has them, read back by programs and packages of others.

Each reader chains the rotations itself and says where bones begin; there the joints must be: those of hands within
8 mm, those of the body within 15 mm.
"""

from __future__ import annotations

import asyncio
import contextlib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pybvh
import pytest
import qtm_rt
from pxr import Usd, UsdSkel
from pythonosc.osc_bundle import OscBundle
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import HIERARCHY, RotationSolver, forward_kinematics, humanoid, points
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.export import load_exporter
from multiview.geometry.rigid import rotation_angle
from multiview.recordings.pose_table import Poses
from multiview.synthetic import StudioOptions, make_studio
from services.bridges._osc import OscSender
from services.bridges._serve import open_bridge
from tests import vmc_program
from tests.measured_poses import measured_poses
from tests.retarget.characters import animated_places

FPS = 15.0
HAND_M, BODY_M = 0.008, 0.015
SKELETON = load_skeleton("blazepose75")
_LEARNED = 8  # frames in which a live bridge learns the bones' lengths
_WORLD_FROM_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def gestures(seconds: float, fps: float = FPS) -> np.ndarray:
    """(T, J, 3) m of somebody who claps, crosses their arms, and opens and closes their hands."""
    options = StudioOptions(
        cameras=2, people=1, seconds=seconds, fps=fps, seed=2, skeleton=SKELETON.name,
        gestures=("clap", "cross", "behind"),
    )  # fmt: skip
    return make_studio(options).truth.xyz


@pytest.fixture(scope="module")
def xyz() -> np.ndarray:
    return gestures(1.4)


def by_bvh(xyz: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    motion = pybvh.read_bvh_file(str(load_exporter("bvh").write(_poses(xyz), folder / "take")[0]))
    places = motion.node_positions() / 100
    rows = (len(places) - 1) // (len(xyz) - 1)
    return {node.name: places[::rows, i] @ _WORLD_FROM_YUP.T for i, node in enumerate(motion.nodes)}


def by_gltf(xyz: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    places = animated_places(load_exporter("gltf").write(_poses(xyz), folder / "take")[0])
    return {name: place @ _WORLD_FROM_YUP.T for name, place in places.items()}


def by_usd(xyz: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    """By `UsdSkel.Cache`."""
    stage = Usd.Stage.Open(str(load_exporter("usd").write(_poses(xyz), folder / "take")[0]))
    cache, skeleton = UsdSkel.Cache(), UsdSkel.Skeleton(stage.GetPrimAtPath("/take/person0/skeleton"))
    cache.Populate(UsdSkel.Root(stage.GetPrimAtPath("/take/person0")), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(skeleton)
    frames = [query.ComputeJointSkelTransforms(Usd.TimeCode(frame)) for frame in range(len(xyz))]
    places = np.array([[joint.ExtractTranslation() for joint in joints] for joints in frames]) @ _WORLD_FROM_YUP.T
    return dict(zip(skeleton.GetJointNamesAttr().Get(), np.moveaxis(places, 1, 0), strict=True))


def by_vmc(xyz: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    sent = vmc_program.sent_by_vmc(SKELETON, xyz, FPS, _LEARNED / FPS)
    return {bone: place[_LEARNED:] for bone, place in vmc_program.places_by_vmc(sent).items()}


def by_qtm(xyz: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    """By Qualisys' client: rotations against the parent, chained along the tree that the server describes."""
    frames: list[dict[str, np.ndarray]] = []

    async def talk(port: int, bridge: Any) -> None:
        connection = await qtm_rt.connect("127.0.0.1", port=port, version="1.25", timeout=20)
        for frame in range(len(xyz)):
            bridge.send(_tracks(xyz, frame))
            if frame < _LEARNED:
                continue
            packet = None
            while packet is None or packet.framenumber != frame:
                await asyncio.sleep(0.002)
                packet = await connection.get_current_frame(components=["skeleton"])
            if not frames:
                tree = _tree(await connection.get_parameters(parameters=["skeleton"]))
            frames.append(_chained(tree, packet.get_skeletons()[1][0]))
        connection.disconnect()

    bridge: Any = open_bridge("qtm", {"port": 0, "people": 1, "learn_s": _LEARNED / FPS}, SKELETON, FPS)
    with contextlib.closing(bridge):
        asyncio.run(talk(bridge.port, bridge))
    return {bone: np.array([frame[bone] for frame in frames]) / 1e3 for bone in frames[0]}


def _tree(text: str) -> ET.Element:
    top = ET.fromstring(text).find("Skeletons/Skeleton/Segments")
    assert top is not None
    return top


def _chained(tree: ET.Element, segments: Any) -> dict[str, np.ndarray]:
    inside = {segment[0]: segment for segment in segments}
    places: dict[str, np.ndarray] = {}

    def visit(element: ET.Element, place: np.ndarray, turn: Rotation) -> None:
        for segment in element.findall("Segment"):
            _, offset, own = inside[int(segment.attrib["ID"])]
            places[segment.attrib["Name"]] = here = place + turn.apply(offset)
            visit(segment, here, turn * Rotation.from_quat(own))

    visit(tree, np.zeros(3), Rotation.identity())
    return places


@pytest.mark.slow
@pytest.mark.parametrize("read", [by_bvh, by_gltf, by_usd, by_vmc, by_qtm])
def test_rotations_in_a_format_give_the_joints_back(
    read: Callable[[np.ndarray, Path], dict[str, np.ndarray]], xyz: np.ndarray, tmp_path: Path
) -> None:
    found = read(xyz, tmp_path)
    first = len(xyz) - len(found["Hips"])
    expected = points(SKELETON.joints, xyz[first:])
    bones = [bone for bone in expected if bone in HIERARCHY and bone in found]
    tips = 0 if read in (by_bvh, by_vmc) else 10  # which have no bones where fingers end
    assert sum(is_finger(bone) for bone in bones) == 30 + tips
    assert len(bones) == 17 + 30 + tips
    for bone in bones:
        off = np.linalg.norm(found[bone] - expected[bone], axis=1)
        assert off.max() < allowed_m(bone), bone


def allowed_m(bone: str) -> float:
    return HAND_M if is_finger(bone) or bone.endswith("Hand") else BODY_M


def is_finger(bone: str) -> bool:
    return any(finger in bone for finger in ("Thumb", "Index", "Middle", "Ring", "Little"))


def test_vmc_packets_are_read_alike_by_python_osc() -> None:
    sent: list[bytes] = []

    class Listener(OscSender):
        def send(self, packet: bytes, port: int) -> None:
            sent.append(packet)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.bridges.vmc.OscSender", Listener)
        bridge = open_bridge("vmc", {}, SKELETON, FPS)
        bridge.send(_tracks(gestures(0.2), 0))
        bridge.close()
    messages = [message for packet in sent for message in OscBundle(packet)]
    assert [(m.address, m.params) for m in messages] == [m for p in sent for m in vmc_program.osc_messages(p)]
    assert sum(message.address == "/VMC/Ext/Bone/Pos" for message in messages) == 50


@pytest.mark.slow
def test_rotations_of_ten_minutes_never_flip() -> None:
    """A bone that flips turns half way round: whoever claps or makes a fist turns none by 120 degrees in 0.1 s.

    Feet point 41 degrees elsewhere after as long, at most; no bone of a leg turns much further.
    """
    xyz = gestures(600.0, fps=10.0)
    person = humanoid(SKELETON.joints, xyz[::10])
    motion = RotationSolver(person, SKELETON.joints, 0.1).solve(xyz)
    step = np.degrees(rotation_angle(np.swapaxes(motion.local[:-1], -1, -2) @ motion.local[1:]))
    largest = {bone.name: float(step[:, b].max()) for b, bone in enumerate(person.bones)}
    assert max(largest.values()) < 120, largest
    assert max(largest[f"{side}{bone}"] for side in ("Left", "Right") for bone in ("UpperLeg", "LowerLeg", "Foot")) < 60
    found = forward_kinematics(person, motion)
    for bone, place in points(SKELETON.joints, xyz).items():
        assert np.linalg.norm(found[bone] - place, axis=1).max() < allowed_m(bone), bone


def _poses(xyz: np.ndarray) -> Poses:
    return measured_poses(xyz, np.arange(len(xyz)) / FPS, SKELETON.joints, SKELETON.name)


def _tracks(xyz: np.ndarray, frame: int) -> Tracks:
    count = xyz.shape[1]
    blank = np.zeros((count, 3, 3)), np.ones(count), np.full(count, 3), np.zeros(count, dtype=bool)
    return Tracks(frame, round(frame * 1e9 / FPS), (Track(1, Pose3D(xyz[frame], *blank)),))
