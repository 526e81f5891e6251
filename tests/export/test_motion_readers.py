"""BVH read by three packages, glTF by the Khronos validator, both by Blender: programs that we did not write.

They agree in every frame and half-way between two, where they interpolate: BVH's angles, glTF's quaternions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bvh
import bvhio
import numpy as np
import pybvh
import pytest
from scipy.spatial.transform import Rotation, Slerp

from multiview.body.kinematics import Motion, forward_kinematics, humanoid
from multiview.export import load_exporter
from multiview.export._dense import dense, solve_motion
from multiview.export._euler import best_order, continuous_angles, midway, midway_of_angles
from multiview.recordings.pose_table import Poses
from tests.export.motion_clips import recorded_clip
from tests.export.takes import FPS, recorded

_WORLD_FROM_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_MIDWAY_M = 0.005


class Expected:
    """Where bones begin, by name, m: in each row of a file, and midway by the shortest rotations between frames."""

    def __init__(self, poses: Poses, person: int, rows: int = 1) -> None:
        own = dense(poses, person)
        rest = humanoid(own.joints, own.xyz)
        motion = solve_motion(own, rest)
        frames = np.arange(len(motion.root))
        at = np.arange(2 * rows * frames[-1] + 1) / (2 * rows)
        root = np.stack([np.interp(at, frames, motion.root[:, axis]) for axis in range(3)], axis=1)
        turns = [Rotation.from_matrix(motion.local[:, bone]) for bone in range(len(rest.bones))]
        local = np.stack([Slerp(frames, turn)(at).as_matrix() for turn in turns], axis=1)
        places = forward_kinematics(rest, Motion(root, local, np.ones(local.shape[:2], dtype=bool)))
        self.bones = [bone.name for bone in rest.bones]
        self.frames, self.between = ({name: x[i::2] for name, x in places.items()} for i in (0, 1))
        there = np.isfinite(own.xyz).any(axis=(1, 2))
        self.known_between = (there[:-1] & there[1:]).repeat(rows)  # not where somebody who left returns


@pytest.fixture(scope="module")
def poses() -> Poses:
    return recorded()


@pytest.mark.slow
def test_bvh_with_fingers_in_another_package_is_the_motion(tmp_path: Path) -> None:
    """Every bone of both hands begins where forward kinematics puts it; tips are no bones."""
    poses = recorded(seconds=1.0, skeleton="blazepose75")
    expected = Expected(poses, 4)
    path = load_exporter("bvh").write(poses, tmp_path / "take")[0]
    places = read_with_pybvh(path)
    rows = (len(places["Hips"]) - 1) // (len(expected.frames["Hips"]) - 1)
    names = [name for name in expected.bones if not name.endswith("Tip")]
    assert sum(name.startswith("Left") for name in names) == 7 + 15
    for name in names:
        found = places[name][::rows] / 100 @ _WORLD_FROM_YUP.T
        assert np.linalg.norm(found - expected.frames[name], axis=1).max() < 1e-4, name


def with_midways(path: Path, target: Path) -> Path:
    """The same file with a row between any two, the mean of both: as a program interpolates."""
    head, _, rows = path.read_text().partition("Frame Time:")
    step, _, rows = rows.partition("\n")
    values = np.array([[float(number) for number in row.split()] for row in rows.splitlines()])
    doubled = np.empty((2 * len(values) - 1, values.shape[1]))
    doubled[::2], doubled[1::2] = values, (values[:-1] + values[1:]) / 2
    head = head.replace(f"Frames: {len(values)}", f"Frames: {len(doubled)}")
    text = "\n".join(" ".join(f"{number:.6f}" for number in row) for row in doubled)
    target.write_text(f"{head}Frame Time: {float(step) / 2:.8f}\n{text}\n")
    return target


def read_with_bvhio(path: Path) -> dict[str, np.ndarray]:
    root = bvhio.readAsHierarchy(str(path))
    first, last = root.getKeyframeRange()
    places: dict[str, list[np.ndarray]] = {}
    for frame in range(first, last + 1):
        root.loadPose(frame)
        for joint, _, _ in root.layout():
            places.setdefault(joint.Name, []).append(np.array(joint.PositionWorld))
    return {name: np.array(found) for name, found in places.items()}


def read_with_pybvh(path: Path) -> dict[str, np.ndarray]:
    motion = pybvh.read_bvh_file(str(path))
    places = motion.node_positions()
    return {node.name: places[:, i] for i, node in enumerate(motion.nodes)}


def read_with_bvh(path: Path) -> dict[str, np.ndarray]:
    """The package gives numbers only; positions by SciPy."""
    motion = bvh.Bvh(path.read_text())
    places: dict[str, np.ndarray] = {}
    turns: dict[str, Rotation] = {}
    for name in motion.get_joints_names():
        channels = motion.joint_channels(name)
        values = np.array(motion.frames_joint_channels(name, channels))
        angles = values[:, [i for i, channel in enumerate(channels) if channel.endswith("rotation")]]
        order = "".join(channel[0] for channel in channels if channel.endswith("rotation"))
        turn = Rotation.from_euler(order, angles, degrees=True)
        parent = motion.joint_parent(name)
        if parent is None:
            turns[name], places[name] = turn, values[:, :3] + motion.joint_offset(name)
        else:
            turns[name] = turns[parent.name] * turn
            places[name] = places[parent.name] + turns[parent.name].apply(motion.joint_offset(name))
    return places


@pytest.mark.slow
@pytest.mark.parametrize("read", [read_with_bvhio, read_with_pybvh, read_with_bvh])
def test_bvh_in_three_packages_is_the_motion_also_between_frames(read, poses: Poses, tmp_path: Path) -> None:
    paths = load_exporter("bvh").write(poses, tmp_path / "take")[::2]
    for person, path in zip((4, 5), paths, strict=True):
        expected = Expected(poses, person)
        found = read(with_midways(path, tmp_path / "double.bvh"))
        for name in expected.bones:
            places = found[name] / 100 @ _WORLD_FROM_YUP.T
            assert np.linalg.norm(places[::2] - expected.frames[name], axis=1).max() < 1e-4, name
            error = np.linalg.norm(places[1::2] - expected.between[name], axis=1)
            assert error[expected.known_between].max() < _MIDWAY_M, name


def tumbling(degrees_per_frame: float) -> Poses:
    """Two people for a second: 4 rolls about an axis that no order of angles likes, arms and legs moving; 5 walks."""
    poses = recorded(seconds=1.5)
    xyz = poses.xyz.copy()
    own = poses.person == 4
    turns = Rotation.from_rotvec(np.radians(degrees_per_frame) * np.arange(own.sum())[:, None] * [[0.6, 0.8, 0.0]])
    middle = np.nanmean(xyz[own], axis=1, keepdims=True)
    xyz[own] = np.einsum("tij,tkj->tki", turns.as_matrix(), xyz[own] - middle) + middle
    return replace(poses, xyz=xyz)


def rows_per_frame(path: Path) -> int:
    seconds = float(path.read_text().partition("Frame Time:")[2].split()[0])
    return round(1 / (FPS * seconds))


def worst_midway_m(path: Path, expected: Expected) -> float:
    """How far a joint is off half-way between two rows; in the rows themselves it has to be where it was."""
    found = read_with_bvh(with_midways(path, path.with_suffix(".double.bvh")))
    worst = 0.0
    for name in expected.bones:
        places = found[name] / 100 @ _WORLD_FROM_YUP.T
        assert np.linalg.norm(places[::2] - expected.frames[name], axis=1).max() < 1e-4, name
        error = np.linalg.norm(places[1::2] - expected.between[name], axis=1)
        worst = max(worst, error[expected.known_between].max())
    return worst


@pytest.mark.slow
def test_bvh_of_fast_motion_has_rows_between_frames_the_same_for_everyone(tmp_path: Path) -> None:
    for degrees_per_frame, fewest, most in ((1.0, 1, 1), (14.0, 2, 4)):
        poses = tumbling(degrees_per_frame)
        paths = load_exporter("bvh").write(poses, tmp_path / "take")[::2]
        rows = {rows_per_frame(path) for path in paths}
        assert len(rows) == 1
        assert fewest <= min(rows) <= most
        for person, path in zip((4, 5), paths, strict=True):
            assert worst_midway_m(path, Expected(poses, person, *rows)) < _MIDWAY_M


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["backflip", "kick", "roll", "run"])
def test_bvh_of_recorded_motion_is_right_between_frames(clip: str, shared_data: Path, tmp_path: Path) -> None:
    poses = recorded_clip(shared_data / "motions" / f"humanoid3d_{clip}.txt", FPS)
    path = load_exporter("bvh").write(poses, tmp_path / clip)[0]
    assert worst_midway_m(path, Expected(poses, 1, rows_per_frame(path))) < _MIDWAY_M


def test_bvh_has_no_bone_without_length(poses: Poses, tmp_path: Path) -> None:
    """Programs that draw bones, Blender for one, end a bone in the middle of those below it."""
    motion = bvh.Bvh(load_exporter("bvh").write(poses, tmp_path / "take")[0].read_text())
    names = motion.get_joints_names()
    below: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for name in names[1:]:
        below[motion.joint_parent(name).name].append(motion.joint_offset(name))
        assert np.linalg.norm(motion.joint_offset(name)) > 1.0, f"{name}: less than 1 cm from its parent"
    lengths = {name: np.linalg.norm(np.mean(ends, axis=0)) for name, ends in below.items() if ends}
    assert {"Hips", "UpperChest"} < set(lengths)
    assert min(lengths.values()) > 1.0


def rolling(degrees_per_frame: float, axis: list[float], frames: int = 200) -> Rotation:
    """A body that looks about while it rolls."""
    t = np.arange(frames)[:, None]
    look = Rotation.from_rotvec(np.array([[0.0, 1.0, 0.0]]) * 0.5 * np.sin(t / 20))
    return Rotation.from_rotvec(np.radians(degrees_per_frame) * t * np.array([axis])) * look


def test_angles_have_no_jumps_and_are_the_rotations() -> None:
    turns = rolling(3.0, [0.2, 0.9, 0.1])
    for order, fastest in (("ZXY", 10.0), ("XYZ", 90.0)):  # X Y Z comes near its pole: fast, but on the short way
        angles = continuous_angles(turns, order)
        assert np.abs(np.diff(angles, axis=0)).max() < fastest
        again = Rotation.from_euler(order, angles, degrees=True)
        assert (again.inv() * turns).magnitude().max() < 1e-9
    assert continuous_angles(turns, "ZXY")[-1, 2] > 500.0  # not bound to 180


def test_order_of_axes_is_another_one_where_the_usual_makes_the_angles_fast() -> None:
    walk, wheel = rolling(1.0, [0.0, 1.0, 0.0]), rolling(5.0, [1.0, 0.0, 0.0])
    upright, counted = Rotation.identity(), np.ones(199, dtype=bool)
    assert best_order(walk, upright, counted, "ZXY", 0.15) == "ZXY"
    order = best_order(wheel, upright, counted, "YXZ", 0.15)
    assert order != "YXZ"
    error_deg = lambda order: np.degrees((midway(wheel).inv() * midway_of_angles(wheel, order)).magnitude().max())
    assert error_deg(order) < 0.3 < error_deg("YXZ")


def validate_with_khronos(path: Path) -> str:
    """The validator's counts of errors and warnings, as JSON; skips where node does not have it."""
    if shutil.which("node") is None:
        pytest.skip("no node: the Khronos validator cannot run")
    script = (
        "const v = require('gltf-validator'), bytes = require('fs').readFileSync(process.argv[1]);"
        "v.validateBytes(new Uint8Array(bytes)).then(r => console.log(JSON.stringify("
        "{errors: r.issues.numErrors, warnings: r.issues.numWarnings, skins: r.info.hasSkins})))"
    )
    if subprocess.run(["node", "-e", "require.resolve('gltf-validator')"], capture_output=True).returncode:
        pytest.skip("node has no gltf-validator: npm install gltf-validator, and set NODE_PATH to its node_modules")
    done = subprocess.run(["node", "-e", script, str(path)], capture_output=True, text=True, timeout=280)
    return done.stdout.strip() or done.stderr


