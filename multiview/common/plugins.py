"""Plugins are files: `multiview/detect/rtmpose.py` is the detector "rtmpose"; one's own is a path, "./my.py"."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from multiview.errors import ConfigError

__all__ = ["load_plugin", "plugin_names", "plugin_options"]


def plugin_names(package: str) -> tuple[str, ...]:
    """The plugins of a package ("multiview.detect"): its files, but for kernels and those that begin with _."""
    folder = Path(__file__).parents[2] / _folder(package)
    names = (path.stem for path in folder.glob("*.py"))
    return tuple(sorted(name for name in names if not name.startswith("_") and not name.endswith("_kernels")))


def load_plugin(package: str, name: str, *needed: str) -> ModuleType:
    """The module of a plugin, by its name or by the path of one's own file (ends in .py), with what is `needed` in it.

    Raises ConfigError listing what exists, or naming what one's own file fails on or lacks.
    """
    module = _own_file(Path(name)) if name.endswith(".py") else _shipped(package, name)
    if missing := [part for part in needed if not hasattr(module, part)]:
        raise ConfigError(f'{name} has no "{missing[0]}"; a file of {_folder(package)} has {" and ".join(needed)}')
    return module


def plugin_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Options as a command line gives them, `key=value`: values as in TOML; what is no TOML value is text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--option {pair}: write it as KEY=VALUE")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def _shipped(package: str, name: str) -> ModuleType:
    known = plugin_names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = (
            f'did you mean "{near[0]}"?'
            if near
            else f"there are {', '.join(known)}, or give the path of your own .py file"
        )
        raise ConfigError(f'{_folder(package)} has no "{name}"; {hint}')
    return importlib.import_module(f"{package}.{name}")


def _folder(package: str) -> str:
    return package.replace(".", "/")


def _own_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"multiview_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} fails when it is loaded: {type(error).__name__}: {error}") from error
    return module
