import msgspec
import numpy as np
import pytest

from multiview.cameras.camera import Camera, Rig
from multiview.data import Tracks
from multiview.fusion.pipeline import Options, Pipeline
from multiview.synthetic import Options as StudioOptions
from multiview.synthetic import Studio, make_studio

FAIR = StudioOptions(cameras=5, people=3, seconds=2.0, skeleton="body25")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(FAIR)


def fuse(studio: Studio, rig: Rig | None = None, options: Options = Options()) -> list[Tracks]:  # noqa: B008
    pipeline = Pipeline(rig or studio.rig, studio.skeleton, options)
    return [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]


def errors(studio: Studio, ticks: list[Tracks]) -> tuple[np.ndarray, int, int, dict[int, set[int]]]:
    """Joint errors of matched people in metres, people missed, false people, and the numbers each actor had."""
    found, missed, false = [], 0, 0
    numbers: dict[int, set[int]] = {}
    for tracks in ticks:
        rows = np.flatnonzero(studio.truth.frame == tracks.tick)
        free = list(tracks.tracks)
        for row in rows:
            gaps = [np.nanmean(np.linalg.norm(track.pose.xyz - studio.truth.xyz[row], axis=-1)) for track in free]
            if not gaps or min(gaps) > 0.5:
                missed += 1
                continue
            track = free.pop(int(np.argmin(gaps)))
            numbers.setdefault(int(studio.truth.actor[row]), set()).add(track.person)
            found.append(np.linalg.norm(track.pose.xyz - studio.truth.xyz[row], axis=-1))
        false += len(free)
    return np.array(found), missed, false, numbers


def test_everyone_is_found_where_they_are_and_stays_who_they_are(studio: Studio) -> None:
    error, missed, false, numbers = errors(studio, fuse(studio))
    assert missed == 0
    assert false <= 0.01 * len(error)
    assert all(len(own) == 1 for own in numbers.values())
    # 4 px at 200 px per metre is 20 mm in one view; five views and a filter must beat the one view.
    assert np.nanmean(error) < 0.020
    assert np.isfinite(error).mean() > 0.98


def test_perfect_views_give_perfect_people() -> None:
    perfect = make_studio(msgspec.structs.replace(FAIR, seconds=0.5).perfect())
    error, missed, false, _ = errors(perfect, fuse(perfect))
    assert (missed, false) == (0, 0)
    assert np.nanmedian(error) < 0.002


@pytest.mark.parametrize("cameras", [2, 16])
def test_few_and_many_cameras(cameras: int) -> None:
    people = 2 if cameras == 2 else 6
    studio = make_studio(msgspec.structs.replace(FAIR, cameras=cameras, people=people, seconds=1.0))
    error, missed, false, _ = errors(studio, fuse(studio))
    # Two views are believed after a few frames.
    assert missed <= 5 * people
    assert false <= 0.02 * len(error)
    assert np.nanmedian(error) < (0.04 if cameras == 2 else 0.012)


def test_the_same_input_gives_the_same_bits(studio: Studio) -> None:
    for a, b in zip(fuse(studio), fuse(studio), strict=True):
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


def test_a_rigid_motion_of_the_world_moves_the_people_with_it(studio: Studio) -> None:
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    shift = np.array([30.0, -20.0, 7.0])
    for a, b in zip(fuse(studio), fuse(studio, moved(studio.rig, turn, shift)), strict=True):
        assert [track.person for track in a.tracks] == [track.person for track in b.tracks]
        for one, other in zip(a.tracks, b.tracks, strict=True):
            np.testing.assert_allclose(other.pose.xyz, one.pose.xyz @ turn.T + shift, atol=1e-6)
            np.testing.assert_allclose(other.pose.cov, turn @ one.pose.cov @ turn.T, atol=1e-8, rtol=1e-3)
            assert (one.pose.filled == other.pose.filled).all()
            assert (one.pose.views == other.pose.views).all()


def test_frames_on_their_own(studio: Studio) -> None:
    error, missed, _, _ = errors(studio, fuse(studio, options=Options(independent=True)))
    assert missed <= 0.02 * len(error)


def test_nobody_and_no_camera_are_data(studio: Studio) -> None:
    from multiview.data import Keypoints2D, Views

    pipeline = Pipeline(studio.rig, studio.skeleton)
    joints = len(studio.skeleton.joints)
    assert pipeline.step(Views(0, 0, (None,) * 5)).tracks == ()
    assert pipeline.step(Views(1, 1, (Keypoints2D.nobody(joints),) * 5)).tracks == ()


def test_what_is_learned_of_the_noise_never_runs_away() -> None:
    """A joint whose prediction three rays overruled keeps nothing of it; else its bias, and the noise, ran away."""
    studio = make_studio(StudioOptions(cameras=5, people=4, seconds=20.0, leaving=2, seed=0))
    pipeline = Pipeline(studio.rig, studio.skeleton, Options(sigma_px=3.5))
    people, noise = [], []
    for frame in range(60):
        people.append(len(pipeline.step(studio.views(frame)).tracks))
        noise.append(np.sqrt(pipeline.noise.variance.max()))
    assert people[-10:] == [4] * 10
    assert max(noise) < 30.0


def test_no_joint_flies_away_where_rays_are_nearly_parallel(studio: Studio) -> None:
    error, _, _, _ = errors(studio, fuse(studio, options=Options(independent=True)))
    assert np.nanmax(error) < 1.5
