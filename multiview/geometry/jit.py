"""How every kernel is compiled: cached on disk, no fast-math, one thread, so the same input gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from multiview.common.deferred_import import defer_import

__all__ = ["Array", "inlined", "inner", "kernel"]

# numba's first kernel loads scipy.linalg for its BLAS, scipy every module of numpy, and numpy.f2py what it finds to
# guess a file's encoding with: a tenth of the start of fusion and of a worker, for compiling Fortran.
defer_import("numpy.f2py")

F = TypeVar("F", bound=Callable[..., Any])
Array = np.ndarray

_SETTINGS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True}


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers; division by zero gives inf or NaN, as in numpy.

    With NUMBA_DISABLE_JIT=1 it stays plain Python, which does the same with numpy's numbers.
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return np.errstate(divide="ignore", invalid="ignore", over="ignore")(function)
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
