"""Reads any TOML file into a typed struct and writes it, and says in one line what is wrong with it and where."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.inspect import (
    DictType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StructType,
    TupleType,
    UnionType,
    VarTupleType,
    type_info,
)

from multiview.common.ledger import reading
from multiview.common.ranges import in_range, range_words, shown
from multiview.errors import ConfigError

__all__ = ["convert", "decode_toml", "encode_toml", "read_toml"]

T = TypeVar("T")
_NO_RENAMES: Mapping[str, str] = {}
_MAX_BYTES = 1 << 20  # the largest file that a person writes has a thousandth of this
# Tables are kept at a moderate depth before they are parsed: the time of a key of n parts grows with n squared.
_DEEP_KEY = re.compile(rb"""(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){40}""")


def read_toml(path: Path | str, remedy: str = "") -> dict[str, Any]:
    """The tables of the TOML file at `path`; `remedy` says how to get a file that is not there.

    Raises ConfigError naming the file: there is none, or it is not TOML.
    """
    try:
        with reading(Path(path)).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{'; ' * bool(remedy)}{remedy}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than a megabyte; is it the right file?")
    if _DEEP_KEY.search(content):
        raise ConfigError(f"{path}: not TOML of ours: a key of more than 40 parts")
    try:
        return tomllib.loads(_text(content))
    except RecursionError:
        raise ConfigError(f"{path}: not TOML of ours: lists or tables are nested too deep") from None
    except ValueError as error:  # also TOMLDecodeError, UnicodeDecodeError, and a number of too many digits
        raise ConfigError(f"{path}: not TOML: {str(error).partition(';')[0]}") from None


def _text(content: bytes) -> str:
    """UTF-8, with or without a byte order mark, as editors on Windows write it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is in UTF-16, save it as UTF-8")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def decode_toml(path: Path | str, type: type[T], remedy: str = "", renamed: Mapping[str, str] = _NO_RENAMES) -> T:
    """The TOML file at `path` as `type`, a msgspec Struct; `remedy` says how to get a file that is not there.

    Raises ConfigError naming the file and the key: no such file, not TOML, a key that `type` does not know (with its
    new name if `renamed` has it, else with the nearest that it knows), a value of the wrong kind, what a struct's
    `__post_init__` rejects (a ValueError there).
    """
    return convert(read_toml(path, remedy), type, str(path), renamed)


def convert(data: dict[str, Any], type: type[T], where: str, renamed: Mapping[str, str] = _NO_RENAMES) -> T:
    """`data`, as TOML gives it, as `type`; `where` begins the ConfigError's text.

    Every number must be finite and in the range that its type states (`multiview.common.ranges`).
    """
    try:
        if wild := _wild_number(type_info(type), data):
            raise ConfigError(f"{where}: {wild}")
        return msgspec.convert(data, type)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), data, type, renamed)}") from None
    except RecursionError:
        raise ConfigError(f"{where}: lists or tables are nested too deep") from None


def encode_toml(struct: msgspec.Struct, where: str) -> str:
    """The text of a struct's file; ConfigError where `decode_toml` would refuse it, which begins with `where`."""
    import tomli_w

    data = {key: value for key, value in msgspec.to_builtins(struct).items() if value is not None}
    convert(data, type(struct), where)
    return tomli_w.dumps(data)


def _wild_number(node: Any, data: Any, place: str = "", extra: Mapping[str, Any] = _NO_RENAMES) -> str:
    """The first number outside its range, in words; empty if there is none. Values of another kind are left alone."""
    node = _of_union(node, data)
    if isinstance(node, Metadata):
        return _wild_number(node.type, data, place, node.extra or {})
    if isinstance(node, FloatType | IntType):
        wanted = int | float if isinstance(node, FloatType) else int
        if not isinstance(data, wanted) or isinstance(data, bool) or in_range(node, extra, data):
            return ""
        return f"{place.lstrip('.')}: must be {range_words(node, extra)}, not {shown(data)}"
    inner: list[tuple[Any, Any, str]] = []
    if isinstance(node, StructType) and isinstance(data, dict):
        inner = [(f.type, data[f.encode_name], f".{f.encode_name}") for f in node.fields if f.encode_name in data]
    elif isinstance(node, DictType) and isinstance(data, dict):
        inner = [(node.value_type, value, f".{key}") for key, value in data.items()]
    elif isinstance(node, ListType | VarTupleType) and isinstance(data, list | tuple):
        inner = [(node.item_type, value, f"[{_label(value, i)}]") for i, value in enumerate(data)]
    elif isinstance(node, TupleType) and isinstance(data, list | tuple):
        inner = [(t, value, f"[{i}]") for i, (t, value) in enumerate(zip(node.item_types, data, strict=False))]
    return next(filter(None, (_wild_number(t, value, place + step) for t, value, step in inner)), "")


def _label(value: Any, index: object) -> str:
    """How an item of a list is called: by its name, if it has one."""
    named = isinstance(value, dict) and isinstance(value.get("name"), str)
    return repr(value["name"]) if named else str(index)


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
            index = _label(data, index)
        node = _of_union(node, data)
        place += f"[{index}]" if index else f".{name}"
    return place.lstrip("."), node


def _of_union(node: Any, data: Any) -> Any:
    """Of a union, the struct whose tag the data bears, else the first; of a value or nothing, the value."""
    if not isinstance(node, UnionType):
        return node
    structs = [option for option in node.types if isinstance(option, StructType)]
    tagged = (s for s in structs if isinstance(data, dict) and s.tag_field and data.get(s.tag_field) == s.tag)
    some = [option for option in node.types if not isinstance(option, NoneType)]
    return next(tagged, structs[0] if structs else some[0] if len(some) == 1 else node)
