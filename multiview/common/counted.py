"""Numbers of things in words."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str = "") -> str:
    """`1 person`, `2 people`; `many` is `one` with an s unless it is given."""
    return f"{number} {one if number == 1 else many or one + 's'}"
