"""Names in any script are names everywhere, and what they are called on disk leads back to them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.common.atomic_file import replacing
from multiview.common.names import (
    check_name,
    file_name,
    joined,
    name_of_file,
    named_path,
    same_name,
    split_names,
)
from multiview.errors import ConfigError

NAMES = (
    "cam01",
    "cam 1",
    "Kamera-ä",
    "相机1",
    'a"b',
    "100%",
    "%41",
    "a:b*?",
    ".hidden",
    "end.",
    "con",
    "NUL.1",
    "می‌خواهم",
    "👩‍👧",
    "a,b",
)
names = (
    st.text(min_size=1, max_size=20)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda name: is_name(name))
)


def is_name(name: str) -> bool:
    try:
        check_name(name, "camera")
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_script_are_taken(name: str) -> None:
    assert check_name(name, "camera") == name


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "lab/A", "a\\b", "a\nb", "a\n", "a\x00", "\x1b[31m", "a\u202eb", "\udc80", "x" * 65]
)
def test_names_that_nothing_can_be_called_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a name is 1 to 64 characters"):
        check_name(name, "camera")


def test_longest_names_are_names_of_files_with_every_ending(tmp_path: Path) -> None:
    """A file system takes 255 bytes, and `replacing` adds 20 to a file's name."""
    for letter in 'x\u00e4\u76f8\U0001f938"':
        longest = max((letter * n for n in range(1, 65) if is_name(letter * n)), key=len)
        path = named_path(tmp_path, longest, ".timestamps.csv")
        with replacing(path) as temporary:
            temporary.write_text("frame,time")
        (tmp_path / f".{file_name(longest)}-recovered.recovering").mkdir()
        assert name_of_file(path.name.removesuffix(".timestamps.csv")) == longest
    with pytest.raises(ConfigError, match="at most 200 bytes in files"):
        check_name("\U0001f938" * 64, "camera")


def test_name_is_the_same_however_its_accents_were_typed() -> None:
    assert check_name("Kamera-a\u0308", "camera") == "Kamera-\u00e4"
    assert same_name("Kamera-a\u0308", "Kamera-\u00e4")


@given(names)
def test_file_name_leads_back_to_the_name_and_no_system_refuses_it(name: str) -> None:
    called = file_name(name)
    assert name_of_file(called) == name
    assert same_name(called, name)
    assert not set(called) & set('<>:"|?*/\\')
    assert not called.startswith(".")
    assert not called.endswith((".", " "))
    assert called.partition(".")[0].upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT9")


@given(names, names)
def test_file_names_differ_where_names_do(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


@given(st.lists(names, min_size=1, max_size=5))
def test_names_are_split_as_they_were_joined(several: list[str]) -> None:
    assert split_names(joined(several)) == several


@pytest.mark.skipif(os.name == "nt", reason="a quotation mark is in no file name there")
def test_named_path_is_what_is_there(tmp_path: Path) -> None:
    assert named_path(tmp_path, 'a"b', ".mp4") == tmp_path / "a%22b.mp4"
    (tmp_path / 'a"b.mp4').touch()
    assert named_path(tmp_path, 'a"b', ".mp4") == tmp_path / 'a"b.mp4'
