"""Whatever a user called a camera, or wrote in a take, stands on the terminal as it is."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.table import Table

from multiview.common.console import plain_console
from multiview.common.printable import PrintableLines


@pytest.mark.parametrize("text", ["cam[red]", "[/b]", "a:bug:b", "[link=http://x]y", "[@click=x]", "100 % [1]"])
def test_text_of_any_origin_is_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also in the cells, the heads and the title of a table."""
    console = plain_console()
    console.print(text, style="yellow")
    table = Table(text, title=text)
    table.add_row(text)
    console.print(table)
    with console.status(text):
        pass
    assert capsys.readouterr().out.count(text) == 4


def test_text_moves_no_cursor_and_hides_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = plain_console()
    console.print("two\nlines \x1b[2J\x1b]0;title\x07 \u202eback\x9b1m")
    out = capsys.readouterr().out
    assert out.startswith("two\nlines ")
    assert not set(out) & {"\x1b", "\x07", "\u202e", "\x9b"}


def test_reader_that_has_gone_is_told_as_by_print(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(BrokenPipeError):
        plain_console().print("a line")


def test_log_is_one_line_for_each_record_whatever_it_quotes() -> None:
    record = logging.LogRecord("hub", logging.ERROR, "", 0, "camera %s", ("a\n2026 hub INFO all well\x1b[2J",), None)
    line = PrintableLines("%(levelname)s %(message)s").format(record)
    assert line.startswith("ERROR camera a")
    assert line.isprintable()


def test_consoles_are_made_here_alone() -> None:
    """One made elsewhere would take a camera's name for a style."""
    from tests.source_files import repository_files

    makers = [path for path, source in repository_files().items() if " Console(" in source and "/tests" not in path]
    assert makers == []
