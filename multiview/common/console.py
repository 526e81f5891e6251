"""The terminal as every command writes to it: text is text, whatever a user called a camera or wrote in a take."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from multiview.common.printable import printable

__all__ = ["plain_console"]


class _PlainConsole(Console):
    """Brackets are no styles, `:name:` is no picture, and control characters never reach the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        lines = text.split("\n")
        return super().render_str("\n".join(printable(line) for line in lines), **options)

    def on_broken_pipe(self) -> None:
        """Whoever read has gone: the command line ends as it does for `print`."""
        raise BrokenPipeError

    def status(self, status: RenderableType, **options: Any) -> Status:
        return super().status(Text(status) if isinstance(status, str) else status, **options)


def plain_console(stderr: bool = False, highlight: bool = True) -> Console:
    """A console for text of any origin.

    Args:
        stderr: Where to write.
        highlight: Whether numbers and paths are coloured.

    Returns:
        The console; styles are given as such (`style="yellow"`), not in the text.
    """
    return _PlainConsole(stderr=stderr, highlight=highlight, markup=False, emoji=False)
