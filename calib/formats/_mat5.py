"""Reads numbers, texts and structs of MATLAB's level 5 files, whatever damage they have (SciPy's reader may crash).

The format is MathWorks' "MAT-File Format": elements of a tag (type and size) and data, padded to eight bytes. A matrix
is an element of elements: flags, dimensions, name, then its values, or for a struct the names of its fields and a
matrix for each field of each of its elements, the first dimension running fastest.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

__all__ = ["read_mat"]

_HEADER_BYTES, _LARGEST, _DEEPEST = 128, 1 << 28, 16
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED, _UTF8, _UTF16, _UTF32 = 14, 15, 16, 17, 18
_TEXTS = {1: "utf-8", 2: "utf-8", 4: "utf-16", _UTF8: "utf-8", _UTF16: "utf-16", _UTF32: "utf-32"}
_STRUCT, _CHARACTERS, _NUMERIC = 2, 4, range(6, 16)


def read_mat(content: bytes) -> dict[str, Any]:
    """The variables of a file.

    Args:
        content: Of the file.

    Returns:
        By name: an array without axes of length 1, a text, a dict for a struct, a list of dicts for an array of
        structs; None for what is none of these.

    Raises:
        ValueError: The file is damaged, or of another level.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no MAT-file of level 5")
    return dict(_variable(kind, data, order) for kind, data in _elements(content[_HEADER_BYTES:], order))


def _variable(kind: int, data: bytes, order: str) -> tuple[str, Any]:
    if kind == _COMPRESSED:
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(data, _LARGEST)
        if unpacked.unconsumed_tail:
            raise ValueError("far larger than it should be")
        (kind, data), *_ = _elements(data, order)
    if kind != _MATRIX:
        raise ValueError(f"a variable of type {kind}")
    return _matrix(data, order, 0)


def _elements(data: bytes, order: str) -> list[tuple[int, bytes]]:
    """(type, data) of each, at least one."""
    found: list[tuple[int, bytes]] = []
    place = 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, place)
        if kind >> 16:  # a small one has its data in its tag
            kind, size, begin, place = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if size > 4:
                raise ValueError("an element larger than its place")
        else:
            begin = place + 8
            place = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(data):
            raise ValueError("cut off")
        found.append((kind, data[begin : begin + size]))
    if not found:
        raise ValueError("cut off")
    return found


def _matrix(data: bytes, order: str, depth: int) -> tuple[str, Any]:
    """Its name and value."""
    if not data:
        return "", np.zeros(0)
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    (_, flags), (shape_kind, shape), (_, name), *parts = _elements(data, order)
    if len(flags) < 8 or shape_kind not in _NUMBERS:
        raise ValueError("a matrix without flags and size")
    kind = struct.unpack_from(order + "I", flags)[0] & 0xFF
    dimensions = [int(size) for size in _numbers(shape_kind, shape, order)]
    if not 2 <= len(dimensions) <= 32 or min(dimensions) < 0:
        raise ValueError(f"a matrix of size {dimensions}")
    value: Any = None
    if kind in _NUMERIC:
        value = _numbers(*_first(parts), order).reshape(dimensions, order="F").squeeze()
    elif kind == _CHARACTERS:
        value = _text(*_first(parts), order)
    elif kind == _STRUCT:
        value = _struct(parts, dimensions, order, depth)
    return name.decode("utf-8", errors="replace"), value


def _first(parts: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    if not parts:
        raise ValueError("a matrix without values")
    return parts[0]


def _numbers(kind: int, data: bytes, order: str) -> np.ndarray:
    if kind not in _NUMBERS:
        raise ValueError(f"numbers of type {kind}")
    dtype = np.dtype(order + _NUMBERS[kind])
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)


def _text(kind: int, data: bytes, order: str) -> str:
    if kind not in _TEXTS:
        raise ValueError(f"text of type {kind}")
    coding = _TEXTS[kind]
    return data.decode(coding if coding == "utf-8" else coding + ("-le" if order == "<" else "-be"), errors="replace")


def _struct(parts: list[tuple[int, bytes]], dimensions: list[int], order: str, depth: int) -> Any:
    (length_kind, length), (_, names), *fields = parts
    (width,) = _numbers(length_kind, length, order)[:1]
    if width < 1:
        raise ValueError("fields without names")
    keys = [
        names[at : at + int(width)].split(b"\0")[0].decode("utf-8", errors="replace")
        for at in range(0, len(names), int(width))
    ]
    count = len(fields) // len(keys) if keys else 0
    if len(fields) != count * len(keys) or any(kind != _MATRIX for kind, _ in fields) or count != np.prod(dimensions):
        raise ValueError("a struct that lacks fields")
    values = [_matrix(data, order, depth + 1)[1] for _, data in fields]
    structs = [dict(zip(keys, values[n * len(keys) :], strict=False)) for n in range(count)]
    return structs[0] if count == 1 else structs
