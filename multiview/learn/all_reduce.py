"""Data-parallel training on one machine: each process computes a shard of every batch, and the gradients are averaged.

On a CPU this uses two cores better than two threads do, which wait for each other at every convolution.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import torch
from torch import Tensor

from multiview.errors import MultiviewError

__all__ = ["WHOLE", "AllReduce", "Shard", "start_workers", "watch_parent"]


class Shard(NamedTuple):
    """The part of a batch that process `rank` of `world_size` computes; all parts are equal."""

    rank: int
    world_size: int


WHOLE = Shard(0, 1)


class AllReduce:
    """Averages tensors of together `size` numbers over processes, through shared memory."""

    def __init__(self, processes: int, size: int) -> None:
        # Two buffers in turn: no process can be more than one step ahead, so nothing is overwritten before it is read.
        self.buffers = torch.zeros(2, processes, size).share_memory_()  # type: ignore[no-untyped-call]
        self.barrier = multiprocessing.get_context("spawn").Barrier(processes)
        self.current = 0

    def average(self, rank: int, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, the same in every bit in each of them."""
        buffer = self.buffers[self.current]
        torch.cat([tensor.flatten() for tensor in tensors], out=buffer[rank])
        try:
            self.barrier.wait()
        except threading.BrokenBarrierError:
            raise MultiviewError("a process of this training has died; start the same command again") from None
        mean = buffer.mean(0)
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))
        self.current = 1 - self.current


def start_workers(target: Callable[..., None], all_reduce: AllReduce, *arguments: Any) -> list[threading.Thread]:
    """Run `target(shard, all_reduce, *arguments)` in a process for each shard but the first.

    If one of them dies, the barrier breaks instead of waiting forever. Join the threads at the end, so that no worker
    is killed before it has finished.
    """
    context = multiprocessing.get_context("spawn")
    processes = all_reduce.barrier.parties
    watchers = []
    for rank in range(1, processes):
        worker = context.Process(target=target, args=(Shard(rank, processes), all_reduce, *arguments), daemon=True)
        with _interrupts_deferred():  # inherited: an interrupt is the parent's alone, also while a worker still imports
            worker.start()
        watchers.append(threading.Thread(target=_break_when_dead, args=(worker, all_reduce), daemon=True))
        watchers[-1].start()
    return watchers


@contextlib.contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """An interrupt waits until the end of the block; a process that is started in it gets none.

    Only the main thread may defer, and only it gets interrupts.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by what is started
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _break_when_dead(worker: SpawnProcess, all_reduce: AllReduce) -> None:
    worker.join()
    if worker.exitcode:
        all_reduce.barrier.abort()


def watch_parent() -> None:
    """End this worker when its parent process ends; the parent alone handles an interrupt at the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
