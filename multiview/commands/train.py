"""`multiview train`: train a 2D pose network from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.common.ranges import ranged
from multiview.errors import ConfigError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "If training is interrupted, rerun the command: it resumes from the last checkpoint. "
        "Recipes that ship with multiview: light, hourglass, rle, soft_argmax (joints of a person), "
        "affinity, tags, queries (of everyone in an image), finder (people in an image)."
    )
    parser.add_argument("recipe", help="a recipe's TOML file, or the name of one that ships with multiview")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the results (default: out/train/RECIPE)")
    parser.add_argument("--threads", type=ranged(int), default=0, help="CPU threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from multiview.common.console import plain_console
    from multiview.common.package_data import package_file
    from multiview.common.toml import decode_toml
    from multiview.learn.recipe import Recipe
    from multiview.learn.train import Progress as Step
    from multiview.learn.train import train

    path = package_file("recipes", f"{args.recipe}.toml")
    path = path if path.is_file() else Path(args.recipe)
    if not path.is_file():
        raise ConfigError(f"{args.recipe}: neither a file nor a recipe that ships with multiview ({_shipped()})")
    recipe = decode_toml(path, Recipe)
    folder = args.out or Path("out") / "train" / path.stem
    console = plain_console()
    columns = (
        TextColumn("{task.fields[state]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        bar_task = bar.add_task(
            "train", total=recipe.schedule.steps, state="preparing the images, which may take minutes"
        )
        smooth = [float("nan")]

        def watch(step: Step) -> None:
            smooth[0] = step.loss if smooth[0] != smooth[0] else 0.98 * smooth[0] + 0.02 * step.loss
            bar.update(bar_task, completed=step.step, state=f"loss {smooth[0]:.3f}")
            if step.validation:
                figures = "  ".join(f"{name} {value:.3f}" for name, value in step.validation.figures.items())
                console.print(f"step {step.step}: {figures}")

        try:
            train(recipe, folder, path.parent, watch, args.threads)
        except KeyboardInterrupt:
            console.print(f"interrupted; the same command goes on from the last checkpoint in {folder}")
            raise
    console.print(f"weights {folder / 'best.pt'}, curve {folder / 'curve.csv'}, pictures {folder / 'pictures'}")
    return 0


def _shipped() -> str:
    from multiview.common.package_data import package_file

    return ", ".join(sorted(path.stem for path in package_file("recipes").glob("*.toml")))
