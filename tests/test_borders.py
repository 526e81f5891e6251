"""Mutated files of every format: a value or one line, in time, and nothing written; the long run is a benchmark."""

from __future__ import annotations

import pytest

from benchmarks.file_formats import FORMATS
from benchmarks.mutated_files import attack

FILES = 60


@pytest.mark.filterwarnings("ignore")  # of libraries about wild numbers
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "recipe" else ()) for name in FORMATS]
)
def test_mutated_files_are_read_or_refused_in_one_line(name: str) -> None:
    outcome = attack(FORMATS[name], FILES, seed=11)
    assert outcome.faults == {}, outcome.examples
    assert outcome.refused > 0
    assert outcome.read + outcome.refused == FILES
