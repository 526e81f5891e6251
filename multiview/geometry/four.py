"""Four numbers that one instruction works on: a type for kernels that do the same to four of something, in lanes.

It has the operators of numbers and of truths, lane by lane, so that arithmetic reads as it does for one number, and is
the same to the last bit. An array of lanes has the shape (R, 4), a quantity in each row. Other arrays are taken as rows
of numbers, whatever axes come after the first.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils, errors

__all__ = [
    "LANES",
    "Four",
    "Truths",
    "choose",
    "four",
    "load",
    "pick",
    "put",
    "read",
    "some",
    "store",
    "transpose",
    "write",
]

LANES = 4
Four = Any  # what kernels annotate: four numbers,
Truths = Any  # and what comparing them gives

_numba: Any = extending  # neither has types of its own
_cgutils: Any = cgutils
_intrinsic: Callable[[Any], Any] = _numba.intrinsic
_model_of: Callable[[Any], Callable[[Any], Any]] = _numba.register_model
_types_of: Callable[[Any], Callable[[Any], Any]] = _numba.type_callable
_code_of: Callable[..., Callable[[Any], Any]] = _numba.lower_builtin
_NUMBERS = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


class _FourType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Four")


class _TruthsType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Truths")


@_model_of(_FourType)
class _FourModel(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _NUMBERS)  # type: ignore[no-untyped-call]


@_model_of(_TruthsType)
class _TruthsModel(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BITS)  # type: ignore[no-untyped-call]


_four, _truths = _FourType(), _TruthsType()


@_intrinsic
def four(typing: Any, number: Any) -> Any:
    """The numbers of a tuple, or one number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (kind,), (value,) = signature.args, arguments
        if not isinstance(kind, types.UniTuple):
            return _spread(context, builder, kind, value)
        lanes = ir.Constant(_NUMBERS, ir.Undefined)
        for k in range(LANES):
            one = context.cast(builder, builder.extract_value(value, k), kind.dtype, types.float64)
            lanes = builder.insert_element(lanes, one, ir.IntType(32)(k))
        return lanes

    return _four(number), generate


@_intrinsic
def load(typing: Any, lanes: Any, row: Any) -> Any:
    """A row of lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _address(context, builder, signature, arguments[0], [arguments[1]])
        return builder.load(at, align=8)

    return _four(lanes, types.intp), generate


@_intrinsic
def store(typing: Any, lanes: Any, row: Any, value: Any) -> Any:
    """Set a row of lanes to a Four or a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _address(context, builder, signature, arguments[0], [arguments[1]])
        builder.store(_spread(context, builder, signature.args[2], arguments[2]), at, align=8)
        return context.get_dummy_value()

    return types.void(lanes, types.intp, value), generate


