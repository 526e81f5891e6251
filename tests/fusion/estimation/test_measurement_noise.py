import msgspec
import numpy as np
import pytest

from multiview.cameras.observations import pack
from multiview.fusion.estimation.measurement_noise_kernels import learn, scale_by_size
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.state.measurement_noise import SCORES, SIZES, PixelNoise, ResidualStatistics
from multiview.fusion.state.track_state import State
from multiview.synthetic import StudioOptions, make_studio


@pytest.mark.slow
def test_measurement_noise_is_learned_by_joint_score_and_size() -> None:
    """Chi-squares under the present model are the true variance over the modelled one, times their expectation."""
    rng = np.random.default_rng(1)
    noise = PixelNoise(8.0, np.ones(3))
    joint, score, size = np.array([1.0, 4.0, 2.0]), (0.75 / SCORES) ** 2, (SIZES / 200) ** 0.6
    true = 9.0 * joint[:, None] * score
    for _ in range(400):
        share = rng.uniform(5, 15, (3, len(SCORES), len(SIZES)))
        ratio = (true / noise.variance)[..., None] * (size / noise.size)
        chi2 = ratio * share
        chi2_sums, expected_sums = chi2.sum(axis=2).T.copy(), share.sum(axis=2).T.copy()
        by_size = np.stack([chi2.sum(axis=(0, 1)), share.sum(axis=(0, 1))], axis=-1)
        learn(
            noise.tables, ResidualStatistics(chi2_sums, expected_sums, by_size, np.array([0.3, 1.0]), np.empty((3, 4)))
        )
    both = noise.variance[..., None] * noise.size
    # The start values, off by up to a factor of 9, keep a few percent of the weight in each of the three tables.
    np.testing.assert_allclose(both, true[..., None] * size, rtol=0.25)
    assert abs(noise.error_autocorrelation - 0.3) < 0.1


@pytest.mark.parametrize("whole", [True, False])
def test_scale_by_size_scales_rays_by_how_large_their_person_is(whole: bool) -> None:
    studio = make_studio(StudioOptions(cameras=3, people=1, seconds=0.1))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    rays = pack(studio.views(0), pipeline.packed, 17, pipeline.noise.variance, SCORES)
    before = rays.info.copy()
    people = State.empty(1, 17, 1)
    people.pos[0] = studio.truth.xyz[0]
    table = np.full((1, 3, 17), -1)
    table[0, 2] = np.arange(17)
    claims, is_whole = np.array([[-1, -1, 0]]), np.array([[False, False, whole]])
    scale_by_size(
        np.array([0]), claims, is_whole, table, people, pipeline.body.torso, rays, pipeline.packed, SIZES, SIZES / 200
    )
    camera = studio.rig.cameras[2]
    depth = (camera.R @ people.pos[0, pipeline.body.torso].mean(axis=0) + camera.t)[2]
    np.testing.assert_allclose(before[0], rays.info[0] * camera.K[0, 0] / depth / 200, rtol=1e-9)
    np.testing.assert_array_equal(before[1:], rays.info[1:])


def test_measurement_noise_that_grows_with_size_is_found_by_the_pipeline() -> None:
    options = StudioOptions(cameras=6, people=3, seconds=6.0, area_m=6.0, radius_m=4.0, size_exponent=0.0)

    def slope(exponent: float) -> float:
        studio = make_studio(msgspec.structs.replace(options, size_exponent=exponent))
        pipeline = Pipeline(studio.rig, studio.skeleton)
        for frame in range(studio.frames):
            pipeline.step(studio.views(frame))
        return float(np.log(pipeline.noise.size[3] / pipeline.noise.size[1]) / np.log(SIZES[3] / SIZES[1]))

    assert slope(0.0) < 0.5 < 1.2 < slope(1.0)
