"""Pickles of other programs: plain values and, where asked for, numpy arrays. Nothing in the file is ever run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["plain_values", "values_and_arrays"]


def plain_values(content: bytes) -> Any:
    """Numbers, text, lists, tuples, dicts. Raises pickle.UnpicklingError at anything else."""
    return _Reader(content, {}).load()


def values_and_arrays(content: bytes) -> Any:
    """The same with numpy arrays and scalars of numbers. Raises pickle.UnpicklingError at anything else."""
    return _Reader(content, _ARRAYS).load()


class _Reader(pickle.Unpickler):
    """Knows no other constructors than these; a pickle can only call what `find_class` gives it."""

    def __init__(self, content: bytes, known: dict[tuple[str, str], Callable[..., Any]]) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        found = self._known.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is neither a plain value nor an array")
        return found


def _dtype(text: str, *more: Any) -> np.dtype[Any]:
    """A data type of numbers; no objects, which would be pickles within."""
    made = np.dtype(text, copy=True)  # its state is set next, which must not be numpy's own
    if made.kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of {made} holds no numbers")
    return made


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


# What numpy itself writes: `ndarray.__reduce__` and `generic.__reduce__`, of numpy 1 and 2.
_CORES = ("numpy.core", "numpy._core")
_ARRAYS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
_MAKERS: dict[tuple[str, str], Any] = {
    ("multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("multiarray", "scalar"): np.float64(0).__reduce__()[0],
    ("numeric", "_frombuffer"): np.empty((1, 1)).__reduce_ex__(5)[0],
}
_ARRAYS |= {(f"{core}.{module}", name): made for core in _CORES for (module, name), made in _MAKERS.items()}
