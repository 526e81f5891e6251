"""Reads any TOML file into a typed struct, and says in one line what is wrong with it and where."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.inspect import DictType, ListType, LiteralType, StructType, TupleType, UnionType, type_info

from multiview.errors import ConfigError

__all__ = ["convert", "decode_toml", "read_toml"]

T = TypeVar("T")
_NO_RENAMES: Mapping[str, str] = {}


def read_toml(path: Path | str, remedy: str = "") -> dict[str, Any]:
    """The tables of the TOML file at `path`; `remedy` says how to get a file that is not there.

    Raises ConfigError naming the file: there is none, or it is not TOML.
    """
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{'; ' * bool(remedy)}{remedy}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def decode_toml(path: Path | str, type: type[T], remedy: str = "", renamed: Mapping[str, str] = _NO_RENAMES) -> T:
    """The TOML file at `path` as `type`, a msgspec Struct; `remedy` says how to get a file that is not there.

    Raises ConfigError naming the file and the key: no such file, not TOML, a key that `type` does not know (with its
    new name if `renamed` has it, else with the nearest that it knows), a value of the wrong kind, what a struct's
    `__post_init__` rejects (a ValueError there).
    """
    return convert(read_toml(path, remedy), type, str(path), renamed)


def convert(data: dict[str, Any], type: type[T], where: str, renamed: Mapping[str, str] = _NO_RENAMES) -> T:
    """`data`, as TOML gives it, as `type`; `where` begins the ConfigError's text."""
    try:
        return msgspec.convert(data, type)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), data, type, renamed)}") from None


def _explain(text: str, data: dict[str, Any], type: Any, renamed: Mapping[str, str]) -> str:
    """msgspec's words in a user's: `hub: unknown key "prot"; did you mean "port"?`."""
    problem, _, path = text.partition(" - at ")
    place, node = _follow(path, data, type)
    place += ": " if place else ""
    if unknown := re.search(r"contains unknown field `(.*)`", problem):
        key, known = unknown.group(1), [field.encode_name for field in getattr(node, "fields", ())]
        if renamed.get(key) in known:
            return f'{place}the key "{key}" is now called "{renamed[key]}"'
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f'did you mean "{near[0]}"?' if near else f"known are: {', '.join(known)}"
        return f'{place}unknown key "{key}"; {hint}'
    if missing := re.search(r"missing required field `(.*)`", problem):
        return f'{place}the key "{missing.group(1)}" is missing'
    if isinstance(node, LiteralType) and problem.startswith("Invalid enum value "):
        return f"{place}must be {' or '.join(map(str, node.values))}, not {problem.removeprefix('Invalid enum value ')}"
    return place + problem


def _follow(path: str, data: Any, type: Any) -> tuple[str, Any]:
    """Where msgspec's path leads, in a user's words, and the type there; `...` in the path is some key of a dict."""
    place, node = "", _of_union(type_info(type), data)
    for index, name in re.findall(r"\[(\d+|\.\.\.)\]|\.?([^.\[\]`$]+)", path):
        if isinstance(node, StructType):
            node = next((field.type for field in node.fields if field.encode_name == name), None)
            data = data.get(name) if isinstance(data, dict) else None
        elif isinstance(node, DictType):
            node, data = node.value_type, None
        elif isinstance(node, ListType | TupleType):
            node = node.item_type if isinstance(node, ListType) else node.item_types[int(index)]
            data = data[int(index)] if isinstance(data, list) else None
            if isinstance(data, dict) and isinstance(data.get("name"), str):
                index = repr(data["name"])
        node = _of_union(node, data)
        place += f"[{index}]" if index else f".{name}"
    return place.lstrip("."), node


def _of_union(node: Any, data: Any) -> Any:
    """Of a union, the struct whose tag the data bears, else the first."""
    if not isinstance(node, UnionType):
        return node
    structs = [option for option in node.types if isinstance(option, StructType)]
    tagged = (s for s in structs if isinstance(data, dict) and s.tag_field and data.get(s.tag_field) == s.tag)
    return next(tagged, structs[0] if structs else node)
