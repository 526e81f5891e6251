"""Slurm, by submitit: what is ready becomes one job array, a job an element. `--shard I/N` needs none of this."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.errors import ConfigError, one_line
from services.batch.engine import Ended, EngineOptions
from services.batch.worker import perform

if TYPE_CHECKING:
    import submitit

__all__ = ["Engine"]

MOST = 200  # elements in Slurm's queue, unless --jobs says otherwise
LOOK_S = {"slurm": 5.0, "local": 0.2, "debug": 0.0}  # between two looks at what has ended
MINUTES = 24 * 60


class Engine:
    """Jobs are handed over together, when the driver waits; submitit finds by their files when they have ended."""

    def __init__(self, options: EngineOptions) -> None:
        try:
            import submitit
        except ImportError:
            raise ConfigError("--engine slurm needs submitit: pip install 'multiview-mocap[slurm]'") from None
        self._cluster = options.cluster or "slurm"
        self._most = options.jobs or (MOST if self._cluster == "slurm" else os.cpu_count() or 1)
        self._handed: list[tuple[str, str, float]] = []
        self._running: dict[str, Any] = {}
        self._lost: type[Exception] = submitit.core.utils.UncompletedJobError
        folder: Path = options.folder / ".batch" / "slurm"
        try:
            self._executors = {False: submitit.AutoExecutor(folder, self._cluster)}
            if options.gpus:
                self._executors[True] = submitit.AutoExecutor(folder, self._cluster)
            for with_card, executor in self._executors.items():
                executor.update_parameters(
                    **{"name": "multiview", "timeout_min": MINUTES, "cpus_per_task": options.cpus}
                    | ({"gpus_per_node": 1} if with_card else {})
                    | ({"slurm_array_parallelism": self._most} if self._cluster == "slurm" else {})
                    | options.settings
                )
        except Exception as error:  # there is no Slurm, or no such parameter
            raise ConfigError(f"--engine slurm: {one_line(error)[:300]}") from None
        self.where = f"Slurm, up to {self._most} jobs at once" if self._cluster == "slurm" else self._cluster

    def room(self, gpus: float) -> bool:
        return len(self._running) + len(self._handed) < self._most

    def submit(self, name: str, task: str, gpus: float) -> None:
        self._handed.append((name, task, gpus))

    def wait(self, timeout_s: float) -> list[Ended]:
        for with_card, executor in self._executors.items():
            names = [(name, task) for name, task, gpus in self._handed if (gpus > 0) == with_card]
            if names:
                jobs = executor.map_array(perform, [task for _, task in names])
                self._running |= {name: job for (name, _), job in zip(names, jobs, strict=True)}
        self._handed.clear()
        ended = self._ended()
        if not ended:
            time.sleep(max(timeout_s, LOOK_S.get(self._cluster, 1.0)))
            ended = self._ended()
        return ended

    def close(self) -> None:
        for job in self._running.values():
            with contextlib.suppress(Exception):
                job.cancel()

    def _ended(self) -> list[Ended]:
        done = [name for name, job in self._running.items() if job.done()]
        return [self._result(name, self._running.pop(name)) for name in done]

    def _result(self, name: str, job: submitit.Job[str]) -> Ended:
        try:
            return Ended(name, job.result())
        except self._lost as error:
            return Ended(name, None, f"its process or machine was lost ({one_line(error)[:200]})")
        except Exception as error:  # submitit's own, with the trace as text
            lines = str(error).strip().splitlines()
            return Ended(name, f"Slurm: {one_line(lines[-1] if lines else type(error).__name__)}")
