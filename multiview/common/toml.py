"""Reads any TOML file into a typed struct, and says in one line what is wrong with it and where."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.inspect import DictType, ListType, StructType, UnionType, type_info

from multiview.errors import ConfigError

__all__ = ["convert", "decode_toml"]

T = TypeVar("T")


def decode_toml(path: Path | str, type: type[T]) -> T:
    """The TOML file at `path` as `type`, a msgspec Struct.

    Raises ConfigError naming the file and the key: no such file, not TOML, a key that `type` does not know (with the
    nearest that it knows), a value of the wrong kind.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return convert(data, type, str(path))


def convert(data: dict[str, Any], type: type[T], where: str) -> T:
    """`data`, as TOML gives it, as `type`; `where` begins the ConfigError's text."""
    try:
        return msgspec.convert(data, type)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), data, type)}") from None


def _explain(text: str, data: dict[str, Any], type: Any) -> str:
    """msgspec's words in a user's: `hub.prot: unknown key; did you mean "port"?`."""
    problem, _, path = text.partition(" - at ")
    keys = re.findall(r"\[(\d+|\.\.\.)\]|\.?([^.\[\]`$]+)", path)
    place = "".join(f"[{index}]" if index else f".{name}" for index, name in keys).lstrip(".")
    unknown = re.search(r"contains unknown field `(.*)`", problem)
    if unknown:
        key, known = unknown.group(1), _known_keys(data, type, keys)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f'did you mean "{near[0]}"?' if near else f"known are: {', '.join(known)}"
        return f'{place + ": " if place else ""}unknown key "{key}"; {hint}'
    missing = re.search(r"missing required field `(.*)`", problem)
    if missing:
        return f'{place + ": " if place else ""}the key "{missing.group(1)}" is missing'
    return f"{place}: {problem}" if place else problem


def _known_keys(data: Any, type: Any, keys: list[tuple[str, str]]) -> list[str]:
    """The keys of the struct that the path leads to; `...` in msgspec's path is some key of a dict."""
    node = type_info(type)
    for index, name in keys:
        node = _of_union(node, data)
        if isinstance(node, StructType):
            node = next(field.type for field in node.fields if field.encode_name == name)
            data = data.get(name) if isinstance(data, dict) else None
        elif isinstance(node, DictType):
            node, data = node.value_type, None
        elif isinstance(node, ListType):
            node = node.item_type
            data = data[int(index)] if isinstance(data, list) and index.isdigit() else None
    node = _of_union(node, data)
    return [field.encode_name for field in node.fields] if isinstance(node, StructType) else []


def _of_union(node: Any, data: Any) -> Any:
    """Of a union, the struct whose tag the data bears, else the first."""
    if not isinstance(node, UnionType):
        return node
    structs = [option for option in node.types if isinstance(option, StructType)]
    tagged = (s for s in structs if isinstance(data, dict) and s.tag_field and data.get(s.tag_field) == s.tag)
    return next(tagged, structs[0] if structs else node)
