"""The YAML that OpenCV's FileStorage writes, read without OpenCV, whose own reader can crash on a damaged file.

Nested maps and lists by indentation, lists in brackets over several lines, numbers, text, and matrices
(`!!opencv-matrix` with rows, cols and data). Everything else is refused with a ValueError.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

__all__ = ["matrix_of", "parse_storage"]

_MAX_DEPTH = 50
_MAX_NUMBERS = 1_000_000
_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s:#\[\]{},"'][^:\[\]{}]*?)\s*:(?:\s+|$)(.*)""")

Lines = list[tuple[int, str]]


def parse_storage(text: str) -> dict[str, Any]:
    """The whole file as dicts, lists, numbers and text; ValueError if it is of another kind."""
    lines = _lines(text)
    value, end = _block(lines, 0, lines[0][0] if lines else 0, 0)
    if end < len(lines) or not isinstance(value, dict):
        raise ValueError(f"line of another kind: {lines[min(end, len(lines) - 1)][1][:60] if lines else 'none'}")
    return value


def matrix_of(value: Any) -> np.ndarray:
    """A matrix; ValueError if its numbers are not as many as its rows and columns say."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise ValueError("not a matrix with rows, cols and data")
    rows, cols, data = value.get("rows"), value.get("cols"), np.array(value["data"], dtype=np.float64)
    if not isinstance(rows, int) or not isinstance(cols, int) or data.ndim != 1 or rows * cols != len(data):
        raise ValueError(f"a matrix of {rows} rows and {cols} columns with {data.size} numbers")
    return data.reshape(rows, cols)


def _lines(text: str) -> Lines:
    """Indentation and content of each line with any, lists in brackets joined to one line."""
    found: Lines = []
    for line in text.splitlines():
        content = re.sub(r"(^|\s)#.*$", "", line).rstrip() if '"' not in line else line.rstrip()
        if not content.strip() or content.startswith(("%", "---", "...")):
            continue
        if found and found[-1][1].count("[") > found[-1][1].count("]"):
            found[-1] = (found[-1][0], f"{found[-1][1]} {content.strip()}")
        else:
            found.append((len(content) - len(content.lstrip()), content.strip()))
    return found


def _block(lines: Lines, at: int, indent: int, depth: int) -> tuple[Any, int]:
    """The map or list that begins at a line, and the line after it."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    is_list = at < len(lines) and (lines[at][1] == "-" or lines[at][1].startswith("- "))
    items: list[Any] = []
    table: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent:
        content = lines[at][1]
        if is_list:
            if content != "-" and not content.startswith("- "):
                break
            value, at = _value(lines, at, content[1:].strip(), indent, depth)
            items.append(value)
            continue
        match = _KEY.fullmatch(content)
        if match is None:
            raise ValueError(f"not a key: {content[:60]!r}")
        table[match[1].strip("\"'")], at = _value(lines, at, match[2], indent, depth)
    return (items if is_list else table), at


def _value(lines: Lines, at: int, text: str, indent: int, depth: int) -> tuple[Any, int]:
    """What stands behind a key or a dash: there, or in the lines below that are indented more."""
    text = re.sub(r"^!!?[\w-]+\s*", "", text)
    if text:
        return _scalar(text), at + 1
    below = at + 1
    if below < len(lines) and (lines[below][0] > indent or (lines[below][0] == indent and lines[below][1][0] == "-")):
        if lines[below][0] == indent and lines[at][1].startswith("-"):
            return None, below  # an empty item of a list
        return _block(lines, below, lines[below][0], depth + 1)
    return None, below


def _scalar(text: str) -> Any:
    if text.startswith("["):
        if not text.endswith("]") or text.count("[") > 1:
            raise ValueError(f"not a list of numbers: {text[:60]!r}")
        parts = [part for part in text[1:-1].split(",") if part.strip()]
        if len(parts) > _MAX_NUMBERS:
            raise ValueError("a matrix of more than a million numbers")
        return [_scalar(part.strip()) for part in parts]
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("'"):
        return text.strip("'")
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    special = {".nan": "nan", ".inf": "inf", "-.inf": "-inf", "+.inf": "inf"}
    try:
        return float(special.get(text.lower(), text))
    except ValueError:
        return text
