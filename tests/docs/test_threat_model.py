"""Every test that the threat model names is there, and every row of its tables has one."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "threat_model.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/.]+?\.py)(?:::(\w+))?`")


def rows(heading: str) -> list[list[str]]:
    """The cells of a table, less its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_threat_model_names_tests_that_are_there() -> None:
    found = TEST.findall(PAGE)
    assert len(found) > 60
    for file, name in found:
        text = (REPOSITORY / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{file}::{name}"


def test_threat_model_has_a_test_and_a_verdict_for_everything() -> None:
    tried, promises = rows("What was tried"), rows("Promises")
    assert len(tried) > 30
    for row in tried:
        assert len(row) == 3, row
        assert TEST.search(row[1]), row
        assert row[2], row
    for row in promises:
        assert TEST.search(row[1]), row
