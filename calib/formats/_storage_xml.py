"""The XML that OpenCV's FileStorage writes, read without OpenCV, as `_storage_yaml` gives it: dicts, lists, numbers."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

__all__ = ["parse_storage_xml"]


def parse_storage_xml(text: str) -> dict[str, Any]:
    """The whole file; ValueError if it is of another kind."""
    if "<!" in text.replace("<!--", ""):  # entities can be made to grow without end
        raise ValueError("a document type or entities, which OpenCV does not write")
    root = ElementTree.fromstring(text)
    if root.tag != "opencv_storage":
        raise ValueError(f"its root is {root.tag[:60]}, not opencv_storage")
    return {element.tag: _value(element) for element in root}


def _value(element: ElementTree.Element) -> Any:
    children = list(element)
    if element.get("type_id") == "opencv-matrix":
        fields = {child.tag: (child.text or "").split() for child in children}
        rows, cols = (int("".join(fields.get(key, []))) for key in ("rows", "cols"))
        return {"rows": rows, "cols": cols, "data": [float(number) for number in fields.get("data", [])]}
    if children and all(child.tag == "_" for child in children):
        return [_value(child) for child in children]
    if children:
        return {child.tag: _value(child) for child in children}
    return _scalar((element.text or "").strip())


def _scalar(text: str) -> str | float | list[float]:
    """A number, numbers in a row, or a text, of which OpenCV puts some in quotation marks."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return text.strip('"')
    return numbers[0] if len(numbers) == 1 else numbers