def test_gltf_has_no_error_for_the_khronos_validator(poses: Poses, tmp_path: Path) -> None:
    for some in (poses, poses.select(poses.person == 4), poses.select(slice(0, 1))):
        path = load_exporter("gltf").write(some, tmp_path / "take")[0]
        assert validate_with_khronos(path) == '{"errors":0,"warnings":0,"skins":true}'


def read_with_blender(path: Path) -> dict[str, np.ndarray]:
    """Skips where neither this Python nor the one named in BLENDER_PYTHON has `bpy`."""
    python = os.environ.get("BLENDER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import bpy"], capture_output=True, timeout=120).returncode:
        pytest.skip("no Blender: pip install bpy in a Python of its own, and set BLENDER_PYTHON to that")
    script, out = Path(__file__).with_name("read_with_blender.py"), path.with_suffix(".npz")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [python, str(script), str(path), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert out.is_file(), done.stderr
    return dict(np.load(out))


@pytest.mark.slow
def test_blender_reads_the_motion_of_bvh(poses: Poses, tmp_path: Path) -> None:
    for person, path in zip((4, 5), load_exporter("bvh").write(poses, tmp_path / "take")[::2], strict=True):
        read, expected = read_with_blender(path), Expected(poses, person)
        (armature,) = read["armatures"]
        assert read[f"{armature}/lengths"].min() > 0.01
        for i, name in enumerate(read[f"{armature}/bones"]):
            frames, between = (read[f"{armature}/{kind}"][:, i] for kind in ("frames", "between"))
            count = len(expected.between[name])
            assert np.linalg.norm(frames[:count] - expected.frames[name][:count], axis=1).max() < 1e-3
            error = np.linalg.norm(between[:count] - expected.between[name], axis=1)
            assert error[expected.known_between].max() < _MIDWAY_M, name


@pytest.mark.slow
def test_blender_sees_an_armature_and_an_action_for_each_person_of_gltf(poses: Poses, tmp_path: Path) -> None:
    named = replace(poses, names={5: "anna"})
    read = read_with_blender(load_exporter("gltf").write(named, tmp_path / "take")[0])
    assert list(read["armatures"]) == ["anna", "person4"]
    assert list(read["actions"]) == ["anna", "everyone", "person4"]
    for person, name, start in ((4, "person4", 0), (5, "anna", 33)):
        expected = Expected(poses, person)
        for i, bone in enumerate(read[f"{name}/bones"]):
            between = read[f"{name}/between"][start:, i]
            count = min(len(between), len(expected.between[bone]))
            error = np.linalg.norm(between[:count] - expected.between[bone][:count], axis=1)
            assert error[expected.known_between[:count]].max() < 1e-4, (name, bone)
