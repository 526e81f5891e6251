"""Many arrays as one argument of a kernel.

A call costs a tenth of a microsecond for each array that it is given, which for tracks, cameras and workspace together
is more than many kernels take. `as_struct` turns a NamedTuple of arrays (or of other such NamedTuples) once into a
numba structref: one pointer, however many arrays there are. Kernels read its fields by name, as those of the NamedTuple
itself, which they take just as well, only more slowly. The struct holds references to the arrays and does not follow
the NamedTuple: make it anew when an array is replaced.

Without the compiler (NUMBA_DISABLE_JIT=1) there is nothing to gain, and kernels get the NamedTuple itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import numba
from numba import extending, types
from numba.experimental import structref

from multiview.geometry.jit import kernel

__all__ = ["as_struct"]


@structref.register
class _StructType(types.StructRef):
    """The type of a struct, which is that of its fields: names and array types."""


class _Struct(structref.StructRefProxy):
    """A struct as Python holds it; only kernels read its fields."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a kernel's struct is not copied or pickled: copy the NamedTuple, and make a struct of that")


_structref: Any = structref  # has no types of its own
_extending: Any = extending
_structref.define_boxing(_StructType, _Struct)


def as_struct(arrays: Any) -> Any:
    """What kernels take for `arrays`, a NamedTuple; ValueError if an array is not contiguous or not writeable."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return arrays
    _check(arrays)
    return _make(arrays)


def _check(arrays: Any) -> None:
    for name, field in zip(arrays._fields, arrays, strict=True):
        if isinstance(field, tuple):
            _check(field)
        elif not (field.flags.c_contiguous and field.flags.writeable):  # each kind would be compiled for anew
            raise ValueError(f"{type(arrays).__name__}.{name}: not a contiguous array that can be written to")


@kernel
def _make(arrays: Any) -> Any:  # one for all kinds of NamedTuples: each kernel costs a millisecond to load
    return _struct(arrays)


def _struct(arrays: Any) -> Any:
    raise NotImplementedError("only kernels call this")


def _struct_of(arrays: Any) -> Callable[[Any], Any]:
    """The code that makes a struct of a NamedTuple of this type, and of those that it holds."""
    kind: Any = arrays.instance_class
    fields = (
        f"struct(arrays.{name})" if isinstance(field, types.BaseTuple) else f"arrays.{name}"
        for name, field in zip(arrays.fields, arrays.types, strict=True)
    )
    scope: dict[str, Any] = {"struct": _struct, "constructor": _constructor(kind)}
    exec(f"def make(arrays):\n    return constructor({', '.join(fields)})\n", scope)
    make: Callable[[Any], Any] = scope["make"]
    return make


_extending.overload(_struct, strict=False)(_struct_of)


class _Constructor:
    """What makes a struct with the fields of `kind` inside kernels; told apart by `kind`, also in numba's cache."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    def __call__(self, *fields: Any) -> Any:
        raise NotImplementedError("only kernels call this")

    def __reduce__(self) -> tuple[Any, ...]:
        return _constructor, (self.kind,)


@functools.cache
def _constructor(kind: type[Any]) -> _Constructor:
    constructor = _Constructor(kind)
    _structref.define_constructor(constructor, _StructType, kind._fields)
    return constructor
