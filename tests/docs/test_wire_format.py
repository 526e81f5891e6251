"""The published wire format is the one in the code."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import get_args

from multiview.wire.messages import AnyMessage

DOCS = Path(__file__).parents[2] / "docs"


def test_wire_format_page_and_schema_are_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "make_wire_format.py"))
    for name, text in (
        ("wire_format.md", made["document"]()),
        ("wire_format.schema.json", made["schema_text"]()),
        ("websocket.schema.json", made["websocket_schema_text"]()),
    ):
        assert (DOCS / name).read_text(encoding="utf-8") == text, "run python docs/make_wire_format.py"


def test_wire_format_page_describes_every_message_that_is_decoded() -> None:
    page = (DOCS / "wire_format.md").read_text(encoding="utf-8")
    tags = [kind.__struct_config__.tag for kind in get_args(AnyMessage)]
    assert len(tags) >= 8
    assert re.findall(r"^## `(\w+)`$", page, re.M) == tags
