"""`multiview deploy`: convert a trained network to ONNX and INT8, measure it, and write its model card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.common.ranges import ranged

if TYPE_CHECKING:
    from multiview.learn.recipe import Recipe

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help="best.pt of `multiview train`")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the .onnx files and the card"
    )
    parser.add_argument("--name", help="name of the files (default: the folder of the weights)")
    parser.add_argument(
        "--annotations", metavar="JSON", type=Path, help="COCO file to measure on (default: rendered people)"
    )
    parser.add_argument(
        "--images", metavar="DIR", type=Path, help="folder of its images (default: `images` beside the file)"
    )
    parser.add_argument(
        "--people", type=ranged(int), default=1000, help="number of people to measure on (default 1000)"
    )
    parser.add_argument(
        "--calibration", type=ranged(int), default=256, help="number of crops to calibrate INT8 ranges on (default 256)"
    )
    parser.add_argument(
        "--extra-scale",
        type=ranged(float),
        default=0.75,
        metavar="SCALE",
        help="also deploy the network at this scale of its input size (default 0.75; 1: none)",
    )


def run(args: argparse.Namespace) -> int:
    from rich.table import Table

    from multiview.body.skeleton import load_skeleton
    from multiview.common.console import plain_console
    from multiview.learn.deploy import export, quantise, time_per_person, with_input, write_card
    from multiview.learn.deploy_set import calibration_inputs, measuring_set
    from multiview.learn.evaluate import evaluate_model, evaluate_pictures
    from multiview.learn.model_file import open_model
    from multiview.learn.weights import load_weights

    recipe, network = load_weights(args.weights)
    if recipe.task == "finder":
        return _deploy_finder(args, recipe, network)
    name = args.name or args.weights.parent.name
    skeleton = load_skeleton(recipe.data.skeleton)
    console = plain_console()
    args.out.mkdir(parents=True, exist_ok=True)
    with console.status("reading people to measure on"):
        people, samples = measuring_set(args.annotations, args.images, recipe, args.people)
    sizes = [recipe.network.input]
    if args.extra_scale < 1:
        sizes.append(tuple(max(32, round(side * args.extra_scale / 32) * 32) for side in recipe.network.input))
    whole = recipe.task == "people"
    pictures = {person.image_id: sample.image for person, sample in zip(people, samples, strict=True)}

    def measure(path: Path) -> dict[str, Any]:
        model = open_model(path)
        if whole:
            return evaluate_pictures(model, people, pictures, skeleton)[0]
        return evaluate_model(model, people, samples, skeleton)[0]

    one = "picture" if whole else "person"
    second = "AP50" if whole else "PCK@0.1"
    table = Table("model", "input", "MB", "AP", second, f"ms, one {one}", "ms each of four", "fps of one")
    rows = {}
    for size in sizes:
        sized = with_input(recipe, size)
        suffix = "" if size == recipe.network.input else f"_{size[0]}x{size[1]}"
        plain, small = args.out / f"{name}{suffix}_fp32.onnx", args.out / f"{name}{suffix}.onnx"
        with console.status(f"quantising at {size[0]} x {size[1]}"):
            export(network, sized, plain)
            quantise(plain, sized, calibration_inputs(recipe, args.weights.parent, size, args.calibration), small)
        for path, kind in ((plain, "fp32"), (small, "INT8")):
            with console.status(f"measuring {path.name}"):
                figures = measure(path)
                timing = time_per_person(path, size)
            rows[kind + suffix] = (figures, timing)
            megabytes = f"{path.stat().st_size / 1e6:.1f}"
            accuracy = (f"{figures['ap']:.4f}", f"{figures['ap50' if whole else 'pck']:.4f}")
            speed = (f"{timing.one:.2f}", f"{timing.four:.2f}", f"{1e3 / timing.one:.0f}")
            table.add_row(kind, f"{size[0]} x {size[1]}", megabytes, *accuracy, *speed)
    console.print(table)
    (full, slow), (quantised, fast) = rows["fp32"], rows["INT8"]
    console.print(
        f"INT8 costs {full['ap'] - quantised['ap']:.4f} AP and is {slow.one / fast.one:.2f} times as fast",
        highlight=False,
    )
    kept = {f"{kind} AP": round(figures["ap"], 4) for kind, (figures, _) in rows.items()}
    kept |= {f"{kind} ms per {one}": round(timing.one, 2) for kind, (_, timing) in rows.items()}
    write_card(args.out / f"{name}.toml", recipe, [args.out / f"{name}.onnx"], kept)
    console.print(f"card {args.out / f'{name}.toml'}")
    return 0


def _deploy_finder(args: argparse.Namespace, recipe: Recipe, network: Any) -> int:
    """Deploy a person finder, evaluated by the people that it finds."""
    import numpy as np
    from rich.table import Table

    from multiview.common.console import plain_console
    from multiview.learn.deploy import export, quantise, time_per_person, write_card
    from multiview.learn.finder_task import FinderTask, validate_finder
    from multiview.learn.model_file import open_model

    name, console = args.name or args.weights.parent.name, plain_console()
    plain, small = args.out / f"{name}_fp32.onnx", args.out / f"{name}.onnx"
    args.out.mkdir(parents=True, exist_ok=True)
    with console.status("rendering people to measure on"):
        task = FinderTask(recipe, args.weights.parent)
        pictures = [task.batch(step)[0].contiguous().numpy() for step in range(max(1, args.calibration // 32))]
    with console.status("quantising"):
        export(network, recipe, plain)
        quantise(plain, recipe, np.concatenate(pictures), small)
    table = Table("model", "MB", "recall", "precision", "ms per image")
    kept = {}
    for path, kind in ((plain, "fp32"), (small, "INT8")):
        figures = validate_finder(open_model(path), task.validation).figures
        milliseconds = time_per_person(path, recipe.network.input).one
        megabytes = f"{path.stat().st_size / 1e6:.2f}"
        table.add_row(kind, megabytes, f"{figures['recall']:.3f}", f"{figures['precision']:.3f}", f"{milliseconds:.2f}")
        kept[kind] = f"recall {figures['recall']:.3f}, precision {figures['precision']:.3f}, {milliseconds:.2f} ms"
    console.print(table)
    write_card(args.out / f"{name}.toml", recipe, [small], kept)
    console.print(f"card {args.out / f'{name}.toml'}")
    return 0
