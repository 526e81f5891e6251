"""What an engine is: it calls `services.batch.worker.perform` somewhere, and says when the call has ended.

Engines neither repeat nor judge: what is done, the folders of results say, and what was lost the driver begins again.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from multiview.common.plugins import load_plugin

__all__ = ["Ended", "Engine", "EngineOptions", "make_engine"]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of all engines; each takes what concerns it.

    Attributes:
        jobs: How many at once; 0: as many as there is room for.
        cpus: Of a job.
        gpus: Of a 2D job; a fraction shares a card.
        address: Of a running Ray cluster; empty: one of this machine alone.
        cluster: Of submitit: "slurm", or "local" and "debug" for trials.
        settings: Of submitit, such as `slurm_partition`.
        folder: Of the batch, which every machine sees by this path.
    """

    folder: Path
    jobs: int = 0
    cpus: int = 1
    gpus: float = 0.0
    address: str = ""
    cluster: str = ""
    settings: dict[str, str | int | float | bool] = {}


class Ended(NamedTuple):
    """A call that has ended.

    Attributes:
        name: Of the job.
        reply: What `perform` returned; None if it was lost with its process or machine.
        words: How it was lost.
    """

    name: str
    reply: str | None
    words: str = ""


@runtime_checkable
class Engine(Protocol):
    """Made as `Engine(options)`, which raises ConfigError where it cannot run; all calls come from one thread.

    Attributes:
        where: In words, for the user.
    """

    where: str

    def room(self, gpus: float) -> bool:
        """Whether a job that needs this share of a graphics card can be submitted now."""
        ...

    def submit(self, name: str, task: str, gpus: float) -> None:
        """Have `perform(task)` called."""
        ...

    def wait(self, timeout_s: float) -> list[Ended]:
        """Calls that have ended since; waits for the first of them, but no longer than this."""
        ...

    def close(self) -> None:
        """Stop what still runs."""
        ...


def make_engine(name: str, options: EngineOptions) -> Engine:
    """An engine by its name, `local`, `ray` or `slurm`, or by the path of one's own file."""
    engine: Engine = load_plugin("services.batch.engines", name, "Engine").Engine(options)
    return engine
