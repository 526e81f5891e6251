"""How every kernel is compiled: cached on disk, no fast-math, one thread, so the same input gives the same bits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

__all__ = ["Array", "inlined", "inner", "kernel"]

F = TypeVar("F", bound=Callable[..., Any])
Array = np.ndarray
UNUSED_S = 30 * 86400.0  # after which what an older version compiled is removed


_SETTINGS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True}


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers; division by zero gives inf or NaN, as in numpy."""
    compiled: Any = numba.njit(**_SETTINGS)(function)
    return cast(F, compiled)


def inner(function: F) -> F:
    """The same for a function that only kernels call; without a door to Python it compiles faster."""
    compiled: Any = numba.njit(**_SETTINGS, **_INNER)(function)
    return cast(F, compiled)


def inlined(function: F) -> F:
    """The same for a part of a kernel that is given so many arrays that a call would cost more than it does."""
    compiled: Any = numba.njit(**_SETTINGS, **_INNER, forceinline=True)(function)
    return cast(F, compiled)


def _cache_folder() -> Path:
    """A folder of its own for these sources.

    numba compiles a kernel anew when its own file changes, but not when a kernel that it calls, in another file, does,
    nor when the NamedTuple behind a handle gets other fields.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if source.stem.endswith("_kernels") or b"NamedTuple" in text or source.parent == Path(__file__).parent:
            digest.update(text)
    beside = Path(__file__).parent / "__pycache__"
    if os.access(beside if beside.is_dir() else beside.parent, os.W_OK):
        return beside / digest.hexdigest()[:12]
    home = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "multiview" / digest.hexdigest()[:12]


def _forget_others(folder: Path) -> None:
    """Remove what was compiled from other sources, ten megabytes each, unless someone used it lately."""
    with contextlib.suppress(OSError):  # where nothing can be written there is nothing to remove
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in folder.parent.iterdir():
            if re.fullmatch("[0-9a-f]{12}", other.name) and time.time() - other.stat().st_mtime > UNUSED_S:
                shutil.rmtree(other, ignore_errors=True)


if not numba.config.CACHE_DIR:  # type: ignore[attr-defined]  # the user's NUMBA_CACHE_DIR has the last word
    _folder = _cache_folder()
    _forget_others(_folder)
    numba.config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined]
