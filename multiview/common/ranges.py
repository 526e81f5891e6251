"""Ranges of numbers that come from outside, stated in data types: `fps: Annotated[float, above(0, 1000, "fps")]`.

A file that is read into such a type is checked by `multiview.common.toml`, an option of a command by `ranged`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec.inspect import FloatType, IntType, Metadata, type_info

__all__ = [
    "Distance",
    "FrameRate",
    "Port",
    "Seconds",
    "Seed",
    "Share",
    "above",
    "between",
    "in_range",
    "range_words",
    "ranged",
    "shown",
    "unlimited",
]

LARGEST: float = 1e12  # of a number without a range of its own: no length, time or pixel comes near it
LARGEST_INT = 2**63 - 1


def between(low: float, high: float, unit: str = "") -> msgspec.Meta:
    """From `low` to `high`, both included."""
    return msgspec.Meta(ge=low, le=high, extra={"unit": unit})


def above(low: float, high: float, unit: str = "") -> msgspec.Meta:
    """Above `low`, at most `high`."""
    return msgspec.Meta(gt=low, le=high, extra={"unit": unit})


def unlimited(unit: str = "") -> msgspec.Meta:
    """Any number, infinite ones as well."""
    return msgspec.Meta(extra={"unit": unit, "unlimited": True})


Port = Annotated[int, between(0, 65535)]
FrameRate = Annotated[float, above(0, 1000, "frames per second")]
Seconds = Annotated[float, above(0, 1e7, "s")]
Distance = Annotated[float, between(0, 200, "m")]
Share = Annotated[float, between(0, 1)]
Seed = Annotated[int, between(0, LARGEST_INT)]


def ranged(kind: Any, zero: bool = False) -> Callable[[str], Any]:
    """What reads an option of the command line as a number of `kind`, such as `FrameRate`, for argparse's `type`.

    `zero` allows 0 as well, where it means something of its own.
    """
    node, extra = _number(type_info(kind))

    def read(text: str) -> Any:
        try:
            value = int(text) if isinstance(node, IntType) else float(text)
        except ValueError:
            what = "a whole number" if isinstance(node, IntType) else "a number"
            raise argparse.ArgumentTypeError(f"must be {what}, not {shown(text)}") from None
        if (zero and value == 0) or in_range(node, extra, value):
            return value
        raise argparse.ArgumentTypeError(f"must be {'0 or ' * zero}{range_words(node, extra)}, not {shown(value)}")

    return read


def in_range(node: Any, extra: Mapping[str, Any], value: float) -> bool:
    """Whether a number is in the range of its type: an int or float of `msgspec.inspect`, and its metadata's extra."""
    if extra.get("unlimited"):
        return value == value  # nan is in no range
    low, high = _limits(node)
    return low <= value <= high and value != node.gt and value != node.lt


def range_words(node: Any, extra: Mapping[str, Any]) -> str:
    """The range in words: `above 0 and at most 1000 frames per second`."""
    if extra.get("unlimited"):
        return "a number"
    low, high = _limits(node)
    if node.ge is node.gt is node.le is node.lt is None:
        words = f"finite and at most {_plain(high)}"
    elif node.gt is None and node.lt is None:
        words = f"from {_plain(low)} to {_plain(high)}"
    else:
        over = "at least" if node.gt is None else "above"
        words = f"{over} {_plain(low)} and {'at most' if node.lt is None else 'below'} {_plain(high)}"
    return f"{words} {extra.get('unit', '')}".rstrip()


def shown(value: Any) -> str:
    """A value in a message: short, whatever it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {round(value.bit_length() * math.log10(2))} digits"
    return _plain(value)


def _limits(node: Any) -> tuple[float, float]:
    largest = LARGEST if isinstance(node, FloatType) else LARGEST_INT
    low = next((limit for limit in (node.ge, node.gt) if limit is not None), -largest)
    return low, next((limit for limit in (node.le, node.lt) if limit is not None), largest)


def _plain(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _number(node: Any) -> tuple[Any, Mapping[str, Any]]:
    """The number in a type, and what its metadata says besides."""
    return (node.type, node.extra or {}) if isinstance(node, Metadata) else (node, {})
