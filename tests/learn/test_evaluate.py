"""The figures are pycocotools' own, and mean what they say."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from multiview.body.skeleton import load_skeleton
from multiview.learn.coco import Person, coco_document
from multiview.learn.evaluate import average_precision, evaluate_model
from multiview.learn.evaluation_page import write_page
from multiview.learn.model_file import from_network
from multiview.learn.recipe import Network, Recipe, build_network
from multiview.learn.sample import Sample
from multiview.learn.validation import left_right_accuracy, pck

COCO17 = load_skeleton("coco17")


def some_people(count: int) -> tuple[list[Person], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    people, found = [], []
    for i in range(count):
        for _ in range(int(rng.integers(1, 4))):
            side = float(np.exp(rng.uniform(np.log(25), np.log(300))))
            xy = rng.uniform(0, side, (17, 2)) + rng.uniform(0, 50, 2)
            box = np.concatenate([xy.min(0), xy.max(0)])
            flags = rng.integers(0, 3, 17)
            flags[0] = 2
            people.append(
                Person(i, Path("x"), xy.round(3), flags, box.round(3), round(0.5 * side**2, 3), len(people) + 1)
            )
            found.append(xy + rng.normal(0, 0.12 * side * rng.random(), (17, 2)))
    return people, np.stack(found), rng.random(len(people))


@pytest.mark.slow
def test_average_precision_is_that_of_pycocotools():
    people, xy, score = some_people(1000)
    ours = average_precision(people, xy, score, COCO17)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = coco_document([(i, str(i), 1, 1) for i in range(1000)], people, COCO17.joints, COCO17.bones)
        truth.createIndex()
        triples = np.concatenate([xy, np.ones((len(people), 17, 1))], axis=2).reshape(len(people), -1)
        answers = [
            {"image_id": p.image_id, "category_id": 1, "score": float(s), "keypoints": k.tolist()}
            for p, k, s in zip(people, triples, score, strict=True)
        ]
        judge = COCOeval(truth, truth.loadRes(answers), "keypoints")
        judge.params.kpt_oks_sigmas = COCO17.oks_sigmas
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    np.testing.assert_allclose(list(ours.values()), judge.stats, atol=1e-6)
    assert 0.05 < ours["ap"] < 0.95


def person_of(xy: np.ndarray) -> Sample:
    return Sample(np.zeros((100, 100, 3), np.uint8), xy, np.full(17, 2), np.array([0.0, 0, 50, 100]))


def test_pck_and_sides():
    truth = np.random.default_rng(0).uniform(10, 90, (17, 2))
    samples = [person_of(truth)]
    hit, known = pck((truth + np.array([0, 9.9]))[None], samples)
    assert hit.all()
    assert known.all()
    assert not pck((truth + np.array([0, 10.1]))[None], samples)[0].any()
    assert left_right_accuracy(truth[None], samples, COCO17) == 1.0
    assert left_right_accuracy(truth[None][:, COCO17.mirrored], samples, COCO17) == 0.0


def test_a_page_of_the_worst(tmp_path):
    recipe = Recipe(network=Network(widths=(8, 8, 8, 16), depths=(1, 1, 1), input=(64, 64)))
    people, _, _ = some_people(6)
    rng = np.random.default_rng(0)
    samples = [
        Sample(rng.integers(0, 255, (400, 400, 3), dtype=np.uint8), p.xy, p.visibility, p.box) for p in people
    ]  # fmt: skip
    figures, found, oks = evaluate_model(
        from_network(build_network(recipe.network, 17), recipe), people, samples, COCO17
    )
    assert set(figures["pck_per_joint"]) == set(COCO17.joints)
    names = [f"<{p.id}>" for p in people]
    write_page(tmp_path / "page.html", "a & b", figures, samples, names, found, oks, COCO17)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == len(people)
    assert "a &amp; b" in page
    assert "&lt;1&gt;" in page
