"""`multiview evaluate2d`: evaluate a 2D pose network on labelled images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.common.ranges import ranged
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from multiview.learn.coco import CocoPeople
    from multiview.learn.model_file import Model

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="FILE", type=Path, help="best.pt, or a deployed .onnx (default: the shipped one)"
    )
    parser.add_argument(
        "--annotations", metavar="JSON", type=Path, help="COCO keypoint file (`multiview label` makes one)"
    )
    parser.add_argument(
        "--images", metavar="DIR", type=Path, help="folder of its images (default: `images` beside the file)"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for figures.json and page.html")
    parser.add_argument(
        "--flip", action="store_true", help="also evaluate the mirrored crops, as `flip = true` does live"
    )
    parser.add_argument("--limit", type=ranged(int), default=0, metavar="N", help="only the first N people")


def run(args: argparse.Namespace) -> int:
    from rich.progress import track

    from multiview.body.skeleton import load_skeleton
    from multiview.common.console import plain_console
    from multiview.common.json_file import write_json
    from multiview.common.package_data import package_file
    from multiview.learn.coco import read_coco
    from multiview.learn.evaluate import evaluate_model
    from multiview.learn.evaluation_page import write_page
    from multiview.learn.model_file import open_model

    if not args.annotations:
        raise ConfigError(
            "--annotations is missing; `multiview label rendered --held-out --out DIR` makes a set to evaluate on"
        )
    console = plain_console()
    model = open_model(args.model or package_file("models", "light.onnx"))
    if args.flip:
        model = model.flipped()
    skeleton = load_skeleton(model.recipe.data.skeleton)
    labels = read_coco(args.annotations, args.images or args.annotations.parent / "images", skeleton.joints)
    if model.recipe.task == "people":
        return _evaluate_pictures(args, model, labels)
    count = min(len(labels), args.limit or len(labels))
    people, samples = [], []
    for index in track(range(count), "reading", console=console, transient=True):
        sample = labels.sample(index)
        if sample is not None:
            people.append(labels.people[index])
            samples.append(sample)
    if not people:
        raise ConfigError(
            f"{args.annotations}: no image can be read, such as {labels.people[0].path}; "
            "give their folder with --images"
        )
    for line in labels.skipped[:10]:
        console.print(f"skipped {line}", style="yellow")
    if len(labels.skipped) > 10:
        console.print(f"skipped {len(labels.skipped) - 10} more", style="yellow")
    with console.status("looking"):
        figures, xy, oks = evaluate_model(model, people, samples, skeleton)
    _print(console, figures)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / "figures.json", figures)
        names = [f"{person.path.name} #{person.id}" for person in people]
        title = f"{(args.model or Path('light.onnx')).name} on {args.annotations.name}"
        write_page(args.out / "page.html", title, figures, samples, names, xy, oks, skeleton)
        console.print(f"page {args.out / 'page.html'}")
    return 0


def _print(console: Console, figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        if not isinstance(value, dict):
            console.print(
                f"{name:22} {value:.4f}" if isinstance(value, float) else f"{name:22} {value}", highlight=False
            )


def _evaluate_pictures(args: argparse.Namespace, model: Model, labels: CocoPeople) -> int:
    """Evaluate a network that finds everyone in a whole picture: COCO's figures; `--limit` counts people."""
    from rich.progress import track

    from multiview.body.skeleton import load_skeleton
    from multiview.common.console import plain_console
    from multiview.common.json_file import write_json
    from multiview.learn.coco import read_picture
    from multiview.learn.evaluate import evaluate_pictures

    console = plain_console()
    people = labels.people[: args.limit or None]
    paths = {person.image_id: person.path for person in people}
    images = {}
    for number, path in track(paths.items(), "reading", console=console, transient=True):
        image = read_picture(path)
        if image is not None:
            images[number] = image
    if not images:
        raise ConfigError(
            f"{args.annotations}: no image can be read, such as {people[0].path}; give their folder with --images"
        )
    if len(images) < len(paths):
        console.print(f"skipped {len(paths) - len(images)} images that cannot be read", style="yellow")
    people = [person for person in people if person.image_id in images]
    skeleton = load_skeleton(model.recipe.data.skeleton)
    with console.status("looking"):
        figures, _ = evaluate_pictures(model, people, images, skeleton)
    _print(console, figures)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / "figures.json", figures)
    return 0
