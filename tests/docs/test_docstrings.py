"""What a user may call (the API reference) states its arguments, results and errors in Google's sections."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import runpy
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.source_files import REPOSITORY

API: dict[str, tuple[str, ...]] = runpy.run_path(str(REPOSITORY / "docs" / "make_site.py"))["API"]
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|References):$", re.MULTILINE)


def public(entry: str) -> Iterator[tuple[str, Any]]:
    """The functions and classes that one entry of the reference stands for, by name."""
    path, _, names = entry.partition(":")
    module = importlib.import_module(path)
    for name in names.split() or module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


def sections(value: Any) -> dict[str, str]:
    """The sections of a docstring: {title: text}."""
    parts = _SECTION.split(inspect.getdoc(value) or "")
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(text: str) -> set[str]:
    """The names that a section explains."""
    return set(re.findall(r"^    \*{0,2}(\w+): \S", text, re.MULTILINE))


def missing_in_function(function: Callable[..., Any], where: str) -> Iterator[str]:
    """What the docstring of a function or method does not say."""
    signature, found = inspect.signature(function), sections(function)
    wanted = {name for name in signature.parameters if name not in ("self", "cls") and not name.startswith("_")}
    for name in sorted(wanted - entries(found.get("Args", ""))):
        yield f"{where}: Args lacks {name}"
    for name in sorted(entries(found.get("Args", "")) - wanted):
        yield f"{where}: there is no argument {name}"
    result = str(signature.return_annotation)
    if result not in ("None", "<class 'NoneType'>") and not {"Returns", "Yields"} & set(found):
        yield f"{where}: no Returns"
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    raised = {node.exc.func.id for node in ast.walk(tree) if isinstance(node, ast.Raise)
              and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)}  # fmt: skip
    for name in sorted(raised - entries(found.get("Raises", ""))):
        yield f"{where}: Raises lacks {name}"


def missing_in_class(kind: type, where: str) -> Iterator[str]:
    """What the docstring of a class, the text under its fields and those of its methods do not say."""
    found = sections(kind)
    fields = _fields(kind)
    explained = entries(found.get("Attributes", "")) | _texts_under_fields(kind)
    for name in sorted(set(fields) - explained):
        yield f"{where}: Attributes lacks {name}"
    init = kind.__dict__.get("__init__")
    if not fields and inspect.isfunction(init) and init.__module__ == kind.__module__:  # not a Protocol's
        wanted = set(inspect.signature(init).parameters) - {"self"}
        for name in sorted(wanted - entries(found.get("Args", ""))):
            yield f"{where}: Args lacks {name}"
    for name, member in vars(kind).items():
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if not inspect.getdoc(function):
            yield f"{where}.{name}: no docstring"
        if set(inspect.signature(function).parameters) - {"self", "cls"}:
            yield from missing_in_function(function, f"{where}.{name}")


def _fields(kind: type) -> list[str]:
    if issubclass(kind, BaseException):
        return []
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif issubclass(kind, msgspec.Struct):
        names = list(kind.__struct_fields__)
    else:
        names = list(getattr(kind, "_fields", ()))
    return [name for name in names if not name.startswith("_")]


def _texts_under_fields(kind: type) -> set[str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    pairs = pairwise(body)
    return {node.target.id for node, text in pairs if isinstance(node, ast.AnnAssign)
            and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)}  # fmt: skip


@pytest.mark.parametrize("entry", [entry for entries in API.values() for entry in entries])
def test_docstrings_of_the_reference_are_complete(entry: str) -> None:
    missing: list[str] = []
    for name, value in public(entry):
        assert inspect.getdoc(value), f"{name} has no docstring"
        missing += (missing_in_class if inspect.isclass(value) else missing_in_function)(value, name)
    assert missing == []
