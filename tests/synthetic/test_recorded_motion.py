"""Recorded motion: what a file says, played by a synthetic person."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multiview.errors import SourceError
from multiview.synthetic import StudioOptions
from multiview.synthetic.anatomy import joint_positions, random_build
from multiview.synthetic.recorded_motion import read_motion
from multiview.synthetic.studio import make_motion_studio

JOINTS = ("mid_hip", "neck", *(f"{s}_{j}" for s in ("left", "right")
          for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "big_toe")))  # fmt: skip
NEUTRAL = [1.0, 0.0, 0.0, 0.0]


def frame(seconds: float = 0.1, x: float = 0.0, knee: float = 0.0, elbow: float = 0.0, yaw: float = 0.0) -> list[float]:
    """A row of DeepMimic: upright, turned by `yaw` about y (up), the right knee and elbow bent (rad about z)."""
    root = [np.cos(yaw / 2), 0.0, np.sin(yaw / 2), 0.0]
    right = [*NEUTRAL, knee, *NEUTRAL, *NEUTRAL, elbow]
    return [seconds, x, 0.9, 0.0, *root, *NEUTRAL, *NEUTRAL, *right, *NEUTRAL, 0.0, *NEUTRAL, *NEUTRAL, 0.0]


def written(path: Path, frames: list[list[float]], loop: str = "none") -> Path:
    path.write_text(json.dumps({"Loop": loop, "Frames": frames}))
    return path


def played(path: Path, times: list[float]) -> dict[str, np.ndarray]:
    """Joints (T, 3) of a person of mean height."""
    build = random_build(np.random.default_rng(1))
    xyz = joint_positions(build, read_motion(path).posture(build, np.array(times)), JOINTS)
    return dict(zip(JOINTS, xyz.swapaxes(0, 1), strict=True))


def test_json_motion_bends_right_knee_back_and_right_elbow_forward(tmp_path: Path) -> None:
    bent = [frame(knee=-1.2, elbow=1.2), frame(knee=-1.2, elbow=1.2)]
    at = played(written(tmp_path / "m.txt", bent), [0.05])
    assert at["left_hip"][0, 1] > at["right_hip"][0, 1]  # facing +x, left is +y
    assert at["right_ankle"][0, 0] < at["right_knee"][0, 0] - 0.2
    assert at["right_wrist"][0, 0] > at["right_elbow"][0, 0] + 0.2
    np.testing.assert_allclose(at["left_ankle"][0, :2], at["left_knee"][0, :2], atol=1e-9)
    shank = at["right_ankle"][0] - at["right_knee"][0]
    np.testing.assert_allclose(np.arctan2(-shank[0], -shank[2]), 1.2, atol=1e-9)


def test_looping_motion_goes_on_where_and_as_it_ended(tmp_path: Path) -> None:
    quarter = [frame(x=0.0), frame(x=1.0, yaw=np.pi / 2)]  # one metre ahead and a quarter to the left
    at = played(written(tmp_path / "m.txt", quarter, "wrap"), [0.0, 0.0999999, 0.1, 0.1999999, 0.3, 0.4])
    hips, across = at["mid_hip"], at["left_hip"] - at["right_hip"]
    np.testing.assert_allclose(hips[1], hips[2], atol=1e-4)
    np.testing.assert_allclose(hips[5], hips[0], atol=1e-9)  # after four quarters all is as in the beginning
    np.testing.assert_allclose(across[5], across[0], atol=1e-9)
    np.testing.assert_allclose((hips[3] - hips[2])[:2], Rotation.from_euler("z", 90, degrees=True).apply(
        hips[1] - hips[0])[:2], atol=1e-4)  # fmt: skip


def test_motion_that_does_not_loop_stands_still_after_its_end(tmp_path: Path) -> None:
    at = played(written(tmp_path / "m.txt", [frame(x=0.0), frame(x=1.0)]), [0.1, 5.0])
    np.testing.assert_array_equal(at["left_wrist"][0], at["left_wrist"][1])


BVH = """HIERARCHY
ROOT Hips
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Neck
  {{
    OFFSET 0 50 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    {arms}
    End Site
    {{
      OFFSET 0 10 0
    }}
  }}
  {legs}
}}
MOTION
Frames: 2
Frame Time: 0.1
{row}
{row}
"""


def chain(names: list[str], offsets: list[tuple[float, float, float]]) -> str:
    """Nested joints of BVH."""
    below = "End Site { OFFSET 0 -1 0 }".replace(" { ", "\n{\n").replace(" }", "\n}")
    for name, (x, y, z) in reversed(list(zip(names, offsets, strict=True))):
        below = f"JOINT {name}\n{{\nOFFSET {x} {y} {z}\nCHANNELS 3 Zrotation Xrotation Yrotation\n{below}\n}}"
    return below


def test_bvh_motion_has_the_directions_of_its_bones(tmp_path: Path) -> None:
    pytest.importorskip("pybvh")
    arms, legs = [], []
    for side, x in (("Left", 1), ("Right", -1)):  # faces z: its left is +x
        arms.append(
            chain([f"{side}Arm", f"{side}ForeArm", f"{side}Hand"], [(18 * x, 0, 0), (28 * x, 0, 0), (0, 0, 25)])
        )
        legs.append(chain([f"{side}UpLeg", f"{side}Leg", f"{side}Foot"], [(10 * x, 0, 0), (0, -40, 10), (0, -40, -10)]))
    row = " ".join(["0", "90", "0", *["0"] * (3 * 14)])
    path = tmp_path / "m.bvh"
    path.write_text(BVH.format(arms="\n".join(arms), legs="\n".join(legs), row=row))
    at = played(path, [0.0])

    def direction(a: str, b: str) -> np.ndarray:
        bone = at[b][0] - at[a][0]
        return np.asarray(bone / np.linalg.norm(bone))

    # BVH's x, y, z (left, up, forward) are x, z and -y of the world.
    for side, x in (("left", 1.0), ("right", -1.0)):
        np.testing.assert_allclose(direction(f"{side}_shoulder", f"{side}_elbow"), [x, 0, 0], atol=1e-6)
        np.testing.assert_allclose(direction(f"{side}_elbow", f"{side}_wrist"), [0, -1, 0], atol=1e-6)
        np.testing.assert_allclose(
            direction(f"{side}_knee", f"{side}_ankle"), np.array([0, 10, -40]) / 17**0.5 / 10, atol=1e-6
        )
    assert at["left_hip"][0, 0] > at["right_hip"][0, 0]


@pytest.mark.parametrize("text", ["", "{}", '{"Frames": [[1, 2]]}', '{"Frames": [[0.1], [0.1]]}', "no motion at all"])
def test_damaged_motion_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    path.write_text(text)
    with pytest.raises(SourceError) as error:
        read_motion(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_recorded_motions_keep_bones_and_floor(shared_data: Path) -> None:
    files = sorted((shared_data / "motions").glob("*.txt"))
    if not files:
        pytest.skip(f"no recorded motions in {shared_data / 'motions'}")
    for path in files:
        motion = read_motion(path)
        studio = make_motion_studio(StudioOptions(cameras=2, seconds=motion.seconds, skeleton="coco17"), motion)
        xyz = studio.truth.xyz
        shin = np.linalg.norm(
            xyz[:, studio.skeleton.index("left_knee")] - xyz[:, studio.skeleton.index("left_ankle")], axis=-1
        )
        assert np.ptp(shin) < 1e-9, path.name
        assert -0.15 < xyz[..., 2].min() < 0.2, path.name
        assert (np.linalg.norm(np.diff(xyz, axis=0), axis=-1).max() * studio.fps) < 20, path.name
