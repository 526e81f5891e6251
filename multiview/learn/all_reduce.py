"""Several processes train as one: each computes its share of every batch, and what they found is averaged.

On a CPU this uses two cores better than two threads do, which wait for each other at every convolution.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import torch
from torch import Tensor

from multiview.errors import MultiviewError

__all__ = ["WHOLE", "Exchange", "Share", "start_helpers", "watch_parent"]


class Share(NamedTuple):
    """The `number`-th of `of` equal shares of a batch."""

    number: int
    of: int


WHOLE = Share(0, 1)


class Exchange:
    """Averages tensors of together `size` numbers over processes, through memory that they share."""

    def __init__(self, processes: int, size: int) -> None:
        # Two boards in turn: nobody can be more than one exchange ahead, so nothing is overwritten before it is read.
        self.boards = torch.zeros(2, processes, size).share_memory_()  # type: ignore[no-untyped-call]
        self.barrier = multiprocessing.get_context("spawn").Barrier(processes)
        self.turn = 0

    def average(self, number: int, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, the same in every bit in each of them."""
        board = self.boards[self.turn]
        torch.cat([tensor.flatten() for tensor in tensors], out=board[number])
        try:
            self.barrier.wait()
        except threading.BrokenBarrierError:
            raise MultiviewError("a process of this training has died; start the same command again") from None
        mean = board.mean(0)
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))
        self.turn = 1 - self.turn


def start_helpers(target: Callable[..., None], exchange: Exchange, *arguments: Any) -> list[threading.Thread]:
    """Run `target(share, exchange, *arguments)` in a process for each share but the first.

    If one of them dies, the exchange breaks rather than wait for it for ever. Join the threads at the end, lest the
    helpers are ended while they end.
    """
    context = multiprocessing.get_context("spawn")
    processes = exchange.barrier.parties
    watchers = []
    for number in range(1, processes):
        helper = context.Process(target=target, args=(Share(number, processes), exchange, *arguments), daemon=True)
        helper.start()
        watchers.append(threading.Thread(target=_break_when_dead, args=(helper, exchange), daemon=True))
        watchers[-1].start()
    return watchers


def _break_when_dead(helper: SpawnProcess, exchange: Exchange) -> None:
    helper.join()
    if helper.exitcode:
        exchange.barrier.abort()


def watch_parent() -> None:
    """End this helper when the process that started it ends; an interrupt at the terminal is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
