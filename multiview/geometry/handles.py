"""Many arrays as one argument of a kernel: what numba works out of every array in every call, worked out once.

A call costs a tenth of a microsecond for each array that it is given, which for everyone's state, the cameras and the
rays of a frame together is more than many kernels take. A handle holds, number after number, numba's own representation
of a NamedTuple of arrays, so that a kernel only reads it. What the arrays are is said by the NamedTuple's annotations.

To kernels a handle is one pointer, however many arrays there are: functions pass it on, and read the arrays they use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast, get_type_hints

import numba
import numpy as np
from jaxtyping import Int64
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core.typing.templates import AttributeTemplate

__all__ = ["handle_of", "opener"]

T = TypeVar("T")

_numba: Any = extending  # has no types of its own
_intrinsic: Callable[[Any], Any] = _numba.intrinsic
_model_of: Callable[[Any], Callable[[Any], Any]] = _numba.register_model
_code_of_cast: Callable[[Any, Any], Callable[[Any], Any]] = _numba.lower_cast
_attributes: Callable[[Any], Any] = _numba.infer_getattr
_attribute_code: Callable[[Any], Callable[[Any], Any]] = _numba.lower_getattr_generic


class _Lent(types.Array):
    """An array that belongs to someone who outlives the kernel, as do its parts.

    numba counts references to arrays wherever they are handed on, with a call each time; these are not counted.
    """

    def __init__(self, dtype: Any, ndim: int, layout: Any) -> None:
        super().__init__(dtype, ndim, layout, name=f"Lent({dtype}, {ndim}d, {layout})")

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> Any:
        """The type of a part of it, or, if `dtype` or `readonly` are given, of a new array."""
        if dtype is None and readonly is None:
            return _Lent(self.dtype, self.ndim if ndim is None else ndim, layout or self.layout)
        return super().copy(dtype, ndim, layout, readonly)


@_model_of(_Lent)
class _LentModel(extending.models.ArrayModel):
    def traverse(self, builder: Any) -> list[Any]:
        """Nothing in it is counted."""
        return []


@_code_of_cast(_Lent, types.Array)
def _cast(context: Any, builder: Any, lent: Any, array: Any, value: Any) -> Any:
    return value


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
    """A function for kernels: from a handle to what has the fields of the NamedTuple `kind`, arrays of someone else."""
    opened = _View(kind)

    @_intrinsic
    def opens(typing: Any, handle: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, arguments[0]).data

        return opened(handle), generate

    return cast(Callable[[Int64[np.ndarray, " H"]], T], opens)


class _View(types.Type):
    """What a handle is to kernels: the address of its numbers, and where among them each field begins."""

    def __init__(self, kind: Any) -> None:
        self.fields: dict[str, tuple[int, Any]] = {}
        self.size = 0
        for name, hint in get_type_hints(kind, include_extras=True).items():
            field = _View(hint) if issubclass(hint, tuple) else _array_type(hint)
            self.fields[name] = self.size, field
            self.size += field.size if isinstance(field, _View) else 5 + 2 * field.ndim
        super().__init__(name=f"View({kind.__module__}.{kind.__qualname__})")


@_model_of(_View)
class _ViewModel(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(64).as_pointer())  # type: ignore[no-untyped-call]


@_attributes
class _ViewAttributes(AttributeTemplate):
    key = _View

    def generic_resolve(self, value: Any, attr: str) -> Any:  # type: ignore[override]
        return value.fields[attr][1] if attr in value.fields else None


@_attribute_code(_View)
def _read_field(context: Any, builder: Any, view: Any, address: Any, name: str) -> Any:
    place, field = view.fields[name]
    at = builder.gep(address, [ir.IntType(64)(place)])
    if isinstance(field, _View):
        return at
    array = builder.load(builder.bitcast(at, context.get_value_type(field).as_pointer()))
    # No kernel writes into handles, so what is read once need not be read again after every store to an array.
    array.set_metadata("invariant.load", builder.module.add_metadata([]))
    return array


def _array_type(annotation: Any) -> Any:
    dtype, dimensions = _kind(annotation)
    return _Lent(numba.from_dtype(dtype), dimensions, "C")


def _kind(annotation: Any) -> tuple[np.dtype[Any], int]:
    """What an annotation as `Float64[np.ndarray, "M J 3"]` says of the numbers, and how many axes there are."""
    return np.dtype(annotation.dtypes[0]), len(annotation.dim_str.split())
