"""Many arrays as one argument of a kernel: what numba works out of every array in every call, worked out once.

A call costs a tenth of a microsecond for each array that it is given, which for everyone's state, the cameras and the
rays of a frame together is more than many kernels take. A handle holds, number after number, numba's own representation
of a NamedTuple of arrays, so that a kernel only reads it. What the arrays are is said by the NamedTuple's annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast, get_type_hints

import numba
import numpy as np
from jaxtyping import Int64
from numba.extending import intrinsic

__all__ = ["handle_of", "opener"]

T = TypeVar("T")


def handle_of(arrays: Any) -> Int64[np.ndarray, " H"]:
    """The handle of a NamedTuple of arrays, or of such NamedTuples; ValueError if an array is not as it is annotated.

    It has addresses, so whoever keeps it must keep the arrays, too.
    """
    return np.array(list(_numbers(arrays)), dtype=np.int64)


def _numbers(arrays: Any) -> Iterator[int]:
    for (name, kind), array in zip(get_type_hints(type(arrays), include_extras=True).items(), arrays, strict=True):
        if isinstance(array, tuple):
            yield from _numbers(array)
            continue
        dtype, dimensions = _kind(kind)
        fits = array.dtype == dtype and array.ndim == dimensions
        if not (fits and array.flags.c_contiguous and array.flags.writeable):
            raise ValueError(f"{type(arrays).__name__}.{name}: not a contiguous array of {dtype} in {dimensions} D")
        # No owner (twice: of the memory, and the object), size, bytes of an element, address, shape, strides.
        yield from (0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides)


def opener(kind: type[T]) -> Callable[[Int64[np.ndarray, " H"]], T]:
    """A function for kernels: from a handle to the NamedTuple `kind`, whose arrays belong to someone else."""
    opened = _numba_type(kind)

    @intrinsic
    def opens(typing: Any, handle: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            numbers = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.load(builder.bitcast(numbers, context.get_value_type(opened).as_pointer()))

        return opened(handle), generate

    return cast(Callable[[Int64[np.ndarray, " H"]], T], opens)


def _numba_type(kind: Any) -> Any:
    hints = get_type_hints(kind, include_extras=True).values()
    parts = [_numba_type(hint) if issubclass(hint, tuple) else _array_type(hint) for hint in hints]
    from_types: Any = numba.types.BaseTuple.from_types
    return from_types(parts, kind)


def _array_type(annotation: Any) -> Any:
    dtype, dimensions = _kind(annotation)
    return numba.types.Array(numba.from_dtype(dtype), dimensions, "C")


def _kind(annotation: Any) -> tuple[np.dtype[Any], int]:
    """What an annotation as `Float64[np.ndarray, "M J 3"]` says of the numbers, and how many axes there are."""
    return np.dtype(annotation.dtypes[0]), len(annotation.dim_str.split())
