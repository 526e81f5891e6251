"""Does each fault occur as often as asked, and look as it should?"""

import numpy as np
import pytest

from multiview.synthetic import Studio, StudioOptions, make_studio
from multiview.synthetic.observe import Observations
from multiview.synthetic.occlusion import CAPSULE_JOINTS, hidden_joints
from multiview.synthetic.studio import _PAD

PERFECT = StudioOptions(cameras=3, people=4, seconds=20, seed=1).perfect()


def observed(**changes: object) -> tuple[Studio, list[Observations]]:
    fields = {name: getattr(PERFECT, name) for name in PERFECT.__struct_fields__}
    studio = make_studio(StudioOptions(**(fields | changes)))
    return studio, [studio.observations(camera) for camera in range(3)]


def clean_pixels(studio: Studio) -> list[np.ndarray]:
    xyz = studio._motion.xyz[_PAD : _PAD + studio.frames]
    return [camera.project(xyz) for camera in studio.rig.cameras]


@pytest.mark.parametrize("rho", [0.0, 0.85])
def test_noise_has_the_deviation_it_says_and_the_correlation_asked(rho):
    studio, seen = observed(sigma_px=4.0, correlation=rho)
    error = np.stack([s.xy - clean for s, clean in zip(seen, clean_pixels(studio), strict=True)])
    sigma = np.stack([s.sigma for s in seen])
    normal = error / sigma[..., None]
    assert np.nanstd(normal) == pytest.approx(1.0, abs=0.03)
    assert np.nanmean(normal[:, 1:] * normal[:, :-1]) == pytest.approx(rho, abs=0.03)
    assert np.sqrt(np.nanmean(sigma**2)) == pytest.approx(4.0, rel=0.15)


def test_score_tells_of_the_error_and_so_do_joint_and_size():
    studio, seen = observed(sigma_px=4.0)
    sigma, score = np.stack([s.sigma for s in seen]), np.stack([s.score for s in seen])
    known = np.isfinite(sigma)
    assert np.corrcoef(np.log(sigma[known]), np.log(score[known]))[0, 1] < -0.4
    by_joint = np.nanmean(sigma, axis=(0, 1, 2))
    assert by_joint[studio.skeleton.index("left_hip")] > 1.5 * by_joint[studio.skeleton.index("nose")]
    depth = np.stack([(studio._motion.xyz[_PAD:-_PAD].mean(axis=2) @ c.R.T + c.t)[..., 2] for c in studio.rig.cameras])
    near = depth < np.median(depth)
    assert np.nanmean(sigma[near]) > 1.1 * np.nanmean(sigma[~near])


@pytest.mark.parametrize("burst", [1, 4])
def test_every_fault_is_as_frequent_as_asked(burst):
    share = {"outliers": 0.05, "missing_joints": 0.08, "missed_people": 0.04, "swaps": 0.03, "false_positives": 0.06}
    _, seen = observed(**share, burst_frames=burst)
    found = np.stack([s.found[:, :4] for s in seen])
    known = np.stack([~np.isnan(s.xy[:, :4, :, 0]) for s in seen])
    outlier = np.stack([s.outlier[:, :4] for s in seen])
    false_positives = np.stack([s.found[:, 4:] for s in seen])
    assert 1 - found.mean() == pytest.approx(0.04, rel=0.3)
    assert 1 - known.mean() == pytest.approx(0.08, rel=0.1)
    assert outlier[known].mean() == pytest.approx(0.05, rel=0.1)
    assert np.stack([s.swapped[:, :4] for s in seen]).mean() == pytest.approx(0.03, rel=0.4)
    assert false_positives.sum() / found.size == pytest.approx(0.06, rel=0.35)


def test_outliers_are_50_to_200_px_off_and_the_others_exact():
    studio, seen = observed(outliers=0.1)
    for s, clean in zip(seen, clean_pixels(studio), strict=True):
        off = np.linalg.norm(s.xy - clean, axis=-1)
        assert 49.9 < off[s.outlier].min() < off[s.outlier].max() < 200.1
        assert np.nanmax(off[~s.outlier]) < 1e-3


def test_swapped_people_have_left_and_right_exchanged():
    studio, seen = observed(swaps=0.1)
    for s, clean in zip(seen, clean_pixels(studio), strict=True):
        assert s.swapped.any()
        exchanged = clean[s.swapped][:, studio.skeleton.mirrored]
        assert np.nanmax(np.abs(s.xy[s.swapped] - exchanged)) < 1e-3
        assert np.nanmax(np.abs(s.xy[~s.swapped] - clean[~s.swapped])) < 1e-3


