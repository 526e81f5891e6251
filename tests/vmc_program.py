"""What a program makes of the packets of VMC: a decoder of OSC of its own, and the tree of Unity's humanoid bones."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multiview.body.skeleton import Skeleton
from multiview.data import Pose3D, Track, Tracks
from services.bridges._serve import open_bridge

PARENTS = {"Spine": "Hips", "Chest": "Spine", "UpperChest": "Chest", "Neck": "UpperChest", "Head": "Neck"} | {
    side + child: (parent if parent in ("Hips", "UpperChest") else side + parent)
    for side in ("Left", "Right")
    for child, parent in (("UpperArm", "UpperChest"), ("LowerArm", "UpperArm"), ("Hand", "LowerArm"),
                          ("UpperLeg", "Hips"), ("LowerLeg", "UpperLeg"), ("Foot", "LowerLeg"), ("Toes", "Foot"))
}  # fmt: skip
FINGERS = {  # Unity's names: the thumb's first bone, which VRM 1.0 calls metacarpal, is its proximal one
    f"{side}{finger}{bone}": f"{side}Hand" if before is None else f"{side}{finger}{before}"
    for side in ("Left", "Right")
    for finger in ("Thumb", "Index", "Middle", "Ring", "Little")
    for before, bone in ((None, "Proximal"), ("Proximal", "Intermediate"), ("Intermediate", "Distal"))
}
_VRM = {
    f"{side}Thumb{unity}": f"{side}Thumb{vrm}"
    for side in ("Left", "Right")
    for unity, vrm in (("Proximal", "Metacarpal"), ("Intermediate", "Proximal"))
}


def osc_messages(data: bytes) -> Iterator[tuple[str, list[Any]]]:
    """(address, arguments) of a packet; OSC 1.0."""

    def text(at: int) -> tuple[str, int]:
        end = data.index(b"\0", at)
        return data[at:end].decode(), (end // 4 + 1) * 4

    if data.startswith(b"#bundle\0"):
        at = 16
        while at < len(data):
            (size,) = struct.unpack_from(">i", data, at)
            yield from osc_messages(data[at + 4 : at + 4 + size])
            at += 4 + size
        return
    address, at = text(0)
    kinds, at = text(at)
    arguments: list[Any] = []
    for kind in kinds[1:]:
        if kind == "s":
            word, at = text(at)
            arguments.append(word)
        else:
            arguments.append(struct.unpack_from(">f" if kind == "f" else ">i", data, at)[0])
            at += 4
    yield address, arguments


def sent_by_vmc(
    skeleton: Skeleton, xyz: np.ndarray, fps: float, learn_s: float, name: str = ""
) -> dict[str, np.ndarray]:
    """(T, 7) place and quaternion of every bone, by Unity's name, that the bridge sends of a person's (T, J, 3) m."""
    count, fingers = len(skeleton.joints), "left_forefinger1" in skeleton.joints
    toes = bool({"left_big_toe", "left_foot_index"} & set(skeleton.joints))
    blank = np.zeros((count, 3, 3)), np.ones(count), np.full(count, 3), np.zeros(count, dtype=bool)
    frames: list[dict[str, list[float]]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60.0)
        bridge = open_bridge("vmc", {"port": listener.getsockname()[1], "learn_s": learn_s}, skeleton, fps)
        try:
            for frame, joints in enumerate(xyz):
                bridge.send(Tracks(frame, round(frame * 1e9 / fps), (Track(1, Pose3D(joints, *blank), name),)))
                bones: dict[str, list[float]] = {}
                while len(bones) < 18 + 2 * toes + 30 * fingers:
                    packet = listener.recv(65536)
                    assert len(packet) <= 1400
                    messages = list(osc_messages(packet))
                    assert messages[0] == ("/VMC/Ext/OK", [1])
                    assert messages[1][1][0] == pytest.approx(frame / fps, abs=1e-4)
                    bones |= {v[0]: v[1:] for address, v in messages[2:] if address == "/VMC/Ext/Bone/Pos"}
                frames.append(bones)
        finally:
            bridge.close()
    return {bone: np.array([bones[bone] for bones in frames]) for bone in frames[0]}


def places_by_vmc(sent: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(T, 3) m where each bone begins, z up, by VRM's name."""
    turns = {bone: Rotation.from_quat(values[:, 3:]) for bone, values in sent.items()}
    place, turned = {"Hips": sent["Hips"][:, :3]}, {"Hips": turns["Hips"]}
    for bone, parent in (PARENTS | FINGERS).items():
        if bone in sent:
            place[bone] = place[parent] + turned[parent].apply(sent[bone][:, :3])
            turned[bone] = turned[parent] * turns[bone]
    # Unity: left-handed, x right, y up, z forward.
    return {_VRM.get(bone, bone): np.stack([-p[:, 0], -p[:, 2], p[:, 1]], axis=1) for bone, p in place.items()}
