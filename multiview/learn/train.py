"""The training loop: one recipe, any network; interrupted at any moment, it resumes from its last checkpoint."""

from __future__ import annotations

import copy
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.errors import ConfigError
from multiview.learn.all_reduce import WHOLE, AllReduce, Shard, start_workers, watch_parent
from multiview.learn.finder_task import FinderTask
from multiview.learn.losses import Loss
from multiview.learn.people_task import PeopleTask
from multiview.learn.pose_task import PoseTask
from multiview.learn.recipe import Recipe
from multiview.learn.regression_task import RegressionTask
from multiview.learn.validation import Validation
from multiview.learn.weights import save_weights

__all__ = ["Progress", "Trainer", "learning_rate", "train"]

CHECKPOINT = "checkpoint.pt"


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate at a step: a ramp up, a plateau, a straight line down to nothing."""
    schedule = recipe.schedule
    left = (schedule.steps - step) / max(1.0, schedule.cooldown * schedule.steps)
    return schedule.learning_rate * max(0.0, min(1.0, (step + 1) / schedule.warmup, left))


@runtime_checkable
class Task(Protocol):
    """What is learnt: batches, a loss, and a validation. `model` is trained; `network`, a part of it, is kept."""

    model: nn.Module
    network: nn.Module

    def batch(self, step: int) -> tuple[Tensor, Any]: ...
    def loss(self, output: Any, truth: Any) -> Loss: ...
    def validate(self, network: nn.Module, picture: Path) -> Validation: ...


TASKS: dict[str, Callable[[Recipe, Path, Shard], Task]] = {
    "pose": PoseTask,
    "regression": RegressionTask,
    "finder": FinderTask,
    "people": PeopleTask,
}


class Trainer:
    """A training in progress: `step()` takes one more step. Paths in the recipe are relative to `recipe_folder`."""

    def __init__(
        self, recipe: Recipe, recipe_folder: Path, shard: Shard = WHOLE, all_reduce: AllReduce | None = None
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.shard, self.all_reduce = recipe, shard, all_reduce
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.task = TASKS[recipe.task](recipe, recipe_folder, shard)
        self.model = self.task.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.task.network).requires_grad_(False)
        groups = [
            {
                "params": [p for p in self.model.parameters() if p.ndim > 1],
                "weight_decay": recipe.schedule.weight_decay,
            },
            {"params": [p for p in self.model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.schedule.learning_rate)
        precision = recipe.schedule.precision
        self.half = precision == "bfloat16" or (precision == "auto" and _has_fast_bfloat16(self.device))
        self.step_number = 0
        self.cpu = 0.0
        """Processor seconds of all processes so far."""

    def step(self) -> dict[str, float]:
        """One step of the optimiser; the loss and its parts, by their names in the curve."""
        image, truth = self.task.batch(self.step_number)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step_number)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = self.model(image.to(self.device))
        loss, shown, parts = self.task.loss(output, truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        spent = torch.tensor(time.process_time())
        if self.all_reduce is not None:
            self.all_reduce.average(self.shard.rank, [shown.detach(), spent, *self._shared()])
        self.cpu = float(spent) * self.shard.world_size
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.step_number += 1
        self._update_average()
        return {"loss": float(shown.detach())} | {name: float(part.detach()) for name, part in parts.items()}

    def make_all_reduce(self) -> AllReduce:
        """The exchange of gradients with the other processes of this training, of which this is the first."""
        numbers = [p.numel() for p in self.model.parameters()] + [b.numel() for b in self._running()]
        self.all_reduce = AllReduce(self.shard.world_size, sum(numbers) + 2)
        return self.all_reduce

    def _running(self) -> list[Tensor]:
        """Running means and variances."""
        return [buffer for buffer in self.model.buffers() if buffer.dtype.is_floating_point]

    def _shared(self) -> list[Tensor]:
        """What the processes of a training average after each step: the gradients and the running statistics."""
        gradients = []
        for parameter in self.model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        return [*gradients, *self._running()]

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the running average of the weights, faster at the beginning."""
        decay = min(self.recipe.schedule.ema_decay, (1 + self.step_number) / (10 + self.step_number))
        own = self.task.network.state_dict()
        for name, value in self.averaged.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(own[name], 1 - decay)
            else:
                value.copy_(own[name])

    def save(self, path: Path) -> None:
        """Everything that the next step depends on, whole or not at all."""
        state = {
            "step": self.step_number,
            "recipe": msgspec.json.encode(self.recipe).decode(),
            "model": self.model.state_dict(),
            "average": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Resume from what `save` wrote."""
        with foreign_errors(path, "the state of a training"):
            state = torch.load(path, map_location=self.device, weights_only=True)
            try:
                self.model.load_state_dict(state["model"])
                self.averaged.load_state_dict(state["average"])
            except RuntimeError:
                raise ConfigError(f"{path}: is of another network than the recipe's; give another --out") from None
            self.optimizer.load_state_dict(state["optimizer"])
            self.step_number = int(state["step"])


def _has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


class _Curve:
    """The CSV of the loss; on resuming, rows beyond the checkpoint are taken off, for they will come again."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if step and path.exists():
            with path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        seconds = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.start = time.perf_counter() - seconds
        self.cpu = float(self.rows[-1].get("cpu_seconds") or 0.0) if self.rows else 0.0
        self.best = max((float(row["quality"]) for row in self.rows if row.get("quality")), default=-1.0)

    def add(
        self, step: int, cpu: float, rate: float, losses: list[dict[str, float]], result: Validation | None
    ) -> None:
        """One more row; the file is written anew, whole, so that a kill never leaves half a row."""
        row: dict[str, Any] = {
            "step": step,
            "seconds": f"{time.perf_counter() - self.start:.1f}",
            "cpu_seconds": f"{self.cpu + cpu:.1f}",
            "learning_rate": f"{rate:.3e}",
        } | {name: f"{np.mean([loss[name] for loss in losses]):.6f}" for name in losses[0]}
        if result:
            row |= {"quality": f"{result.quality:.4f}"} | {
                name: f"{value:.4f}" for name, value in result.figures.items()
            }
        self.rows.append(row)
        fields = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(self.rows)


class Progress(NamedTuple):
    """The state after one step, for a progress display."""

    step: int
    loss: float
    validation: Validation | None


def train(
    recipe: Recipe,
    folder: Path,
    recipe_folder: Path,
    watch: Callable[[Progress], None] = lambda _: None,
    threads: int = 0,
) -> Path:
    """Train by a recipe into `folder`, going on from its checkpoint where it has one; the path of the trained weights.

    Writes `checkpoint.pt`, `curve.csv`, `best.pt` and `last.pt` (averaged weights), and `pictures/`.
    `threads` of the CPU, shared among the recipe's processes; 0 uses every core.
    """
    processes = 1 if torch.cuda.is_available() else recipe.schedule.processes
    threads = max(1, (threads or os.cpu_count() or 1) // processes)
    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, recipe_folder, Shard(0, processes))
    if (folder / CHECKPOINT).exists():
        trainer.load(folder / CHECKPOINT)
    workers = []
    if processes > 1:
        more = (recipe, recipe_folder, folder / CHECKPOINT, trainer.step_number, threads)
        workers = start_workers(_run_worker, trainer.make_all_reduce(), *more)
    curve = _Curve(folder / "curve.csv", trainer.step_number)
    schedule = recipe.schedule
    losses: list[dict[str, float]] = []
    while trainer.step_number < schedule.steps:
        losses.append(trainer.step())
        step = trainer.step_number
        last = step == schedule.steps
        result = None
        if step % schedule.validate_every == 0 or last:
            result = trainer.task.validate(trainer.averaged, folder / "pictures" / f"{step:07d}.png")
            if result.quality >= curve.best:
                curve.best = result.quality
                save_weights(trainer.averaged, recipe, step, folder / "best.pt")
        watch(Progress(step, losses[-1]["loss"], result))
        if step % schedule.log_every == 0 or last:
            curve.add(step, trainer.cpu, learning_rate(recipe, step - 1), losses, result)
            losses.clear()
        # A checkpoint stands at the end of a row of the curve, so that a resumed curve has the same rows.
        if step % schedule.save_every == 0 or last:
            trainer.save(folder / CHECKPOINT)
    save_weights(trainer.averaged, recipe, trainer.step_number, folder / "last.pt")
    for worker in workers:
        worker.join()
    return folder / "last.pt"


def _run_worker(
    shard: Shard, all_reduce: AllReduce, recipe: Recipe, recipe_folder: Path, checkpoint: Path, step: int, threads: int
) -> None:
    """What every process of a training but the first does: the same steps on other images."""
    watch_parent()
    torch.set_num_threads(threads)
    trainer = Trainer(recipe, recipe_folder, shard, all_reduce)
    if step:
        trainer.load(checkpoint)
    while trainer.step_number < recipe.schedule.steps:
        trainer.step()
