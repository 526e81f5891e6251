"""Every test that the page of faults names is there, and every row of its tables has one."""

from __future__ import annotations

from pathlib import Path

from tests.docs.test_threat_model import REPOSITORY, TEST

PAGE = (REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8")


def names(path: Path, test: str) -> bool:
    return path.is_file() and (not test or f"def {test}(" in path.read_text(encoding="utf-8"))


def test_faults_page_names_tests_that_are_there() -> None:
    found = TEST.findall(PAGE)
    assert len(found) > 150
    assert [f"{file}::{test}" for file, test in found if not names(REPOSITORY / file, test)] == []


def test_faults_page_has_a_test_for_everything() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith("|---")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]
    rows = [row for row in rows if row[0] not in ("fault", "what")]
    assert len(rows) > 60
    for row in rows:
        assert len(row) in (2, 4), row
        assert row[0], row
        assert TEST.search(row[2 if len(row) == 4 else 1]), row
