"""BVH and glTF read back by other code: the joints are where they were, and what is filled or unknown stays so."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import points
from multiview.body.skeleton import load_skeleton
from multiview.errors import MultiviewError
from multiview.export import load_exporter
from multiview.recordings.pose_table import Poses
from multiview.synthetic import StudioOptions, make_studio

_WORLD_FROM_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_NAMES = ["Hips", "Neck", "Head", *(f"{s}{b}" for s in ("Left", "Right") for b in
          ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot"))]  # fmt: skip


@pytest.fixture(scope="module")
def poses() -> Poses:
    """Two people over ten seconds from frame 7 on; the second comes later; some joints are filled, some unknown."""
    truth = make_studio(StudioOptions(cameras=2, people=2, seconds=10.0, fps=30.0, seed=2, skeleton="body25")).truth
    keep = (truth.frame >= 7) & ~((truth.actor == 1) & (truth.frame < 40))
    n, joints = int(keep.sum()), len(truth.joints)
    filled = np.zeros((n, joints), dtype=bool)
    filled[20:25, 3] = True
    xyz = truth.xyz[keep].copy()
    hidden = np.flatnonzero((truth.actor[keep] == 0) & (truth.frame[keep] >= 30) & (truth.frame[keep] < 36))
    xyz[hidden, load_skeleton("body25").index("left_wrist")] = np.nan
    known = np.isfinite(xyz).all(axis=2)
    return Poses(
        frame=truth.frame[keep],
        time_ns=np.round(truth.frame[keep] * 1e9 / 30).astype(np.int64),
        utc_ns=np.zeros(n, dtype=np.int64),
        person=truth.actor[keep] + 4,
        xyz=xyz,
        cov=np.where(known[..., None, None], np.eye(3) * 0.006**2, np.nan),
        score=known * 0.9,
        views=np.where(known & ~filled, 3, 0),
        filled=filled,
        joints=tuple(truth.joints),
        skeleton="body25",
    )


def _expected(poses: Poses, person: int) -> dict[str, np.ndarray]:
    own = poses.select(poses.person == person)
    return points(own.joints, own.xyz)


def _read_bvh(text: str) -> tuple[dict[str, np.ndarray], float]:
    """Positions (T, 3) of all joints in the file's units, by a reader of its own."""
    tokens = iter(text.split())
    joints: list[tuple[str, int, np.ndarray, list[str]]] = []
    stack: list[int] = []
    for token in tokens:
        if token in ("ROOT", "JOINT"):
            joints.append((next(tokens), stack[-1] if stack else -1, np.zeros(3), []))
            assert next(tokens) == "{"
            stack.append(len(joints) - 1)
        elif token == "End":
            while next(tokens) != "}":
                pass
        elif token == "OFFSET":
            joints[stack[-1]][2][:] = [float(next(tokens)) for _ in range(3)]
        elif token == "CHANNELS":
            joints[stack[-1]][3].extend(next(tokens) for _ in range(int(next(tokens))))
        elif token == "}":
            stack.pop()
        elif token == "MOTION":
            break
    assert next(tokens) == "Frames:"
    frames = int(next(tokens))
    assert [next(tokens), next(tokens)] == ["Frame", "Time:"]
    frame_time = float(next(tokens))
    values = np.array([float(token) for token in tokens]).reshape(frames, -1)
    column, places, turns = 0, [], []
    for _, parent, offset, channels in joints:
        local, moved = Rotation.identity(frames), np.tile(offset, (frames, 1))
        for channel in channels:
            value = values[:, column]
            column += 1
            if channel.endswith("position"):
                moved[:, "XYZ".index(channel[0])] += value
            else:
                local = local * Rotation.from_euler(channel[0].lower(), value[:, None], degrees=True)
        if parent < 0:
            places.append(moved)
            turns.append(local)
        else:
            places.append(places[parent] + turns[parent].apply(moved))
            turns.append(turns[parent] * local)
    assert column == values.shape[1]
    return {joint[0]: place for joint, place in zip(joints, places, strict=True)}, frame_time


def test_bvh_gives_the_joints_back(poses: Poses, tmp_path: Path) -> None:
    paths = load_exporter("bvh").write(poses, tmp_path / "take")
    assert [path.name for path in paths[::2]] == ["take_person4.bvh", "take_person5.bvh"]
    for person, path in zip((4, 5), paths[::2], strict=True):
        found, frame_time = _read_bvh(path.read_text())
        assert frame_time == pytest.approx(1 / 30, abs=1e-6)
        for name in _NAMES:
            expected = _expected(poses, person)[name]
            difference = np.linalg.norm(found[name] / 100 @ _WORLD_FROM_YUP.T - expected, axis=1)
            assert np.nanmax(difference) < 0.015, name
            assert np.isfinite(found[name]).all()


def test_intervals_beside_the_file_say_what_was_not_measured(poses: Poses, tmp_path: Path) -> None:
    paths = load_exporter("bvh").write(poses, tmp_path / "take")
    intervals = json.loads(paths[1].read_text())["intervals"]
    unknown = [i for i in intervals if i["kind"] == "unknown"]
    assert unknown == [{"joint": "left_wrist", "kind": "unknown", "first_frame": 30, "last_frame": 35}]
    rows = np.flatnonzero(poses.person == 4)
    marked = poses.frame[rows[poses.filled[rows, 3]]]
    assert [(i["first_frame"], i["last_frame"]) for i in intervals if i["kind"] == "filled"] == [
        (int(marked[0]), int(marked[-1]))
    ]