@_intrinsic
def read(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """The four numbers array[row, column:]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature, arguments[0], arguments[1:]), align=8)

    return _four(array, types.intp, types.intp), generate


@_intrinsic
def write(typing: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Set array[row, column:] to four numbers, or all four to one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _address(context, builder, signature, arguments[0], arguments[1:3])
        builder.store(_spread(context, builder, signature.args[3], arguments[3]), at, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), generate


@_intrinsic
def pick(typing: Any, array: Any, rows: Any, column: Any) -> Any:
    """The four numbers array[rows[k], column]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        picked = ir.Constant(_NUMBERS, ir.Undefined)
        for k in range(LANES):
            index = [builder.extract_value(arguments[1], k), arguments[2]]
            at = _address(context, builder, signature, arguments[0], index)
            one = builder.load(builder.bitcast(at, ir.DoubleType().as_pointer()))
            picked = builder.insert_element(picked, one, ir.IntType(32)(k))
        return picked

    return _four(array, types.UniTuple(types.intp, LANES), types.intp), generate  # type: ignore[no-untyped-call]


@_intrinsic
def put(typing: Any, array: Any, rows: Any, column: Any, value: Any) -> Any:
    """Set the four numbers array[rows[k], column]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for k in range(LANES):
            index = [builder.extract_value(arguments[1], k), arguments[2]]
            at = _address(context, builder, signature, arguments[0], index)
            one = builder.extract_element(arguments[3], ir.IntType(32)(k))
            builder.store(one, builder.bitcast(at, ir.DoubleType().as_pointer()))
        return context.get_dummy_value()

    return types.void(array, types.UniTuple(types.intp, LANES), types.intp, _four), generate  # type: ignore[no-untyped-call]


@_intrinsic
def transpose(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The columns of four rows."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, c, d = arguments
        low, high = [0, 4, 2, 6], [1, 5, 3, 7]
        ab, cd = [[_shuffle(builder, p, q, mask) for mask in (low, high)] for p, q in ((a, b), (c, d))]
        first, second = [0, 1, 4, 5], [2, 3, 6, 7]
        columns = [_shuffle(builder, ab[i], cd[i], mask) for mask in (first, second) for i in (0, 1)]
        return context.make_tuple(builder, signature.return_type, columns)

    return types.UniTuple(_four, LANES)(a, b, c, d), generate  # type: ignore[no-untyped-call]


@_intrinsic
def choose(typing: Any, which: Any, this: Any, other: Any) -> Any:
    """In each lane this where it is true, else the other; each a Four or a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = [_spread(context, builder, *each) for each in zip(signature.args[1:], arguments[1:], strict=True)]
        return builder.select(arguments[0], *pair)

    return _four(which, this, other), generate


@_intrinsic
def some(typing: Any, which: Any) -> Any:
    """Whether any lane is true."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, bits.type(0))

    return types.boolean(which), generate


def _address(context: Any, builder: Any, signature: Any, array: Any, index: Any) -> Any:
    """Where in a contiguous array: of row and column, or of a row of lanes."""
    if signature.args[0].layout != "C":
        raise errors.TypingError("lanes are read from contiguous arrays only")
    array = context.make_array(signature.args[0])(context, builder, array)
    axes = signature.args[0].ndim if len(index) == 2 else 0
    width = ir.Constant(index[0].type, 1 if axes else LANES)
    for axis in range(1, axes):
        width = builder.mul(width, builder.extract_value(array.shape, axis))
    at = builder.mul(index[0], width)
    at = builder.add(at, index[1]) if axes else at
    return builder.bitcast(builder.gep(array.data, [at]), _NUMBERS.as_pointer())


def _shuffle(builder: Any, a: Any, b: Any, mask: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), mask))


def _spread(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A number in all lanes; a Four as it is."""
    if isinstance(kind, _FourType):
        return value
    number = context.cast(builder, value, kind, types.float64)
    one = builder.insert_element(ir.Constant(_NUMBERS, ir.Undefined), number, ir.IntType(32)(0))
    return _shuffle(builder, one, one, [0] * LANES)


def _operator(function: Any, returns: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Let kernels use an operator between Fours, and between a Four and a number."""

    @_types_of(function)
    def types_of(context: Any) -> Any:
        def result(a: Any, b: Any) -> Any:
            pair = isinstance(a, _FourType), isinstance(b, _FourType)
            fits = all(four or isinstance(x, types.Number) for four, x in zip(pair, (a, b), strict=True))
            return returns if any(pair) and fits else None

        return result

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = [_spread(context, builder, *each) for each in zip(signature.args, arguments, strict=True)]
        return emit(builder, *pair)

    number: Any
    _code_of(function, _FourType, _FourType)(generate)
    for number in (types.Float, types.Integer):
        _code_of(function, _FourType, number)(generate)
        _code_of(function, number, _FourType)(generate)


def _comparison(sign: str) -> Callable[[Any, Any, Any], Any]:
    return lambda builder, a, b: builder.fcmp_ordered(sign, a, b)


def _combination(function: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Let kernels combine truths."""

    @_types_of(function)
    def types_of(context: Any) -> Any:
        return lambda a, b: _truths if isinstance(a, _TruthsType) and isinstance(b, _TruthsType) else None

    @_code_of(function, _TruthsType, _TruthsType)
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit(builder, *arguments)


def _function(function: Any, name: str) -> None:
    """Let kernels use a function of one number that the machine has an instruction for."""

    @_types_of(function)
    def types_of(context: Any) -> Any:
        return lambda a: _four if isinstance(a, _FourType) else None

    @_code_of(function, _FourType)
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_NUMBERS, [_NUMBERS])
        return builder.call(_cgutils.get_or_insert_function(builder.module, kind, name), arguments)


for _functions, _emit in (
    ((operator.add, operator.iadd), lambda builder, a, b: builder.fadd(a, b)),
    ((operator.sub, operator.isub), lambda builder, a, b: builder.fsub(a, b)),
    ((operator.mul, operator.imul), lambda builder, a, b: builder.fmul(a, b)),
    ((operator.truediv, operator.itruediv), lambda builder, a, b: builder.fdiv(a, b)),
):
    for _each in _functions:
        _operator(_each, _four, _emit)
for _each, _sign in (
    (operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "=="),
):  # fmt: skip
    _operator(_each, _truths, _comparison(_sign))
for _functions, _emit in (
    ((operator.and_, operator.iand), lambda builder, a, b: builder.and_(a, b)),
    ((operator.or_, operator.ior), lambda builder, a, b: builder.or_(a, b)),
):
    for _each in _functions:
        _combination(_each, _emit)
_function(math.sqrt, f"llvm.sqrt.v{LANES}f64")
_function(abs, f"llvm.fabs.v{LANES}f64")


@_types_of(operator.invert)
def _type_of_not(context: Any) -> Any:
    return lambda a: _truths if isinstance(a, _TruthsType) else None


@_code_of(operator.invert, _TruthsType)
def _generate_not(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.not_(arguments[0])
