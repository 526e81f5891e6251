"""The documentation site: every page is in it, it builds without the internet, and its pages fetch nothing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.source_files import REPOSITORY

DOCS = REPOSITORY / "docs"
_FETCHED = re.compile(
    r"<(?:link|script|img|iframe|source|video)\b[^>]*?\b(?:href|src|srcset)\s*=\s*[\"']?(?:https?:)?//[^>]*"
)
_IN_STYLES = re.compile(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^)]*")


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_site.py"))


@pytest.fixture
def nav() -> list[Any]:
    settings: dict[str, Any] = tomllib.loads((DOCS / "zensical.toml").read_text(encoding="utf-8"))
    nav: list[Any] = settings["project"]["nav"]
    return nav


def test_navigation_has_every_page(site: dict[str, Any], nav: list[Any]) -> None:
    pages = [*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md"), *(REPOSITORY / "examples").glob("*.py")]
    assert {path.relative_to(REPOSITORY).as_posix() for path in pages} == set(site["sources"](nav))


@pytest.mark.slow
def test_site_builds_and_fetches_nothing(monkeypatch: pytest.MonkeyPatch, site: dict[str, Any]) -> None:
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("the site needs pip install -e .[docs]")
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert site["main"]() == 0
    pages = list((site["BUILD"] / "site").rglob("*.html"))
    assert {"index.html", "architecture.html", "wire_format.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert _FETCHED.findall(text) == [], page
        assert 'class="mermaid"' not in text, f"{page}: Zensical draws Mermaid with a script from the internet"
    for sheet in (site["BUILD"] / "site").rglob("*.css"):
        assert _IN_STYLES.findall(sheet.read_text(encoding="utf-8")) == [], sheet


def test_links_lead_to_pages_of_the_site_and_to_files(tmp_path: Path, site: dict[str, Any]) -> None:
    pages = {"README.md": "index.md", "docs/operations.md": "operations.md", "docs/decisions/a.md": "decisions/a.md"}
    text = "[a](../operations.md#keys) [b](../../configs/studio.toml) [c](https://x.y) `[d](gone.md)`"
    linked = site["with_links"](text, "docs/decisions/a.md", pages, tmp_path)
    assert linked == "[a](../operations.md#keys) [b](../files/configs/studio.toml) [c](https://x.y) `[d](gone.md)`"
    assert (tmp_path / "files/configs/studio.toml").is_file()
    with pytest.raises(SystemExit, match=r"gone\.md"):
        site["with_links"]("[d](gone.md)", "README.md", pages, tmp_path)


def test_api_reference_names_what_modules_export(site: dict[str, Any]) -> None:
    for entry in (entry for entries in site["API"].values() for entry in entries):
        module, _, names = entry.partition(":")
        assert set(names.split()) <= set(importlib.import_module(module).__all__), entry
