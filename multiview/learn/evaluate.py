"""How good a model is on labelled people: COCO's OKS mAP, PCK, per joint, per size, and the worst cases to look at.

AP by faster-coco-eval, which gives pycocotools' numbers. PCK@0.1: a joint counts as found within a tenth of the longer
side of the person's box (Yang and Ramanan, 2013).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from multiview.body.skeleton import Skeleton
from multiview.keypoints.one_stage import Found
from multiview.learn.coco import Person, coco_document
from multiview.learn.model_file import Model
from multiview.learn.people_reading import find_people
from multiview.learn.sample import ABSENT, HIDDEN, VISIBLE, Sample
from multiview.learn.validation import left_right_accuracy, pck

__all__ = ["average_precision", "evaluate_model", "evaluate_pictures", "person_oks"]

JUDGED = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")
SIZES = {"medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}  # px^2, COCO's


def average_precision(
    people: list[Person], xy: Float64[np.ndarray, "N J 2"], score: Float64[np.ndarray, " N"], skeleton: Skeleton
) -> dict[str, float]:
    """COCO's keypoint figures (AP and AR, at 0.5 and 0.75, medium and large) of one answer per labelled person.

    `xy` px, `score` of the whole person.
    """
    return _judge(
        people, [(person.image_id, *answer) for person, *answer in zip(people, xy, score, strict=True)], skeleton
    )


def _judge(
    people: list[Person], answers: list[tuple[int, Float64[np.ndarray, "J 2"], float]], skeleton: Skeleton
) -> dict[str, float]:
    """The figures of answers: a picture, joints (px) and a score each."""
    from faster_coco_eval import COCO, COCOeval_faster

    sizes = {person.image_id for person in people}
    pictures = [(image, str(image), 1, 1) for image in sorted(sizes)]
    rows = [
        {
            "image_id": image,
            "category_id": 1,
            "score": float(score),
            "keypoints": np.column_stack([xy, np.ones(len(xy))]).ravel().tolist(),
        }
        for image, xy, score in answers
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(coco_document(pictures, people, skeleton.joints, skeleton.bones))
        judge = COCOeval_faster(truth, truth.loadRes(rows), "keypoints")
        judge.params.kpt_oks_sigmas = np.asarray(skeleton.oks_sigmas)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {name: float(value) for name, value in zip(JUDGED, judge.stats[:10], strict=True)}


def person_oks(
    xy: Float64[np.ndarray, "N J 2"],
    truth: Float64[np.ndarray, "N J 2"],
    known: Bool[np.ndarray, "N J"],
    area: Float64[np.ndarray, " N"],
    skeleton: Skeleton,
) -> Float64[np.ndarray, " N"]:
    """Each person's object keypoint similarity over the joints known; NaN for one without any."""
    e = ((xy - truth) ** 2).sum(-1) / (2 * (2 * skeleton.oks_sigmas) ** 2 * np.maximum(area, 1e-9)[:, None])
    count = known.sum(1)
    return np.asarray(np.where(count, (np.exp(-e) * known).sum(1) / np.maximum(count, 1), np.nan))


def evaluate_model(
    model: Model,
    people: list[Person],
    samples: list[Sample],
    skeleton: Skeleton,
    watch: Callable[[int], None] = lambda _: None,
) -> tuple[dict[str, Any], Float64[np.ndarray, "N J 2"], Float64[np.ndarray, " N"]]:
    """Every figure by name, the joints found (px), and each person's OKS; `watch` is told how many people are done."""
    found, scores = [], []
    for start in range(0, len(samples), 64):
        xy, score = model.predict(samples[start : start + 64])
        found.append(xy)
        scores.append(score)
        watch(min(start + 64, len(samples)))
    xy, score = np.concatenate(found), np.concatenate(scores)
    right, known = pck(xy, samples)
    visibility = np.stack([sample.visibility for sample in samples])
    truth = np.stack([sample.xy for sample in samples])
    area = np.array([person.area for person in people])
    oks = person_oks(xy, truth, visibility > ABSENT, area, skeleton)
    figures: dict[str, Any] = {
        "people": len(people),
        **average_precision(people, xy, score.mean(1), skeleton),
        "ap_visible": average_precision(_visible_only(people), xy, score.mean(1), skeleton)["ap"],
        "pck": _share(right, known),
        "pck_visible": _share(right, visibility == VISIBLE),
        "pck_hidden": _share(right, visibility == HIDDEN),
        "left_right": left_right_accuracy(xy, samples, skeleton),
        "pck_per_joint": {name: _share(right[:, j], known[:, j]) for j, name in enumerate(skeleton.joints)},
    }
    for name, (low, high) in SIZES.items():
        of_size = (area >= low) & (area < high)
        figures[f"pck_{name}"] = _share(right[of_size], known[of_size])
    return figures, xy, oks


def evaluate_pictures(
    model: Model,
    people: list[Person],
    images: Mapping[int, UInt8[np.ndarray, "H W 3"]],
    skeleton: Skeleton,
    watch: Callable[[int], None] = lambda _: None,
) -> tuple[dict[str, Any], dict[int, Found]]:
    """Every figure of a network that reads whole pictures, by name, and whom it found in each picture.

    `images` by the number that the people bear; `watch` is told how many pictures are done. Whoever is found and is
    nobody counts against AP, and so does a joint that is missing.
    """
    found = {}
    for number, image in images.items():
        found[number] = find_people(model, [image])[0]
        watch(len(found))
    answers = [
        (number, np.nan_to_num(xy), float(score))
        for number, answer in found.items()
        for xy, score in zip(answer.xy, answer.scores, strict=True)
    ]
    counts = {"people": len(people), "pictures": len(images), "found": len(answers)}
    if not answers:
        none = dict.fromkeys((*JUDGED, "ap_visible"), 0.0)
        return counts | none, found
    visible = _judge(_visible_only(people), answers, skeleton)["ap"]
    return {**counts, **_judge(people, answers, skeleton), "ap_visible": visible}, found


def _visible_only(people: list[Person]) -> list[Person]:
    """The same without the joints that cannot be seen."""
    return [replace(person, visibility=np.where(person.visibility == VISIBLE, VISIBLE, ABSENT)) for person in people]


def _share(hit: Bool[np.ndarray, "*n"], of: Bool[np.ndarray, "*n"]) -> float:
    """The share of `of` that `hit` has; NaN of nothing."""
    return float(hit[of].mean()) if of.any() else float("nan")
