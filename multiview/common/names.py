"""Names that users give to cameras, takes, actors and studios: one rule for all, one escape where they name files.

A name is any text on one line, in any script, up to 64 characters (and 200 bytes). Messages, tables and pages hold it
as it is. A file system may not: `file_name` writes what some of them refuse as %XX, and `name_of_file` reads it back.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from multiview.errors import ConfigError

__all__ = [
    "MAX_LENGTH",
    "NAME",
    "check_name",
    "file_name",
    "joined",
    "name_fault",
    "name_of_file",
    "named_path",
    "same_name",
    "split_names",
]

MAX_LENGTH = 64
MAX_BYTES = 200  # of a file's name before our endings: file systems take 255, and 64 characters may be 256
# Neither control characters, line breaks and changes of direction, nor / and \; not blank; not . or .. (folders).
# The same text means the same to JavaScript, whose `$` is the end of all the text.
NAME = (
    r"^(?=.*\S)(?!\.{1,2}$)[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069/\\]"
    rf"{{1,{MAX_LENGTH}}}$(?!\n)"
)

_NAME = re.compile(NAME)
_NOT_IN_FILES = re.compile(r'[<>:"|?*]|^\.|[. ]$|%(?=[0-9A-F]{2})')
_ESCAPE = re.compile("%([0-9A-F]{2})")
_DEVICES = re.compile(r"(?i)(CON|PRN|AUX|NUL|COM\d|LPT\d)(\.|$)")  # names that Windows keeps for itself


def check_name(name: str, what: str) -> str:
    """The name, its accents composed, so that it is the same however it was typed; ConfigError if it cannot be one.

    `what` says whose it is: "camera", "take".
    """
    name = unicodedata.normalize("NFC", name)
    if fault := name_fault(name):
        raise ConfigError(f"{what}: {fault}")
    return name


def name_fault(name: str) -> str:
    """Why this cannot be a name; empty if it can."""
    if _NAME.match(name) and not any("\ud800" <= c <= "\udfff" for c in name):
        size = len(file_name(name).encode())
        return f"a name has at most {MAX_BYTES} bytes in files, and {name} has {size}" if size > MAX_BYTES else ""
    shown = repr(name if len(name) <= MAX_LENGTH else name[:MAX_LENGTH] + "...")
    return f"a name is 1 to {MAX_LENGTH} characters on one line, without / and \\, and not . or .., not {shown}"


def file_name(name: str) -> str:
    """How a file or folder of this name is called, on every system."""
    escaped = _NOT_IN_FILES.sub(lambda found: f"%{ord(found[0]):02X}", name)
    return f"%{ord(escaped[0]):02X}{escaped[1:]}" if _DEVICES.match(escaped) else escaped


def name_of_file(stem: str) -> str:
    """The name of whatever a file or folder belongs to; `stem` is without its ending."""
    name = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), stem)
    return unicodedata.normalize("NFC", name if file_name(name) == stem else stem)


def same_name(stem: str, name: str) -> bool:
    """Whether a file or folder, called so by us or by a user, is that of `name`."""
    composed = unicodedata.normalize("NFC", stem)
    return composed in (name, file_name(name)) or name_of_file(stem) == name


def named_path(folder: Path, name: str, suffix: str = "") -> Path:
    """The file or folder of `name` in `folder`: as a user called it, if that is there, else as we call it."""
    plain = folder / (name + suffix)
    return plain if plain.exists() else folder / (file_name(name) + suffix)


def split_names(text: str) -> list[str]:
    """Names as a command line gives them, `A,B,"C, with a comma"`; the inverse of `joined`."""
    import csv

    return [unicodedata.normalize("NFC", name) for name in next(csv.reader([text], skipinitialspace=False), [])]


def joined(names: list[str]) -> str:
    """Several names as one argument of a command."""
    return ",".join(
        '"' + name.replace('"', '""') + '"' if "," in name or name.startswith('"') else name for name in names
    )
