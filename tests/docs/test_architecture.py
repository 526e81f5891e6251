"""ARCHITECTURE.md explains every room, and what it points at is there."""

from __future__ import annotations

import re

from tests.source_files import REPOSITORY
from tests.test_arrows import ARROWS, HOMES

PAGE = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
_IN_CODE = re.findall(r"`((?:multiview|calib|services|configs|tests|benchmarks|docs|examples)/[\w./]*)`", PAGE)


def test_every_room_has_a_line() -> None:
    rooms = {room for room in ARROWS if (REPOSITORY / room).is_dir()}
    lines = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE))
    assert rooms - lines == set()
    assert {room for room in lines if not (REPOSITORY / room).is_dir()} == set()


def test_every_path_exists() -> None:
    paths = [path for path in _IN_CODE if "NAME" not in path]
    assert len(paths) > 50
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_heavy_libraries_are_named_with_their_homes() -> None:
    section = PAGE[PAGE.index("Heavy libraries") : PAGE.index("`tests/test_rules.py`")]
    for library, homes in HOMES.items():
        assert library in section
        for home in homes:
            assert home.removeprefix("multiview/") in section, f"{library} lives in {home}"


def test_no_page_holds_both_sides_of_a_merge() -> None:
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("*.toml"), *(REPOSITORY / "docs").rglob("*.md")]
    assert len(pages) > 20
    marked = [page.name for page in pages if re.search("^(<{7}|>{7}) ", page.read_text(encoding="utf-8"), re.MULTILINE)]
    assert marked == []
