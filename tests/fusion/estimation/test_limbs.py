"""Limbs that nobody sees: they go with the body, and swing about where a body would have them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation import kalman_kernels
from multiview.fusion.estimation import limb_kernels as kernels
from multiview.fusion.estimation.limb_kernels import LimbScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.limb_prior import FEET, VARIANCE_M2
from multiview.fusion.state.track_state import People, State
from multiview.geometry.jit import Array, kernel
from multiview.geometry.struct_kernels import as_struct
from multiview.learn.limb_prior import JOINTS, ROOTS, limb_offsets
from multiview.synthetic.postures import sample_postures

SKELETON = load_skeleton("halpe26")
BODY = Body.of(SKELETON)
ELBOW, WRIST, SHOULDER, KNEE, ANKLE, TOE = (
    SKELETON.joints.index(f"left_{joint}") for joint in ("elbow", "wrist", "shoulder", "knee", "ankle", "big_toe")
)
STEP_S = 1.0 / 30.0
DIAGONAL = [0, 3, 5]


@kernel
def predict(m: int, body: Body, people: State, views: Array, scratch: LimbScratch) -> None:
    kernels.predict_limbs(m, body, people, views, scratch)


@kernel
def swing(m: int, dt: float, body: Body, people: State, views: Array, scratch: LimbScratch) -> None:
    kernels.swing_limbs(m, dt, body, people, views, scratch)


class Someone:
    """Who stands where nobody sees some joints, and whose others are known exactly."""

    def __init__(self, *unseen: int, rate: float = 4.0, pose: np.ndarray = BODY.rest_pose) -> None:
        people = People(BODY, slots=1)
        people.begin(0, np.zeros(len(BODY.parent)))
        self.state, self.rate = people.state, rate
        for array in (self.state.vel, self.state.cov_pp, self.state.cov_pv, self.state.cov_vv):
            array[0] = 0.0
        self.state.pos[0] = pose
        self.views = np.full(len(BODY.parent), 3)
        self.views[list(unseen)] = 0
        self._structs = tuple(as_struct(one) for one in (BODY, self.state, LimbScratch.empty(BODY.limbs)))
        self.frame(self.state.pos[0].copy(), np.zeros_like(pose), np.full_like(self.views, 3))

    def frame(self, pos: np.ndarray, vel: np.ndarray, views: np.ndarray | None = None) -> None:
        """One frame, in which what is seen is at `pos` with `vel`, then the prediction of the next."""
        views = self.views if views is None else views
        body, people, scratch = self._structs
        s, seen = self.state, views > 0
        s.posture_rate[0] = self.rate
        predict(0, body, people, views, scratch)
        s.pos[0, seen], s.vel[0, seen] = pos[seen], vel[seen]
        s.cov_pp[0, seen], s.cov_pv[0, seen], s.cov_vv[0, seen] = 0.0, 0.0, 0.0
        swing(0, STEP_S, body, people, views, scratch)
        kalman_kernels.predict(np.array([0]), STEP_S, people)

    def hide(self, seconds: float) -> None:
        """Stand still for so long."""
        pos = self.state.pos[0].copy()
        for _ in range(round(seconds / STEP_S)):
            self.frame(pos, np.zeros_like(pos))

    def deviation(self, joint: int) -> float:
        """m, of the place of a joint."""
        return float(np.sqrt(self.state.cov_pp[0, joint, DIAGONAL].sum()))


def network(pose: np.ndarray, hidden: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The learned body, written in numpy: mean and deviation (8, 3) in the torso's axes."""
    limbs = BODY.limbs
    seen = np.array([j not in hidden for j in limbs.joints])[:, None]
    offsets = limb_offsets(pose[None], SKELETON.joints, np.ones(1))[0]
    x = np.concatenate([seen, offsets * seen], axis=1).ravel()
    x = np.maximum(x @ limbs.w1 + limbs.b1, 0.0)
    x = np.maximum(x @ limbs.w2 + limbs.b2, 0.0)
    mean, log_sd = np.split((x @ limbs.w3 + limbs.b3).reshape(8, 6), 2, axis=1)
    return mean, np.maximum(np.exp(log_sd), kernels.LEAST_SD_M)


@pytest.mark.parametrize("hidden", [(ELBOW, WRIST), (WRIST,), (KNEE, ANKLE)])
def test_unseen_limb_ends_where_the_learned_body_has_it_and_as_uncertain(hidden: tuple[int, ...]) -> None:
    someone = Someone(*hidden)
    someone.hide(20.0)
    mean, deviation = network(BODY.rest_pose, list(hidden))
    axes = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # the standing body faces +y
    for joint in hidden:
        i = BODY.limbs.joints.tolist().index(joint)
        expected = BODY.rest_pose[BODY.limbs.root[joint]] + axes @ mean[i]
        np.testing.assert_allclose(someone.state.pos[0, joint], expected, atol=1e-3)
        variance = np.diag(axes @ np.diag(deviation[i] ** 2) @ axes.T)
        np.testing.assert_allclose(someone.state.cov_pp[0, joint, DIAGONAL], variance, rtol=0.1)


