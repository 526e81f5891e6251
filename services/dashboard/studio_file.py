"""Changes of a studio file that leave its comments and its order as they are."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name
from multiview.errors import ConfigError
from multiview.studio.studio_file import decode_studio
from services.capture.new import Found, camera_lines

__all__ = ["add_cameras", "change_studio", "remove_camera", "rename_camera", "rotate_camera", "set_camera", "set_rig"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # keys that TOML takes without quotes


def change_studio(file: Path, change: Callable[[tomlkit.TOMLDocument], None]) -> None:
    """Change a studio file.

    Args:
        file: Which.
        change: Of the document.

    Raises:
        ConfigError: It cannot be read, or would be no studio any more; then it stays as it is.
    """
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
        change(document)
        text = document.as_string()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError(f"{file}: cannot be changed: {error}") from None
    _write(file, text)


def set_rig(file: Path, rig: Path) -> None:
    """Let a studio use these calibrated cameras from now on.

    Args:
        file: Of the studio.
        rig: A rig file.

    Raises:
        ConfigError: As of `change_studio`.
    """
    try:
        text = rig.resolve().relative_to(file.resolve().parent).as_posix()
    except ValueError:
        text = str(rig.resolve())

    def change(document: tomlkit.TOMLDocument) -> None:
        document["rig"] = text

    change_studio(file, change)


def rotate_camera(file: Path, name: str, degrees: int) -> None:
    """Turn a camera's pictures clockwise from now on; ConfigError as of `change_studio`, or if it is no real camera."""

    def change(document: tomlkit.TOMLDocument) -> None:
        cameras: Any = document.get("cameras", {})
        source = cameras.get(name, {}).get("source")
        if source is None or source.get("type") != "camera":
            raise ConfigError(f'{file}: {name} has no [cameras.{name}.source] with type = "camera"')
        source["rotate"] = degrees

    change_studio(file, change)


def set_camera(file: Path, name: str, values: dict[str, Any]) -> None:
    """What an industrial camera or a webcam is set to, from now on.

    Args:
        file: Of the studio.
        name: Of the camera.
        values: Settings by name, and `fps` of the source; None takes one out: it stays as the camera has it.

    Raises:
        ConfigError: As of `change_studio`, or its source is not of this file.
    """

    def change(document: tomlkit.TOMLDocument) -> None:
        cameras: Any = document.get("cameras", {})
        source = cameras.get(name, {}).get("source")
        if source is None:
            raise ConfigError(f"{file}: no [cameras.{name}.source]: the camera comes from the rig or a shared source")
        if "settings" not in source:
            source["settings"] = tomlkit.table()
        for key, value in values.items():
            table = source if key == "fps" else source["settings"]
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value

    change_studio(file, change)


def rename_camera(file: Path, name: str, new: str) -> None:
    """Give a camera another name; ConfigError if it cannot have it."""
    new, studio = check_name(new, "camera"), decode_studio(file)
    if new in studio.cameras:
        raise ConfigError(f"there is a camera {new} already: choose another name")
    _change_headers(file, name, lambda line, rest: f"[cameras.{_key(new)}{rest}]{line.partition(']')[2]}")


def remove_camera(file: Path, name: str) -> None:
    """Leave a camera out of the studio from now on; ConfigError if it is the last one."""
    _change_headers(file, name, None)


def add_cameras(file: Path, cameras: list[Found]) -> None:
    """Add cameras to a studio; ConfigError if one cannot be called so."""
    studio, lines = decode_studio(file), list[str]()
    for camera in cameras:
        if check_name(camera.name, "camera") in studio.cameras:
            raise ConfigError(f"there is a camera {camera.name} already: choose another name")
        lines += camera_lines(camera._replace(name=check_name(camera.name, "camera")))
    _write(file, file.read_text(encoding="utf-8").rstrip("\n") + "\n" + "\n".join(lines) + "\n")


def _change_headers(file: Path, name: str, header: Callable[[str, str], str] | None) -> None:
    """Rewrite the headers of a camera's tables, or leave the tables out."""
    before, kept, inside = decode_studio(file), list[str](), False
    if name not in before.cameras:
        raise ConfigError(f"{file}: no [cameras.{name}.source]: the camera comes from the rig or a shared source")
    for line in file.read_text(encoding="utf-8").splitlines():
        path = _header(line)
        if path is not None:
            inside = path[:2] == ["cameras", name]
            if inside and header is not None:
                line = header(line, "".join(f".{_key(part)}" for part in path[2:]))
        if not inside or header is not None:
            kept.append(line)
    _write(file, "\n".join(kept) + "\n", len(before.cameras) - (header is None))


def _header(line: str) -> list[str] | None:
    """The keys of a table's header; None if the line is none."""
    if not line.lstrip().startswith("["):
        return None
    try:
        node: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    keys: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        ((key, node),) = node.items()
        keys.append(key)
    return keys


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _write(file: Path, text: str, cameras: int | None = None) -> None:
    """Replace the file, if it is a studio then, with so many cameras."""
    with replacing(file, correct=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
        try:
            studio = decode_studio(temporary)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(temporary), str(file))) from None
        if cameras is not None and len(studio.cameras) != cameras:
            raise ConfigError(f"{file}: its cameras are written in a way that only an editor can change")
