"""The published wire format is the one in the code."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    document = runpy.run_path(str(DOCS / "make_wire_format.py"))["document"]
    assert (DOCS / "wire_format.md").read_text(encoding="utf-8") == document(), "run python docs/make_wire_format.py"


def test_the_page_has_every_message() -> None:
    page = (DOCS / "wire_format.md").read_text(encoding="utf-8")
    for tag in ("keypoints", "poses", "regions", "clock", "camera_health", "service_health", "goodbye", "hub"):
        assert f"## `{tag}`" in page
