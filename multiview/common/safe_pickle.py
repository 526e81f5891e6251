"""Pickles of other programs: plain values and, where asked for, numpy arrays. Nothing in the file is ever run.

Nor does numpy itself see what the file says: an array is put together here from its bytes once these are as many as its
shape and type take. numpy's own constructors trust a pickle, and reserve whatever memory it names.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

__all__ = ["plain_values", "values_and_arrays"]

_MEMOS = ("PUT", "BINPUT", "LONG_BINPUT")
_MAX_DIMENSIONS = 32


def plain_values(content: bytes) -> Any:
    """Numbers, text, lists, tuples, dicts. Raises pickle.UnpicklingError at anything else."""
    return _load(content, {})


def values_and_arrays(content: bytes) -> Any:
    """The same with numpy arrays and scalars of numbers. Raises pickle.UnpicklingError at anything else."""
    return _made(_load(content, _ARRAYS), {})


def _load(content: bytes, known: dict[tuple[str, str], Any]) -> Any:
    # The unpickler keeps its memo in a table as long as the largest number in it, whatever that is.
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _MEMOS and not 0 <= int(argument or 0) <= len(content):
            raise pickle.UnpicklingError(f"it numbers a value {argument}")
    return _Reader(content, known).load()


class _Reader(pickle.Unpickler):
    """Knows no other constructors than these; a pickle can only call what `find_class` gives it."""

    def __init__(self, content: bytes, known: dict[tuple[str, str], Any]) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        found = self._known.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is neither a plain value nor an array")
        return found


class _DataType:
    """What a pickle says of a data type: its kind and size, and then the order of its bytes."""

    def __init__(self, text: str, *more: Any) -> None:
        made = np.dtype(text) if isinstance(text, str) and len(text) <= 8 else np.dtype("O")
        if made.kind not in "biuf":  # objects would be pickles within
            raise pickle.UnpicklingError(f"an array of {str(text)[:40]} holds no numbers")
        self.made = made

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an order of bytes that there is not")
        self.made = self.made.newbyteorder(state[1])


class _Array:
    """What a pickle says of an array."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        self.values = _array(content, kind, shape, "F" if by_columns else "C")


def _array(
    content: bytes | bytearray | str, kind: _DataType, shape: tuple[int, ...], order: str, *more: Any
) -> np.ndarray:
    data = content.encode("latin1") if isinstance(content, str) else bytes(content)
    whole = all(isinstance(n, int) and n >= 0 for n in shape) and len(shape) <= _MAX_DIMENSIONS
    if not isinstance(kind, _DataType) or not whole or prod(shape) * kind.made.itemsize != len(data):
        raise pickle.UnpicklingError(f"an array of {len(data)} bytes, which its shape does not take")
    return np.frombuffer(data, kind.made).reshape(shape, order="F" if order == "F" else "C").copy()


def _scalar(kind: _DataType, content: bytes | str) -> Any:
    return _array(content, kind, (), "C")[()]


def _reconstruct(*about: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


def _made(value: Any, done: dict[int, Any]) -> Any:
    """The same value with its arrays put in place; what occurs twice is visited once."""
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, _Array):
        if value.values is None:
            raise pickle.UnpicklingError("an array without values")
        return value.values
    if isinstance(value, _DataType) or callable(value):
        raise pickle.UnpicklingError("neither a plain value nor an array")
    if isinstance(value, dict):
        found: Any = {}
        done[id(value)] = found
        found.update({key: _made(one, done) for key, one in value.items()})
        return found
    if isinstance(value, list | tuple):
        found = [_made(one, done) for one in value]
        done[id(value)] = found = tuple(found) if isinstance(value, tuple) else found
        return found
    return value


# What numpy itself writes: `ndarray.__reduce__` and `generic.__reduce__`, of numpy 1 and 2.
_CORES = ("numpy.core", "numpy._core")
_MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("multiarray", "_reconstruct"): _reconstruct,
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _array,
}
_ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "ndarray",  # a word, which `_reconstruct` does not look at
    ("numpy", "dtype"): _DataType,
    ("_codecs", "encode"): _encode,
    **{(f"{core}.{module}", name): made for core in _CORES for (module, name), made in _MAKERS.items()},
}
