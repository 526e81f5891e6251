"""Pickles of others are read, and can neither run anything nor take more memory than they have bytes for."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np
import pytest

from multiview.common.safe_pickle import plain_values, values_and_arrays


def test_pickles_run_nothing() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, ("1 / 0",)

    for value in (Evil(), {"K": Evil()}, np.array([Evil()], dtype=object)):
        for read_pickle in (plain_values, values_and_arrays):
            with pytest.raises(pickle.UnpicklingError):
                read_pickle(pickle.dumps(value))
    with pytest.raises(pickle.UnpicklingError):
        plain_values(pickle.dumps(np.zeros(2)))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", ["f8", ">f8", "i4", "?"])
def test_pickles_of_arrays_are_read(protocol: int, kind: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(kind)
    found = values_and_arrays(pickle.dumps({"K": array, "n": np.float32(2.5), "x": (1, "a")}, protocol))
    np.testing.assert_array_equal(found["K"], array)
    assert found["K"].dtype.kind == array.dtype.kind
    assert (found["n"], found["x"]) == (2.5, (1, "a"))
    assert np.dtype("f8").isnative


def test_pickles_take_no_more_memory_than_they_fill() -> None:
    array = pickle.dumps(np.arange(6.0).reshape(2, 3), 2)
    huge_shape = array.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x3fK\x03\x86")
    huge_memo = b"\x80\x02]r" + struct.pack("<I", 1 << 31) + b"."
    assert huge_shape != array
    for content in (huge_shape, huge_memo):
        with pytest.raises(pickle.UnpicklingError):
            values_and_arrays(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8"),  # objects
        (b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00f4"),  # half of the bytes
        (b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00x"),
        (b"K\x02K\x03\x86", b"K\x02K\x04\x86"),
    ],
)
def test_arrays_that_contradict_themselves_are_refused(old: bytes, new: bytes) -> None:
    content = pickle.dumps(np.arange(6.0).reshape(2, 3), 2)
    assert old in content
    with pytest.raises(pickle.UnpicklingError):
        values_and_arrays(content.replace(old, new))


def test_what_occurs_twice_is_visited_once() -> None:
    value: list[Any] = [np.float64(1.5)]
    for _ in range(60):  # 2^60 places in it
        value = [value, value]
    found = values_and_arrays(pickle.dumps(value))
    while isinstance(found, list):
        found = found[-1]
    assert found == 1.5
