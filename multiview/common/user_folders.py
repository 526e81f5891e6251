"""Folders of this user, for what is downloaded, compiled and saved; a service may run as a user without a home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["user_cache", "user_config"]


def user_cache() -> Path | None:
    """Where downloads and compiled kernels are kept; None for a user without a home."""
    from platformdirs import user_cache_path

    return _whole(lambda: user_cache_path("multiview", appauthor=False))


def user_config() -> Path | None:
    """Where actors are kept; None for a user without a home."""
    from platformdirs import user_config_path

    return _whole(lambda: user_config_path("multiview", appauthor=False, roaming=True))


def _whole(find: Callable[[], Path]) -> Path | None:
    """Without a home platformdirs raises, or, in older versions, gives a path that begins with `~`."""
    try:
        path = find()
    except RuntimeError:
        return None
    return path if path.is_absolute() else None
