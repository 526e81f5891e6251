"""What keeps a 2D pose network's AP down: where it would stand if one kind of mistake were mended.

    python -m benchmarks.pose_limits --annotations out/held_out/annotations.json [--model best.pt]

Also what an oracle gets whose only fault is Gaussian noise of so many pixels of the network's input: the ceiling that
the resolution sets. Without --annotations, on the crops that trainings of the shipped recipe are checked against.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from rich.console import Console
from rich.table import Table

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.common.package_data import package_file
from multiview.learn.coco import Person, read_coco
from multiview.learn.evaluate import average_precision, person_oks
from multiview.learn.model_file import open_model
from multiview.learn.sample import ABSENT, HIDDEN, Sample
from multiview.learn.source import held_out_samples
from multiview.learn.validation import left_right_accuracy, pck

PADDING = 1.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="best.pt or a deployed .onnx (default: the shipped one)")
    parser.add_argument("--annotations", type=Path, help="COCO keypoint file; its pictures lie in images/ beside it")
    parser.add_argument("--count", type=int, default=512, help="people (default 512)")
    parser.add_argument("--flip", action="store_true", help="look at the mirrored crops, too")
    args = parser.parse_args()
    model = open_model(args.model or package_file("models", "light.onnx"))
    if args.flip:
        model = model.flipped()
    skeleton = load_skeleton(model.recipe.data.skeleton)
    size = model.recipe.network.input
    people, samples = _people(args.annotations, args.count, size, skeleton)
    xy, score = model.predict(samples)
    table = Table("if", "AP", "AP50", "AP75", "PCK@0.1", "left and right")
    for name, answer, sure in _variants(people, samples, xy, score.mean(1), size, skeleton):
        ap, (right, known) = average_precision(people, answer, sure, skeleton), pck(answer, samples)
        figures = (
            ap["ap"],
            ap["ap50"],
            ap["ap75"],
            right[known].mean(),
            left_right_accuracy(answer, samples, skeleton),
        )
        table.add_row(name, *(f"{value:.3f}" for value in figures))
    hidden = np.stack([sample.visibility for sample in samples])
    console = Console()
    console.print(table)
    console.print(f"{len(people)} people, {(hidden == HIDDEN).sum() / (hidden > ABSENT).sum():.0%} of joints hidden")


def _people(
    annotations: Path | None, count: int, size: tuple[int, int], skeleton: Skeleton
) -> tuple[list[Person], list[Sample]]:
    if annotations is None:
        samples = held_out_samples(count, size)
        shown = [np.count_nonzero(sample.part_labels) if sample.part_labels is not None else 1 for sample in samples]
        rows = enumerate(zip(samples, shown, strict=True))
        return [
            Person(i, Path(), s.xy, s.visibility, s.box, float(max(1, area)), i + 1) for i, (s, area) in rows
        ], samples
    labels = read_coco(annotations, annotations.parent / "images", skeleton.joints)
    kept = [(labels.people[i], sample) for i in range(min(count, len(labels))) if (sample := labels.sample(i))]
    return [person for person, _ in kept], [sample for _, sample in kept]


def _variants(
    people: list[Person],
    samples: list[Sample],
    xy: Float64[np.ndarray, "N J 2"],
    score: Float64[np.ndarray, " N"],
    size: tuple[int, int],
    skeleton: Skeleton,
) -> list[tuple[str, Float64[np.ndarray, "N J 2"], Float64[np.ndarray, " N"]]]:
    """Name, joints and scores of each what-if."""
    truth = np.stack([sample.xy for sample in samples])
    visibility = np.stack([sample.visibility for sample in samples])
    side = np.array([(sample.box[2:] - sample.box[:2]).max() for sample in samples])
    error = np.linalg.norm(xy - truth, axis=-1)
    mirrored = xy[:, skeleton.mirrored]
    swapped = np.linalg.norm(mirrored - truth, axis=-1) < error
    unswapped = np.where(swapped[..., None], mirrored, xy)
    hidden = (visibility == HIDDEN)[..., None]
    area = np.array([person.area for person in people])
    oks = person_oks(xy, truth, visibility > ABSENT, area, skeleton)
    found = [
        ("as it is", xy, score),
        ("scores told who is found well", xy, oks),
        ("left and right were never exchanged", unswapped, score),
        ("hidden joints were given", np.where(hidden, truth, xy), score),
        ("both", np.where(hidden, truth, unswapped), score),
        (
            "no joint were off by more than a tenth",
            np.where((error > 0.1 * side[:, None])[..., None], truth, xy),
            score,
        ),
    ]
    rng = np.random.default_rng(0)
    pixel = (np.max([s.box[2:] - s.box[:2] for s in samples] / np.array(size), axis=1) * PADDING)[:, None, None]
    noise = rng.normal(size=truth.shape) * pixel
    return found + [(f"oracle, {px} px of noise in the crop", truth + px * noise, score) for px in (1, 2, 3)]


if __name__ == "__main__":
    main()