def test_toes_of_an_unseen_ankle_are_less_certain_than_those_of_a_seen_one() -> None:
    one, other = Someone(TOE), Someone(TOE, ANKLE, KNEE)
    one.hide(20.0)
    other.hide(20.0)
    assert one.deviation(TOE) == pytest.approx(np.linalg.norm(FEET["big_toe"][1]), rel=0.1)
    assert other.deviation(TOE) == pytest.approx(np.hypot(one.deviation(TOE), other.deviation(ANKLE)), rel=0.1)


def test_covariance_of_an_unseen_limb_grows_as_quickly_as_the_person_moves() -> None:
    deviations = []
    for rate in (0.1, 1.0, 10.0):
        someone = Someone(WRIST, ELBOW, rate=rate)
        someone.hide(0.5)
        deviations.append(someone.deviation(WRIST))
    assert 2.0 * deviations[0] < deviations[1]
    assert 1.5 * deviations[1] < deviations[2] < 0.4


def test_unseen_limb_goes_with_a_body_that_runs_and_turns() -> None:
    """Half a turn within a second at 3 m/s; the rate is 0, so that the limb keeps its place in the body."""
    turn, velocity = np.array([0.0, 0.0, np.pi]), np.array([3.0, 0.0, 0.0])

    def at(frame: int) -> tuple[np.ndarray, np.ndarray]:
        turned = BODY.rest_pose @ Rotation.from_rotvec(turn * frame * STEP_S).as_matrix().T
        return turned + velocity * frame * STEP_S, np.cross(turn, turned) + velocity

    someone = Someone(ELBOW, WRIST, rate=0.0)
    someone.state.pos[0], someone.state.vel[0] = at(0)
    someone.frame(*at(0), np.full_like(someone.views, 3))
    for frame in range(1, 31):
        someone.frame(*at(frame))
    expected, _ = at(31)
    turned_only = np.linalg.norm(expected[WRIST] - 31 * STEP_S * velocity - BODY.rest_pose[WRIST])
    assert np.linalg.norm(someone.state.pos[0, WRIST] - expected[WRIST]) < 0.1 * turned_only


def test_rate_is_the_squared_speed_of_the_limbs_over_the_variance_of_their_places() -> None:
    someone = Someone()
    limbs, speed = BODY.limbs.joints, 0.8
    vel = np.zeros_like(BODY.rest_pose)
    vel[limbs] = [0.0, 0.0, speed]
    body, people, scratch = someone._structs
    someone.state.pos[0], someone.state.vel[0] = BODY.rest_pose, vel
    for _ in range(round(10.0 / STEP_S)):
        swing(0, STEP_S, body, people, someone.views, scratch)
    for joint, name in ((ELBOW, "elbow"), (WRIST, "wrist"), (ANKLE, "ankle"), (TOE, "ankle")):
        expected = speed**2 / VARIANCE_M2[name]
        assert someone.state.posture_rate[0, joint] == pytest.approx(expected, rel=0.05)


def test_shipped_body_is_honest_about_every_kind_of_posture() -> None:
    """Of seldom ones and of everyday ones, the squared error is what the variance says."""
    names = load_skeleton("halpe26").joints
    for only in (("folded", "lunge", "kneel"), ("stand", "walk", "sit")):
        xyz, stature = sample_postures(np.random.default_rng(5), 400, held_out=True, only=only)
        offsets = limb_offsets(xyz, names, stature / 1.73)
        for limb in ((0, 2), (5, 7)):
            hidden = [int(BODY.limbs.joints[i]) for i in limb]
            ratios = []
            for pose, size, true in zip(xyz, stature / 1.73, offsets, strict=True):
                mean, deviation = network(pose / size, hidden)
                ratios.append(((mean - true)[list(limb)] ** 2).sum(-1) / (deviation[list(limb)] ** 2).sum(-1))
            assert 0.15 < np.median(ratios) < 2.0
            assert np.mean(ratios) < 4.0


def test_moments_of_limbs_and_feet_are_those_of_random_postures() -> None:
    xyz, stature = sample_postures(np.random.default_rng(3), 20_000)
    size = stature / 1.73
    offsets = limb_offsets(xyz, SKELETON.joints, size)
    for i, (joint, root) in enumerate(zip(JOINTS, ROOTS, strict=True)):
        j = BODY.limbs.joints[i]
        assert SKELETON.joints[j] == joint
        assert SKELETON.joints[BODY.limbs.root[j]] == root
        assert offsets[:, i].var(axis=0).sum() == pytest.approx(VARIANCE_M2[joint.partition("_")[2]], rel=0.05)
    feet = xyz.copy()
    for foot, ankle in zip(BODY.limbs.feet, BODY.limbs.near[BODY.limbs.feet], strict=True):
        side = SKELETON.joints[ankle].partition("_")[0]
        swapped = feet.copy()  # the foot's point takes the place of the elbow, its ankle that of the shoulder
        swapped[:, SKELETON.joints.index(f"{side}_elbow")] = feet[:, foot] - feet[:, ankle]
        shoulder = SKELETON.joints.index(f"{side}_shoulder")
        swapped[:, SKELETON.joints.index(f"{side}_elbow")] += feet[:, shoulder]
        own = limb_offsets(swapped, SKELETON.joints, size)[:, JOINTS.index(f"{side}_elbow")]
        row = BODY.limbs.feet.tolist().index(foot)
        np.testing.assert_allclose(BODY.limbs.foot_offset[row], own.mean(axis=0), atol=0.01)
        np.testing.assert_allclose(BODY.limbs.foot_spread[row], own.std(axis=0), atol=0.01)
