import json
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.joint_names import select_joints
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.evaluation import metrics
from multiview.recordings.ground_truth import Truth, read_truth, write_truth
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio

STUDIO = make_studio(StudioOptions(cameras=2, people=3, seconds=1.5, skeleton="body25", seed=3))
TRUTH = STUDIO.truth
SKELETON = STUDIO.skeleton


def poses_of(truth: Truth, noise: np.ndarray | float = 0.0, cov: np.ndarray | None = None) -> Poses:
    """The truth, off by `noise`, as a pipeline would give it; actor a is person 10 + a."""
    j = len(truth.joints)
    xyz = truth.xyz + noise
    cov = np.broadcast_to(np.eye(3) * 1e-4 if cov is None else cov, (len(xyz), j, 3, 3))
    ticks = [
        Tracks(
            int(frame),
            int(frame) * 10**9,
            tuple(
                Track(
                    10 + int(truth.actor[row]),
                    Pose3D(xyz[row], np.array(cov[row]), np.ones(j), np.full(j, 3), np.zeros(j, dtype=bool)),
                )
                for row in np.flatnonzero(truth.frame == frame)
            ),
        )
        for frame in np.unique(truth.frame)
    ]
    return Poses.from_tracks(ticks, SKELETON)


def without(poses: Poses, rows: np.ndarray) -> Poses:
    return poses.select(~rows)


def test_the_truth_itself_is_perfect():
    comparison = metrics.compare(TRUTH, poses_of(TRUTH))
    assert (comparison.recall, comparison.precision, comparison.mpjpe) == (1.0, 1.0, 0.0)
    assert metrics.pck3d(comparison, 1e-6) == 1.0
    assert metrics.pcp3d(comparison) == {0: 1.0, 1: 1.0, 2: 1.0}
    assert metrics.identity_switches(comparison) == []


def test_errors_are_those_put_in():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=TRUTH.xyz.shape) * 0.01
    comparison = metrics.compare(TRUTH, poses_of(TRUTH, noise))
    assert comparison.mpjpe == pytest.approx(np.linalg.norm(noise, axis=-1).mean())
    assert metrics.pck3d(comparison, 0.015) == pytest.approx((np.linalg.norm(noise, axis=-1) <= 0.015).mean())


def test_missing_and_extra_people_count():
    poses = poses_of(TRUTH)
    poses.xyz[poses.person == 11] += 3.0  # nobody is there
    comparison = metrics.compare(TRUTH, without(poses, poses.person == 12))
    assert comparison.recall == pytest.approx(1 / 3)
    assert comparison.precision == pytest.approx(1 / 2)
    assert metrics.pcp3d(comparison) == {0: 1.0, 1: 0.0, 2: 0.0}
    assert metrics.pck3d(comparison, 0.1) == pytest.approx(1 / 3)


def test_people_are_matched_by_least_distance_with_joints_capped():
    poses = poses_of(TRUTH)
    poses.xyz[:, SKELETON.index("left_wrist")] += 50.0  # one wild joint does not lose a person
    comparison = metrics.compare(TRUTH, poses)
    assert comparison.recall == 1.0
    assert comparison.distance.max() == pytest.approx(1 / 25)
    assert min(metrics.pcp3d(comparison).values()) == pytest.approx(0.9)  # the forearm


def test_a_joint_without_value_counts_as_wrong_not_as_close():
    poses = poses_of(TRUTH)
    poses.xyz[:, SKELETON.index("left_knee")] = np.nan
    comparison = metrics.compare(TRUTH, poses)
    assert comparison.mpjpe == 0.0
    assert metrics.pck3d(comparison, 0.1) == pytest.approx(24 / 25)
    assert set(metrics.pcp3d(comparison).values()) == {0.8}  # thigh and shank


def test_switches_are_counted_once_each_and_a_new_number_on_return_too():
    poses = poses_of(TRUTH)
    later = poses.frame >= 20
    person = poses.person.copy()
    person[later & (poses.person == 10)], person[later & (poses.person == 11)] = 11, 10
    person[(poses.frame >= 30) & (poses.person == 12)] = 99
    poses.person[:] = person
    switches = metrics.identity_switches(
        metrics.compare(TRUTH, without(poses, (poses.frame > 25) & (poses.frame < 30)))
    )
    assert switches == [(20, 0, 10, 11), (20, 1, 11, 10), (30, 2, 12, 99)]


def test_nees_is_one_for_an_honest_covariance_and_not_for_a_dishonest_one():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3)) * 0.02
    cov = root @ root.T
    noise = rng.normal(size=TRUTH.xyz.shape) @ root.T
    honest = metrics.nees(metrics.compare(TRUTH, poses_of(TRUTH, noise, cov)))
    assert metrics.trimmed_mean(honest, 0.0) == pytest.approx(1.0, abs=0.05)
    assert metrics.share_inside_ellipsoid(honest, 0.9) == pytest.approx(0.9, abs=0.02)
    proud = metrics.nees(metrics.compare(TRUTH, poses_of(TRUTH, noise, cov / 4)))
    assert metrics.trimmed_mean(proud, 0.0) == pytest.approx(4.0, abs=0.2)


