"""Networks of whole pictures: what they are taught reads back as the people, and what detectors read is the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from multiview.body.skeleton import load_skeleton
from multiview.common.package_data import package_file
from multiview.common.toml import decode_toml
from multiview.data import VideoFrame
from multiview.detect import make_detector
from multiview.keypoints.people_maps import people_from_fields, people_from_tags
from multiview.learn.affinity_loss import affinity_fields, affinity_loss
from multiview.learn.augment import framed_crop
from multiview.learn.deploy import export, write_card
from multiview.learn.limbs import limbs_of
from multiview.learn.losses import gaussian_maps
from multiview.learn.model_file import open_model
from multiview.learn.people_labels import HEAT_SIGMA, STRIDE, PeopleLabels, labels_of, map_places
from multiview.learn.people_reading import find_people
from multiview.learn.picture_source import PictureSource
from multiview.learn.recipe import Data, Network, Recipe, Schedule, untrained_network
from multiview.learn.regression_task import CALIBRATION
from multiview.learn.set_loss import match_people
from multiview.learn.start_weights import start_network
from multiview.learn.tag_loss import grouping_loss
from multiview.learn.tensors import images_to_tensor
from multiview.learn.train import Trainer, train

COCO17 = load_skeleton("coco17")
LIMBS = limbs_of(COCO17)
WIDTH, HEIGHT = 256, 192


@cache
def two_people() -> PeopleLabels:
    """Two standing people whose boxes overlap, every joint apart from the other's."""
    head = [[0, 0], [3, -3], [-3, -3], [7, -1], [-7, -1]]
    arms = [[14, 18], [-14, 18], [20, 42], [-20, 42], [24, 64], [-24, 64]]
    legs = [[10, 66], [-10, 66], [11, 98], [-11, 98], [12, 130], [-12, 130]]
    xy = np.array([*head, *arms, *legs], float) + np.array([[[100, 30]], [[133, 44]]])
    return PeopleLabels(
        torch.as_tensor(xy, dtype=torch.float32),
        torch.ones(2, 17, dtype=torch.bool),
        torch.full((2,), 3000.0),
        np.arange(2),
    )