def test_merged_people_have_limbs_of_a_neighbour_that_are_known_by_name():
    studio, seen = observed(merged=0.5, people=8)
    for s, clean in zip(seen, clean_pixels(studio), strict=True):
        other = s.joint_actor != np.arange(8)[:, None]
        assert 0.001 < other.mean() < 0.3
        frame, slot, joint = np.nonzero(~np.isnan(s.xy[..., 0]))
        np.testing.assert_allclose(
            s.xy[frame, slot, joint], clean[frame, s.joint_actor[frame, slot, joint], joint], atol=1e-3
        )


def test_false_positives_are_nobody_and_labels_follow_the_order_of_detections():
    studio, _ = observed(false_positives=0.2, missed_people=0.1, sigma_px=1.0)
    false_positives = 0
    for frame in range(0, studio.frames, 20):
        for camera in range(3):
            seen, labels = studio.keypoints(camera, frame), studio.labels(camera, frame)
            assert seen is not None
            assert labels.actor.shape == (seen.people,)
            true = labels.actor >= 0
            np.testing.assert_array_equal(np.isnan(seen.xy[..., 0])[true], np.isnan(labels.sigma)[true])
            np.testing.assert_array_equal(studio.observation_sigma(camera, frame), labels.sigma)
            false_positives += int((~true).sum())
            rows = studio.truth.frame == frame
            truth = dict(zip(studio.truth.actor[rows], studio.truth.xyz[rows], strict=True))
            for xy, actor in zip(seen.xy, labels.actor, strict=True):
                if actor >= 0:
                    clean = studio.rig.cameras[camera].project(truth[int(actor)])
                    assert np.nanmedian(np.linalg.norm(xy - clean, axis=-1)) < 4
    assert false_positives > 5


def person_at(x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Joints (nose, left wrist, left knee) and capsules of someone who stands upright with arms down, facing +x."""
    heights = {"shoulder": 1.4, "elbow": 1.1, "wrist": 0.85, "hip": 0.9, "knee": 0.5, "ankle": 0.08}
    points = {f"left_{name}": np.array([x, y + 0.2, z]) for name, z in heights.items()}
    points |= {f"right_{name}": np.array([x, y - 0.2, z]) for name, z in heights.items()}
    points |= {"mid_hip": np.array([x, y, 0.9]), "neck": np.array([x, y, 1.4]), "head_top": np.array([x, y, 1.75])}
    joints = np.stack([[x + 0.1, y, 1.6], points["left_wrist"], points["left_knee"]])
    return joints, np.stack([np.stack([points[a], points[b]]) for a, b in CAPSULE_JOINTS])


@pytest.mark.parametrize(("other", "expected"), [((2.0, 0.0), True), ((-2.0, 0.0), False), ((2.0, 1.5), False)])
def test_who_stands_before_another_hides_them(other, expected):
    (joints, axes), (other_joints, other_axes) = person_at(0, 0), person_at(*other)
    centre, forward = np.array([5.0, 0.0, 1.2]), np.array([-1.0, 0.0, 0.0])
    hidden = hidden_joints(
        centre,
        forward,
        np.stack([joints, other_joints])[None],
        np.stack([axes, other_axes])[None],
        np.ones(3, dtype=bool),
    )
    assert hidden[0, 0].all() == hidden[0, 0].any() == expected


def test_own_head_and_trunk_hide_what_is_behind_them():
    joints, axes = person_at(0, 0)  # looks along +x
    front, back, right = np.array([5.0, 0, 1.6]), np.array([-5.0, 0, 1.6]), np.array([0.0, -5, 1.2])
    surface = np.ones(3, dtype=bool)

    def hidden(centre: np.ndarray) -> list[bool]:
        return hidden_joints(centre, -centre / 5, joints[None, None], axes[None, None], surface)[0, 0].tolist()

    assert hidden(front) == [False, False, False]
    assert hidden(back) == [True, False, False]
    assert hidden(right) == [False, True, False]


def test_cameras_out_of_step_see_people_where_they_were_then():
    studio, seen = observed(phase_ms=30.0, clock_offset_ms=50.0, clock_drift_ppm=40.0)
    step = np.diff(studio._motion.xyz, axis=0)
    for camera in range(3):
        late = (studio.capture_ns(camera, 100) - studio.time_ns(100)) * 1e-9
        assert 0 <= late <= 0.03
        assert studio.stamp_ns(camera, 100) != studio.capture_ns(camera, 100)
        linear = studio._motion.xyz[_PAD:-_PAD] + late * studio.fps * step[_PAD : -_PAD + 1]
        off = seen[camera].xy - studio.rig.cameras[camera].project(linear)
        assert np.nanmedian(np.abs(off)) < 0.1
    ahead = np.array([[studio.stamp_ns(c, f) - studio.capture_ns(c, f) for c in range(3)] for f in (0, 599)])
    assert 0 < np.abs(np.diff(ahead, axis=0)).max() <= 40e-6 * 20e9 + 2
