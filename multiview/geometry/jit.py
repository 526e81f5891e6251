"""How every kernel is compiled: cached on disk, no fast-math, one thread, so the same input gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

__all__ = ["Array", "kernel"]

F = TypeVar("F", bound=Callable[..., Any])
Array = np.ndarray


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers; division by zero gives inf or NaN, as in numpy."""
    compiled: Any = numba.njit(cache=True, error_model="numpy")(function)
    return cast(F, compiled)