def perfect_heat() -> np.ndarray:
    places = map_places(two_people())
    return gaussian_maps(places, HEIGHT // STRIDE, WIDTH // STRIDE, HEAT_SIGMA).amax(0).numpy()


def assert_both_found(xy: np.ndarray) -> None:
    truth = two_people().xy.numpy()
    assert len(xy) >= 2
    for person in truth:
        error = np.linalg.norm(xy - person, axis=-1)
        assert np.nanmax(error, axis=1).min() < 1.5
        best = np.nanmax(error, axis=1).argmin()
        assert np.isfinite(xy[best]).all()


def test_perfect_fields_are_read_as_the_people():
    fields = affinity_fields(two_people(), LIMBS, HEIGHT // STRIDE, WIDTH // STRIDE).numpy()
    assert_both_found(people_from_fields(perfect_heat(), fields, LIMBS, STRIDE, 0.2).xy)


def test_perfect_tags_are_read_as_the_people():
    heat = perfect_heat()
    tags = np.zeros_like(heat)
    for number, person in enumerate(map_places(two_people()).round().long().numpy()):
        for joint, (x, y) in enumerate(person):
            tags[joint, y, x] = 5.0 * number
    assert_both_found(people_from_tags(heat, tags, STRIDE, 0.2).xy)


def test_tags_pull_and_push():
    labels = two_people()
    tags = torch.zeros(17, HEIGHT // STRIDE, WIDTH // STRIDE)
    pull, push = grouping_loss(tags, labels)
    assert (float(pull), float(push)) == (0.0, 1.0)
    for number, person in enumerate(map_places(labels).round().long()):
        tags[torch.arange(17), person[:, 1], person[:, 0]] = 5.0 * number
    pull, push = grouping_loss(tags, labels)
    assert float(pull) == pytest.approx(0.0, abs=1e-6)
    assert float(push) < 1e-4


def test_each_person_is_given_the_query_that_is_theirs():
    labels = two_people()
    queries = torch.cat([labels.xy.flip(0) + 2.0, torch.rand(4, 17, 2) * 200])[[4, 0, 3, 1, 2, 5]]
    rows, columns = match_people(queries, torch.zeros(6), labels, torch.as_tensor(COCO17.oks_sigmas).float())
    assert dict(zip(columns.tolist(), rows.tolist(), strict=True)) == {1: 1, 0: 3}


def test_the_shipped_network_starts_another():
    """The features and the head say what the INT8 file says, also while the norms learn."""
    source = PictureSource(0, Data(pool=8), (128, 160))
    images = images_to_tensor([picture.image for picture in source.batch(0, 8)]).contiguous()
    network = untrained_network(Recipe(network=Network(input=(128, 160))))
    start_network(network, "light", Path(), images)
    shipped = open_model(package_file("models", "light.onnx")).logits(images.numpy())
    for mode in (network.eval(), network.train()):
        with torch.no_grad():
            own = mode(images).numpy()
        assert np.corrcoef(own.ravel(), shipped.ravel())[0, 1] > 0.98


def small(name: str, task: str = "people", **more) -> Recipe:
    network = Network(name=name, widths=(16, 16, 24, 32), depths=(1, 1, 1), width=16, **({"input": (128, 96)} | more))
    schedule = Schedule(batch=8, steps=1000, warmup=5, learning_rate=3e-3, precision="float32")
    return Recipe(task=task, network=network, data=Data(pool=16, reuse=10**6, validation=2), schedule=schedule)


RECIPES = [
    small("part_affinity"),
    small("associative_embedding"),
    small("pose_queries", queries=8),
    small("hourglass", "pose", input=(64, 96)),
    small("regression", "regression", input=(64, 96)),
]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.network.name)
def test_a_few_pictures_are_learnt(recipe, tmp_path):
    torch.set_num_threads(1)
    trainer = Trainer(recipe, tmp_path)
    losses = [trainer.step()["loss"] for _ in range(50)]
    assert np.mean(losses[-5:]) < np.mean(losses[:3]) - 0.1 * abs(np.mean(losses[:3]))


@pytest.mark.parametrize("name", ["part_affinity", "associative_embedding", "pose_queries"])
def test_a_detector_finds_whom_the_evaluation_finds(name, tmp_path, monkeypatch):
    """Deployed with its card, on pictures of the network's own size: the very same people."""
    torch.manual_seed(1)
    recipe = small(name)
    network = untrained_network(recipe)
    if name == "associative_embedding":  # three joints are enough to be someone; all together would take a while
        with torch.no_grad():
            network.trunk.head.bias[:3], network.trunk.head.bias[3:] = -2.5, -9.0
            network.trunk.head.weight *= 3.0
    export(network.eval(), recipe, tmp_path / "net.onnx")
    write_card(tmp_path / "net.toml", recipe, [tmp_path / "net.onnx"], {})
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    (tmp_path / "models" / "net").mkdir(parents=True)
    (tmp_path / "net.onnx").rename(tmp_path / "models" / "net" / "net.onnx")
    plugin = {"part_affinity": "openpose", "associative_embedding": "higher_hrnet"}.get(name, name)
    options = {"model": str(tmp_path / "net.toml"), "min_person_score": 0.05, "min_score": 0.0, "same_person": 1.0}
    detector = make_detector(plugin, options)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    (keypoints,) = detector.detect([VideoFrame(np.ascontiguousarray(image[..., ::-1]), 0, 0, "cam")])
    (found,) = find_people(open_model(tmp_path / "models" / "net" / "net.onnx"), [image])
    assert keypoints.people == len(found.xy) > 0
    np.testing.assert_allclose(keypoints.xy, found.xy, atol=1e-3)


@pytest.mark.parametrize("name", ["hourglass", "rle", "soft_argmax", "affinity", "tags", "queries"])
def test_shipped_recipes_are_right(name):
    recipe = decode_toml(package_file("recipes", f"{name}.toml"), Recipe)
    assert untrained_network(recipe) is not None


def test_a_training_logs_each_stage_and_resumes(tmp_path):
    torch.set_num_threads(1)
    recipe = small("hourglass", "pose", input=(32, 64))
    from msgspec.structs import replace

    recipe = replace(recipe, schedule=replace(recipe.schedule, steps=2, validate_every=2, log_every=1))
    train(recipe, tmp_path, tmp_path, threads=1)
    header, first, *_ = (tmp_path / "curve.csv").read_text().splitlines()
    assert {"loss_1", "loss_2"} <= set(header.split(","))
    row = dict(zip(header.split(","), first.split(","), strict=False))
    assert row["loss"] == row["loss_2"]


def test_a_stage_without_people_has_a_loss():
    nobody = PeopleLabels(torch.zeros(0, 17, 2), torch.zeros(0, 17, dtype=torch.bool), torch.zeros(0), np.zeros(0, int))
    maps = torch.zeros(1, 17 + 2 * len(LIMBS), 24, 32, requires_grad=True)
    affinity_loss([maps], [nobody], COCO17).total.backward()
    assert torch.isfinite(maps.grad).all()


def test_hidden_people_are_not_asked_for():
    picture = PictureSource(0, Data(pool=4), (128, 96)).batch(0, 1)[0]
    picture.visibility[:] = 1
    assert len(labels_of(picture, torch.device("cpu")).rows) == 0


def test_regression_is_calibrated_where_it_was_measured(tmp_path):
    """After validation the squared error over the variance is one on average, on the crops that were measured."""
    torch.set_num_threads(1)
    trainer = Trainer(small("regression", "regression", input=(64, 96)), tmp_path)
    trainer.step()
    trainer.task.validate(trainer.averaged, tmp_path / "picture.png")
    size = (64, 96)
    crops = [framed_crop(sample, size) for sample in trainer.task.source.batch(0, CALIBRATION)]
    with torch.no_grad():
        answer = trainer.averaged(images_to_tensor([crop.image for crop in crops])).numpy() * size[0]
    known = np.stack([crop.visibility for crop in crops]) > 0
    error = np.stack([crop.xy for crop in crops]) - answer[..., :2]
    assert np.mean((error / answer[..., 2:])[known] ** 2) == pytest.approx(1.0, abs=1e-3)
