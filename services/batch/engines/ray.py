"""A Ray cluster, by its address, or one of this machine alone: as many jobs as it has cores, and a few that wait there.

Source: Moritz et al., Ray: A Distributed Framework for Emerging AI Applications, OSDI 2018.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from multiview.errors import ConfigError, one_line
from services.batch.engine import Ended, EngineOptions
from services.batch.worker import perform

__all__ = ["Engine"]

WAITING = 0.25  # of the cores: jobs that wait in the cluster, so that no core does
LOOK_S = 5.0  # between two looks at how large the cluster is


class Engine:
    """Ray neither repeats nor keeps anything: a worker or node that dies loses the jobs that ran there."""

    def __init__(self, options: EngineOptions) -> None:
        try:
            import ray
        except ImportError:
            raise ConfigError("--engine ray needs Ray: pip install 'multiview-mocap[ray]'") from None
        self._ray: Any = ray
        self._options = options
        try:
            ray.init(
                address=options.address or "local",  # without one Ray would join any that it finds
                num_cpus=(options.jobs * options.cpus or None) if not options.address else None,
                log_to_driver=False,
                configure_logging=False,
                include_dashboard=None if options.address else False,
            )
        except Exception as error:  # of several kinds, some of other libraries
            token = "; nodes and this command need the same RAY_AUTH_TOKEN" if options.address else ""
            raise ConfigError(f"Ray cannot be reached ({one_line(error)[:200]}){token}") from None
        self._call = ray.remote(max_retries=0)(perform)
        self._running: dict[Any, str] = {}
        self._looked, self._most = 0.0, 0
        resources = ray.cluster_resources()
        if options.gpus > resources.get("GPU", 0.0):
            ray.shutdown()
            raise ConfigError(f"--gpu-share {options.gpus:g}: no node of the Ray cluster has a graphics card")
        self.where = f"Ray, {resources.get('CPU', 0):g} cores in {len(ray.nodes())} nodes"

    def room(self, gpus: float) -> bool:
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._looked = now
            cores = int(self._ray.cluster_resources().get("CPU", 0.0)) // self._options.cpus
            self._most = self._options.jobs or max(1, cores + max(1, round(WAITING * cores)))
        return len(self._running) < self._most

    def submit(self, name: str, task: str, gpus: float) -> None:
        call = self._call.options(num_cpus=self._options.cpus, num_gpus=gpus or None, name=name)
        self._running[call.remote(task)] = name

    def wait(self, timeout_s: float) -> list[Ended]:
        if not self._running:
            return []
        self._ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        done, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [self._ended(call) for call in done]

    def close(self) -> None:
        for call in self._running:
            with contextlib.suppress(Exception):
                self._ray.cancel(call, force=True)
        self._ray.shutdown()

    def _ended(self, call: Any) -> Ended:
        name = self._running.pop(call)
        try:
            return Ended(name, self._ray.get(call))
        except self._ray.exceptions.RayTaskError as error:  # raised before the job's own folder was there
            return Ended(name, f"Ray: {one_line(error.cause)}")
        except self._ray.exceptions.RayError as error:
            return Ended(name, None, f"its process or machine was lost ({type(error).__name__})")
