"""`import multiview` offers what its `__all__` lists, imports each name on first use, and nothing before."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import multiview


def typed_imports() -> set[str]:
    """What a type checker sees: the names imported under `if TYPE_CHECKING`."""
    tree = ast.parse(Path(multiview.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_exports_are_the_same_in_every_list() -> None:
    lazy = [name for names in multiview._EXPORTS.values() for name in names]
    assert sorted(lazy) == sorted(multiview.__all__)
    assert typed_imports() == set(multiview.__all__)
    assert set(multiview.__all__) <= set(dir(multiview))


@pytest.mark.parametrize("name", multiview.__all__)
def test_export_is_public_and_documented(name: str) -> None:
    value = getattr(multiview, name)
    home = sys.modules[multiview._HOME[name]]
    assert name in home.__all__, f"{home.__name__} must list {name} in __all__"
    assert getattr(home, name) is value
    assert inspect.getdoc(value), f"{name} has no docstring"
    assert "multiview" in value.__module__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Kamera'"):
        multiview.Kamera  # noqa: B018


def test_import_loads_nothing_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import multiview; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in run.stdout.split()} <= {"multiview"} | sys.stdlib_module_names
    assert not [name for name in run.stdout.split() if name.startswith("multiview.")]
