"""The shipped network on rendered people: found in whole pictures, joints near where they are, left and right told."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.common.package_data import package_file
from multiview.data import VideoFrame
from multiview.detect import make_detector
from multiview.learn.model_file import open_model
from multiview.learn.source import held_out_samples
from multiview.learn.validation import pck
from multiview.synthetic.rendered_image import VISIBLE, sample_image


@pytest.mark.slow
def test_rendered_people_are_found_and_read():
    detector = make_detector("light", {"min_person_score": 0.3})
    assert detector.skeleton.name == "coco17"
    rng = np.random.default_rng(11)
    near, people, found = [], 0, 0
    for number in range(20):
        photo = sample_image(rng, (640, 480), held_out=True, people=1)
        if (photo.visibility == VISIBLE).sum() < 10 or photo.box[0, 3] < 60:
            continue
        people += 1
        (keypoints,) = detector.detect(
            [VideoFrame(np.ascontiguousarray(photo.image[..., ::-1]), number, 0, f"cam{number}")]
        )
        assert ((keypoints.score >= 0) & (keypoints.score <= 1)).all()
        assert np.isnan(keypoints.xy[keypoints.score == 0]).all()
        if not keypoints.people:
            continue
        seen = photo.visibility[0] == VISIBLE
        error = np.linalg.norm(keypoints.xy - photo.xy[0], axis=-1)[:, seen] / photo.box[0, 2:].max()
        best = np.nanmedian(error, axis=1).argmin()
        found += int(np.nanmedian(error[best]) < 0.1)
        near.append(error[best] < 0.1)
        eigenvalues = np.linalg.eigvalsh(keypoints.cov[keypoints.score > 0])
        assert (eigenvalues > 0).all()
    assert people >= 8
    assert found >= 0.75 * people
    assert np.concatenate(near).mean() > 0.75


@pytest.mark.slow
def test_looking_at_the_mirrored_crop_too_helps():
    model = open_model(package_file("models", "light.onnx"))
    samples = held_out_samples(64, model.recipe.network.input)
    plain, both = (pck(answer.predict(samples)[0], samples) for answer in (model, model.flipped()))
    assert both[0].sum() > plain[0].sum()


def test_an_empty_picture_has_no_one():
    detector = make_detector("light")
    (keypoints,) = detector.detect([VideoFrame(np.full((360, 640, 3), 90, np.uint8), 0, 0, "cam")])
    assert keypoints.people == 0


def test_it_is_small():
    size = sum(path.stat().st_size for path in package_file("models").glob("*.onnx"))
    assert 0 < size <= 8_000_000


@pytest.mark.parametrize("name", ["light", "finder"])
def test_the_recipes_of_the_shipped_networks_are_shipped(name):
    from multiview.common.toml import decode_toml
    from multiview.learn.recipe import Recipe

    recipe = decode_toml(package_file("recipes", f"{name}.toml"), Recipe)
    assert open_model(package_file("models", f"{name}.onnx")).recipe == recipe
