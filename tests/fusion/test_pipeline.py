import msgspec
import numpy as np
import pytest

from multiview.cameras.camera import Camera, Rig
from multiview.evaluation.metrics import (
    Comparison,
    identity_switches,
    nees,
    normalised_rmse,
    share_inside_ellipsoid,
)
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.synthetic import Studio, StudioOptions, make_studio
from tests.fusing import compared, filter_rmse, fuse


def ratios(comparison: Comparison) -> np.ndarray:
    """Each measured joint's error over the Cramer-Rao bound of its frame."""
    assert comparison.truth.bound is not None
    bound = comparison.truth.bound[comparison.truth_row]
    usable = comparison.measured & np.isfinite(bound)
    return comparison.error_m[usable] / bound[usable]


def test_pipeline_finds_everyone_better_than_one_frame_can(fair_studio: Studio) -> None:
    """A Kalman filter of each joint alone stays below 1, the best that one frame allows; bones make it better still."""
    comparison = compared(fair_studio, fuse(fair_studio))
    assert comparison.recall == 1.0
    assert comparison.precision >= 0.99
    assert identity_switches(comparison) == []
    assert normalised_rmse(comparison) < filter_rmse(fair_studio) < 1.0
    assert np.isfinite(comparison.error_m).mean() > 0.98


def test_pipeline_with_memory_is_better_than_without(fair_studio: Studio) -> None:
    """Without memory, what is alike in everybody's bones is all that it knows besides the frame."""
    alone = compared(fair_studio, fuse(fair_studio, options=PipelineOptions(independent=True)))
    assert alone.recall >= 0.98
    assert filter_rmse(fair_studio) < normalised_rmse(alone) < 1.0


def test_covariance_holds_nine_joints_in_ten(fair_studio: Studio) -> None:
    """Errors of a joint are alike for about ten frames, so that N joints are N / 10 draws of a share."""
    values = nees(compared(fair_studio, fuse(fair_studio)))
    spread = np.sqrt(0.9 * 0.1 / (np.isfinite(values).sum() / 10))
    assert abs(share_inside_ellipsoid(values, 0.9) - 0.9) < 3 * spread


def test_pipeline_follows_perfect_views_perfectly(perfect_studio: Studio, fair_studio: Studio) -> None:
    """What is left is a hundredth of the variance that the noise of the same studio would bring."""
    noisy = make_studio(msgspec.structs.replace(fair_studio.options, seconds=perfect_studio.options.seconds))
    comparison = compared(perfect_studio, fuse(perfect_studio), noisy)
    assert (comparison.recall, comparison.precision) == (1.0, 1.0)
    assert normalised_rmse(comparison) < 0.1


@pytest.mark.parametrize(("cameras", "people"), [(2, 2), (16, 6)])
def test_pipeline_works_with_few_and_many_cameras(fair_studio: Studio, cameras: int, people: int) -> None:
    options = msgspec.structs.replace(fair_studio.options, cameras=cameras, people=people, seconds=1.0)
    studio = make_studio(options)
    comparison = compared(studio, fuse(studio))
    late = PipelineOptions().track.confirmation_frames + 1  # two views confirm a track after a few frames
    assert comparison.recall >= 1.0 - late * people / len(studio.truth.frame)
    assert comparison.precision >= 0.98
    assert normalised_rmse(comparison) < filter_rmse(studio)


def test_pipeline_gives_the_same_bits_for_the_same_input(fair_studio: Studio) -> None:
    for a, b in zip(fuse(fair_studio), fuse(fair_studio), strict=True):
        assert [track.person for track in a.tracks] == [track.person for track in b.tracks]
        for one, other in zip(a.tracks, b.tracks, strict=True):
            assert one.pose.xyz.tobytes() == other.pose.xyz.tobytes()
            assert one.pose.cov.tobytes() == other.pose.cov.tobytes()


def moved(rig: Rig, turn: np.ndarray, shift: np.ndarray) -> Rig:
    """The same cameras in a world with other axes: X' = turn X + shift."""
    return Rig(
        tuple(
            Camera(c.name, c.size, c.K, c.dist, c.R @ turn.T, c.t - c.R @ turn.T @ shift, c.model) for c in rig.cameras
        )
    )


def test_people_move_with_a_rigid_motion_of_the_world(fair_studio: Studio) -> None:
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    shift = np.array([30.0, -20.0, 7.0])
    for a, b in zip(fuse(fair_studio), fuse(fair_studio, moved(fair_studio.rig, turn, shift)), strict=True):
        assert [track.person for track in a.tracks] == [track.person for track in b.tracks]
        for one, other in zip(a.tracks, b.tracks, strict=True):
            np.testing.assert_allclose(other.pose.xyz, one.pose.xyz @ turn.T + shift, atol=1e-6)
            np.testing.assert_allclose(other.pose.cov, turn @ one.pose.cov @ turn.T, atol=1e-8, rtol=1e-3)
            assert (one.pose.filled == other.pose.filled).all()
            assert (one.pose.views == other.pose.views).all()


def test_pipeline_takes_nobody_and_no_camera_as_data(fair_studio: Studio) -> None:
    from multiview.data import Keypoints2D, Views

    pipeline = Pipeline(fair_studio.rig, fair_studio.skeleton)
    joints = len(fair_studio.skeleton.joints)
    assert pipeline.step(Views(0, 0, (None,) * 5)).tracks == ()
    assert pipeline.step(Views(1, 1, (Keypoints2D.nobody(joints),) * 5)).tracks == ()


def test_learned_noise_never_runs_away() -> None:
    """A joint whose prediction three rays overruled keeps nothing of it; else its bias, and the noise, ran away."""
    studio = make_studio(StudioOptions(cameras=5, people=4, seconds=20.0, leaving=2, seed=0))
    pipeline = Pipeline(studio.rig, studio.skeleton, PipelineOptions(sigma_px=3.5))
    people, noise = [], []
    for frame in range(60):
        people.append(len(pipeline.step(studio.views(frame)).tracks))
        noise.append(np.sqrt(pipeline.noise.variance.max()))
    assert people[-10:] == [4] * 10
    # At the lowest score it may be that of the noisiest joint of all, but no more.
    assert max(noise) < max(np.nanmax(studio.observations(camera).sigma) for camera in range(5))


def test_no_joint_flies_away_where_rays_are_nearly_parallel(fair_studio: Studio) -> None:
    """Six standard deviations: one joint in 10^8 whose error is normal."""
    alone = compared(fair_studio, fuse(fair_studio, options=PipelineOptions(independent=True)))
    assert ratios(alone).max() < 6.0
