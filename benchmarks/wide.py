"""A console on which wide tables stay whole, also where the output is a file or a narrow terminal."""

from rich.console import Console

__all__ = ["wide_console"]

_COLUMNS = 170


def wide_console() -> Console:
    """Standard output, at least as wide as the widest table of the studies."""
    console = Console()
    console.width = max(console.width, _COLUMNS)
    return console