def test_filled_joints_and_the_bound():
    rng = np.random.default_rng(2)
    bound = rng.uniform(0.005, 0.02, TRUTH.xyz.shape[:2])
    noise = rng.normal(size=TRUTH.xyz.shape) * bound[..., None] / np.sqrt(3)
    poses = poses_of(TRUTH, noise)
    poses.xyz[:, 4] += 1.0
    poses.filled[:, 4] = True  # said to be a guess: no part of the figures about measured joints
    truth = Truth(TRUTH.frame, TRUTH.actor, TRUTH.xyz, TRUTH.joints, bound)
    comparison = metrics.compare(truth, poses)
    assert metrics.normalised_rmse(comparison) == pytest.approx(1.0, abs=0.05)
    assert np.isnan(metrics.nees(comparison)[:, 4]).all()


def test_spread_of_bones():
    poses = poses_of(TRUTH)
    bone = SKELETON.bones.index((SKELETON.index("left_hip"), SKELETON.index("left_knee")))
    assert metrics.bone_length_spread(poses, SKELETON)[:, bone].max() < 1e-9
    poses.xyz[:, SKELETON.index("left_knee")] += np.random.default_rng(0).normal(size=(len(poses), 3)) * 0.02
    assert 0.02 < metrics.bone_length_spread(poses, SKELETON)[:, bone].mean() < 0.08


def test_head_of_shelf_and_its_names():
    s, e, n = np.array([0.0, 0.0, 1.4]), np.array([0.02, 0.0, 1.62]), np.array([0.1, 0.0, 1.6])
    joints = ("nose", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
    side = np.array([0.0, 0.1, 0.0])
    xyz = np.stack([n, e + side, e - side, s + side, s - side, -s + side, -s - side])[None]
    bottom, top, hip = select_joints(xyz, joints, ("shelf_head_bottom", "shelf_head_top", "mid_hip"))[0]
    np.testing.assert_allclose(bottom, 0.75 * (s + 0.5 * (n - s)) + 0.25 * (s + e) / 2)
    np.testing.assert_allclose(top, 0.75 * (s + (n - s) * [0.75, 0.75, 1.5]) + 0.25 * ((s + e) / 2 + (e - s)))
    np.testing.assert_allclose(hip, -s)
    truth = Truth(
        np.array([0]), np.array([7]), np.stack([top, bottom, xyz[0, 3]])[None], ("HeadTop", "HeadBottom", "LSho")
    )
    comparison = metrics.compare(truth, Poses.from_tracks([track_of(xyz[0], joints)], load_skeleton("coco17")))
    assert comparison.joints == ("shelf_head_top", "shelf_head_bottom", "left_shoulder")
    assert comparison.mpjpe == pytest.approx(0.0, abs=1e-12)


def track_of(xyz: np.ndarray, joints: tuple[str, ...]) -> Tracks:
    coco = load_skeleton("coco17")
    full = np.full((17, 3), np.nan)
    for joint, point in zip(joints, xyz, strict=True):
        full[coco.index(joint)] = point
    known = ~np.isnan(full[:, 0])
    cov = np.where(known[:, None, None], np.eye(3), np.nan)
    return Tracks(0, 0, (Track(1, Pose3D(full, cov, known * 1.0, known * 2, ~known)),))


def test_nobody_predicted_or_nobody_there():
    nobody = Poses.from_tracks([], SKELETON)
    comparison = metrics.compare(TRUTH, nobody)
    assert (comparison.recall, comparison.precision) == (0.0, 0.0)
    assert np.isnan(comparison.mpjpe)


def test_command_prints_a_table_and_json(tmp_path: Path, capsys):
    write_poses(poses_of(TRUTH, 0.01), tmp_path / "poses.parquet")
    write_truth(TRUTH, tmp_path / "gt.npz")
    arguments = ["evaluate", "--truth", str(tmp_path / "gt.npz"), "--poses", str(tmp_path)]
    assert main(arguments) == 0
    assert "17.3 mm" in capsys.readouterr().out
    assert main([*arguments, "--json", "--actors", "0,2"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mpjpe_mm"] == pytest.approx(10 * 3**0.5)
    assert set(figures["pcp3d_by_actor"]) == {"0", "2"}
    assert main([*arguments, "--actors", "0,9"]) == 2
    assert capsys.readouterr().err == "multiview: the ground truth has no actor 9; use one of 0, 1, 2\n"


def test_table_of_nobody_says_so_and_shows_no_figure_of_them(tmp_path: Path, capsys):
    write_poses(Poses.from_tracks([], SKELETON), tmp_path / "poses.parquet")
    write_truth(TRUTH, tmp_path / "gt.npz")
    assert main(["evaluate", "--truth", str(tmp_path / "gt.npz"), "--poses", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "none of them was found" in said
    assert "nan" not in said


def test_truth_is_read_back_and_refused_when_it_is_none(tmp_path: Path, capsys):
    write_truth(TRUTH, tmp_path / "gt.npz")
    again = read_truth(tmp_path / "gt.npz")
    np.testing.assert_array_equal(again.xyz, TRUTH.xyz)
    assert again.joints == TRUTH.joints
    (tmp_path / "cut.npz").write_bytes((tmp_path / "gt.npz").read_bytes()[:300])
    np.savez(tmp_path / "shape.npz", frame=[1, 2], actor=[1], xyz=np.zeros((1, 1, 3)), joints=["nose"])
    np.savez(tmp_path / "other.npz", a=[1])
    for name, message in {
        "cut": "or damaged",
        "shape": "expected frame",
        "other": "lacks frame",
        "no": "no such",
    }.items():
        assert main(["evaluate", "--truth", str(tmp_path / f"{name}.npz"), "--poses", "x"]) == 2
        assert message in capsys.readouterr().err
