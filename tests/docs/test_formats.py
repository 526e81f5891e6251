"""The page of file formats is the one that the code gives."""

from __future__ import annotations

import runpy

from tests.source_files import REPOSITORY

DOCS = REPOSITORY / "docs"


def test_formats_page_is_up_to_date() -> None:
    document = runpy.run_path(str(DOCS / "make_formats.py"))["document"]
    assert (DOCS / "formats.md").read_text(encoding="utf-8") == document(), "run python docs/make_formats.py"
