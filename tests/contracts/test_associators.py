"""What every way of grouping detections keeps to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.cameras.observations import PackedRig, Rays, pack
from multiview.common.plugins import load_plugin, plugin_names
from multiview.errors import ConfigError
from multiview.fusion.association import DetectionAssociator, associator_options, make_associator
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.measurement_noise import SCORES, PixelNoise
from multiview.synthetic import Studio, StudioOptions, make_studio

NAMES = plugin_names("multiview.fusion.association")


def test_associators_are_the_files_without_kernels() -> None:
    assert NAMES == ("epipolar_graph",)


def seen(studio: Studio, frame: int) -> tuple[Body, PackedRig, Rays]:
    """One frame as the pipeline sees it."""
    body, rig = Body.of(studio.skeleton), PackedRig.of(studio.rig)
    noise = PixelNoise(5.0, body.noise)
    return body, rig, pack(studio.views(frame), rig, len(studio.skeleton.joints), noise.variance, SCORES)


@pytest.mark.parametrize("name", NAMES)
class TestEveryAssociator:
    def test_options_are_typed_documented_and_strict(self, name: str) -> None:
        module = load_plugin("multiview.fusion.association", name)
        assert module.__doc__
        assert module.Options.__doc__
        assert isinstance(associator_options(name, {}), msgspec.Struct)
        with pytest.raises(ConfigError, match="no_such_option"):
            associator_options(name, {"no_such_option": 1})

    @pytest.mark.parametrize(("cameras", "people"), [(2, 1), (4, 3), (16, 2)])
    def test_people_who_are_seen_perfectly_are_told_apart(self, name: str, cameras: int, people: int) -> None:
        studio = make_studio(StudioOptions(cameras=cameras, people=people, seconds=0.2, seed=3).perfect())
        body, rig, rays = seen(studio, 0)
        associator = make_associator(name, {}, body)
        assert isinstance(associator, DetectionAssociator)
        groups = associator(rays, rig, np.arange(len(rays.camera)))
        truth = truth_of(studio, 0)
        found = sorted(tuple(truth[group[group >= 0]]) for group in groups)
        assert found == [(person,) * int((truth == person).sum()) for person in range(people)]

    def test_groups_are_of_free_detections_one_a_camera(self, name: str) -> None:
        studio = make_studio(StudioOptions(cameras=5, people=4, seconds=0.2, seed=1))
        body, rig, rays = seen(studio, 2)
        before = [np.copy(array) for array in rays]
        free = np.arange(1, len(rays.camera), dtype=np.int64)[::-1].copy()
        groups = make_associator(name, {}, body)(rays, rig, free)
        assert groups.shape[1] == 5
        assert ((groups >= 0).sum(axis=1) >= 2).all()
        used = groups[groups >= 0]
        assert len(set(used.tolist())) == len(used)
        assert set(used.tolist()) <= set(free.tolist())
        for camera in range(5):
            column = groups[:, camera]
            assert (rays.camera[column[column >= 0]] == camera).all()
        for was, array in zip(before, rays, strict=True):
            np.testing.assert_array_equal(was, array)
        np.testing.assert_array_equal(make_associator(name, {}, body)(rays, rig, free), groups)

    def test_nobody_and_a_single_detection_are_no_error(self, name: str, small_studio: Studio) -> None:
        body, rig, rays = seen(small_studio, 0)
        for free in (np.empty(0, np.int64), np.zeros(1, np.int64)):
            assert make_associator(name, {}, body)(rays, rig, free).shape == (0, 3)

    def test_the_pipeline_takes_it_by_name(self, name: str, small_studio: Studio) -> None:
        pipeline = Pipeline(small_studio.rig, small_studio.skeleton, PipelineOptions(associator=name))
        for frame in range(small_studio.frames):
            tracks = pipeline.step(small_studio.views(frame))
        assert len(tracks.tracks) == 2


def truth_of(studio: Studio, frame: int) -> np.ndarray:
    """Who each detection is, camera after camera."""
    return np.concatenate([studio.labels(camera, frame).actor for camera in range(len(studio.rig))])


def test_associator_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r'has no "epipolar"; did you mean "epipolar_graph"'):
        associator_options("epipolar", {})


def test_associator_of_ones_own_is_used(tmp_path: Path, small_studio: Studio) -> None:
    (tmp_path / "nobody.py").write_text(
        "import msgspec\nimport numpy as np\n\nclass Options(msgspec.Struct):\n    pass\n\n"
        "class Associator:\n    def __init__(self, body, options):\n        pass\n\n"
        "    def __call__(self, rays, rig, free):\n        return np.full((0, len(rig.R)), -1)\n"
    )
    options = PipelineOptions(associator=str(tmp_path / "nobody.py"))
    pipeline = Pipeline(small_studio.rig, small_studio.skeleton, options)
    assert all(not pipeline.step(small_studio.views(frame)).tracks for frame in range(small_studio.frames))
