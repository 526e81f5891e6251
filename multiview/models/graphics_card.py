"""Whether this machine has a graphics card for networks, and what is said about it, once."""

from __future__ import annotations

import shutil
import sys
from functools import cache

__all__ = ["has_gpu", "say_once"]


@cache
def has_gpu() -> bool:
    """Whether NVIDIA's driver is installed."""
    return shutil.which("nvidia-smi") is not None


@cache
def say_once(line: str) -> None:
    """Print a line to stderr, unless this process has printed it before."""
    print(f"multiview: {line}", file=sys.stderr)
