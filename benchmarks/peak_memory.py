"""The most memory that this process has held since a moment."""

from __future__ import annotations

from pathlib import Path

__all__ = ["forget_peak", "peak_mb"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """What is held now is the peak from now on (Linux; elsewhere the peak is that since the start)."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def peak_mb() -> float:
    """MB (2^20 bytes).

    The kernel's `ru_maxrss` is inherited by children through exec, so that of a large parent hides a child's own.
    """
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