def _accessor(document: pygltflib.GLTF2, index: int) -> np.ndarray:
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
    blob = document.binary_blob()[view.byteOffset :][: 4 * width * accessor.count]
    return np.array(struct.unpack(f"<{width * accessor.count}f", blob)).reshape(accessor.count, width)


def test_gltf_gives_the_joints_back(poses: Poses, tmp_path: Path) -> None:
    path = load_exporter("gltf").write(poses, tmp_path / "take")[0]
    document = pygltflib.GLTF2().load(str(path))
    assert document is not None
    together, *animations = document.animations
    assert together.name == "everyone"
    assert len(together.channels) == sum(len(animation.channels) for animation in animations)
    for animation, person, start in zip(animations, (4, 5), (0.0, 33 / 30), strict=True):
        assert animation.name == f"person{person}"
        animated: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            values = _accessor(document, sampler.input)[:, 0], _accessor(document, sampler.output)
            animated[channel.target.node, channel.target.path] = values
        (root,) = next(node for node in document.nodes if node.name == animation.name).children
        times = animated[root, "translation"][0]
        assert times[0] == pytest.approx(start, abs=1e-5)
        found: dict[str, np.ndarray] = {}

        def visit(node: int, place: np.ndarray, turn: Rotation, a: dict = animated, found: dict = found) -> None:
            count = len(place)
            offset = np.tile(document.nodes[node].translation or [0, 0, 0], (count, 1))
            offset = a.get((node, "translation"), (None, offset))[1]
            place = place + turn.apply(offset)
            if (node, "rotation") in a:
                q = a[node, "rotation"][1]
                np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-5)
                assert np.sum(q[1:] * q[:-1], axis=1).min() > 0.8
                turn = turn * Rotation.from_quat(q)
            found[document.nodes[node].name] = place
            for child in document.nodes[node].children or []:
                visit(child, place, turn)

        visit(root, np.zeros((len(times), 3)), Rotation.identity(len(times)))
        for name in _NAMES:
            difference = found[name] @ _WORLD_FROM_YUP.T - _expected(poses, person)[name]
            assert np.nanmax(np.linalg.norm(difference, axis=1)) < 0.015, name


def test_gltf_says_where_its_time_begins(poses: Poses, tmp_path: Path) -> None:
    document = pygltflib.GLTF2().load(str(load_exporter("gltf").write(poses, tmp_path / "take")[0]))
    assert document is not None
    start = document.scenes[0].extras["multiview"]
    assert start == {"first_frame": 7, "first_time_s": pytest.approx(7 / 30), "first_utc_ns": "0"}


def test_gltf_is_one_binary_file_of_two_chunks(poses: Poses, tmp_path: Path) -> None:
    data = load_exporter("gltf").write(poses, tmp_path / "take")[0].read_bytes()
    magic, version, length, first, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, first % 4, kind) == (b"glTF", 2, len(data), 0, b"JSON")
    content = json.loads(data[20 : 20 + first])
    second, kind = struct.unpack_from("<I4s", data, 20 + first)
    assert (28 + first + second, kind) == (len(data), b"BIN\0")
    assert content["buffers"] == [{"byteLength": second}]
    assert max(view["byteOffset"] + view["byteLength"] for view in content["bufferViews"]) <= second
    assert all(view["byteOffset"] % 4 == 0 for view in content["bufferViews"])


def test_gltf_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygltflib", None)
    monkeypatch.delitem(sys.modules, "multiview.export.gltf", raising=False)
    with pytest.raises(MultiviewError, match=r"multiview-mocap\[gltf\]"):
        load_exporter("gltf")


def test_json_has_everyone_and_null_for_the_unknown(poses: Poses, tmp_path: Path) -> None:
    (path,) = load_exporter("json").write(poses, tmp_path / "take")
    content = json.loads(path.read_text())
    assert len(content["frames"]) == 293
    frame = content["frames"][30 - 7]
    assert frame["frame"] == 30
    assert [person["person"] for person in frame["people"]] == [4]
    wrist = content["joints"].index("left_wrist")
    assert frame["people"][0]["xyz"][wrist] == [None] * 3
    row = np.flatnonzero((poses.frame == 30) & (poses.person == 4))[0]
    np.testing.assert_allclose(frame["people"][0]["xyz"][0], poses.xyz[row, 0], atol=1e-5)


def test_angles_have_a_row_for_each_pose(poses: Poses, tmp_path: Path) -> None:
    path, *others = load_exporter("angles").write(poses, tmp_path / "take")
    storages = [other for other in others if other.name.endswith("_angles.mot")]
    table = np.genfromtxt(path, delimiter=",", names=True)
    assert len(table) == len(poses)
    assert [storage.name for storage in storages] == ["take_person4_angles.mot", "take_person5_angles.mot"]
    columns = np.genfromtxt(storages[0], skip_header=6, names=True)
    own = table[table["person"] == 4]
    rows = (own["frame"] - own["frame"][0]).astype(int)
    np.testing.assert_array_equal(columns["left_knee_flexion_deg"][rows], own["left_knee_flexion_deg"])
    assert np.nanmin(own["left_knee_flexion_sd_deg"]) > 0
    known = np.isfinite(poses.xyz[:, load_skeleton("body25").index("left_wrist"), 0])
    np.testing.assert_array_equal(np.isfinite(table["left_elbow_flexion_deg"]), known)
    assert np.nanmax(table["left_knee_flexion_deg"]) > 40
