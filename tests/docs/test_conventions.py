"""The glossary names what the code has: a name that changes there must change on the page."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.source_files import REPOSITORY, repository_files

# Words that names in the code no longer have: the glossary has the term to use.
RETIRED = (
    *("accuse", "accused", "asker", "astray", "believe", "believed", "born", "cable", "filmed", "forget"),
    *("forgive", "goodbye", "heard", "heeded", "knock", "knocked", "mend", "naming", "persistence", "refuse"),
    *("refused", "rehearsal", "sighted", "strange", "stray", "surprise", "tether", "turned", "turns", "wobble"),
)
PAGE = (REPOSITORY / "docs" / "conventions.md").read_text(encoding="utf-8")
_GLOSSARY = PAGE[PAGE.index("## Glossary") :]


def names_in_code() -> list[str]:
    """Every name of the last columns of the glossary's tables; `.name` belongs to the class named before it."""
    names: list[str] = []
    for line in _GLOSSARY.splitlines():
        if line.startswith("|"):
            for name in re.findall(r"`([\w.]+)`", line.split("|")[-2]):
                names.append(names[-1].rpartition(".")[0] + name if name.startswith(".") else name)
    return names


def exists(name: str) -> bool:
    """Whether `name`, seen from multiview, is a module, something in one, or a field of a class in one."""
    parts = f"multiview.{name}".split(".")
    for length in range(len(parts), 1, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return inspect.isclass(found) and part in _instance_names(found)
            found = getattr(found, part)
        return True
    return False


def _instance_names(kind: type) -> set[str]:
    """What instances have: annotated fields, and what `self` is given in methods of the class."""
    given = re.findall(r"self\.(\w+)(?:, self\.\w+)* *[:=,]", inspect.getsource(kind))
    return set(kind.__annotations__) | set(given)


def words_of_names(source: str) -> set[str]:
    """The words of all names that a file gives or uses, in lower case."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        for field in ("name", "id", "attr", "arg"):
            if isinstance(name := getattr(node, field, None), str):
                words.update(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
    return words


def test_retired_words_are_in_no_name() -> None:
    assert words_of_names("KnockDetector.forgive(self._sighted_ns)") >= {"knock", "forgive", "sighted"}
    found = {path: words_of_names(source) & set(RETIRED) for path, source in repository_files().items()}
    assert {path: words for path, words in found.items() if words} == {}


def test_glossary_has_its_terms() -> None:
    assert len(names_in_code()) >= 50
    assert not exists("data.Pose3D.colour")
    assert not exists("fusion.cellar")


@pytest.mark.parametrize("name", names_in_code())
def test_glossary_name_exists(name: str) -> None:
    assert exists(name), f"docs/conventions.md: the code has no multiview.{name}"
