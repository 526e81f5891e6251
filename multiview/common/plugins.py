"""Plugins are files: `detect/rtmpose.py` is the detector "rtmpose"; one's own is a path, "./my.py"."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from multiview.errors import ConfigError

__all__ = ["load_plugin", "plugin_names"]


def plugin_names(folder: str) -> tuple[str, ...]:
    """The plugins of a folder of multiview ("detect", "export"): its files, but for those that begin with _."""
    here = Path(__file__).parents[1] / folder
    return tuple(sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_")))


def load_plugin(folder: str, name: str) -> ModuleType:
    """The module of a plugin, by its name or by the path of one's own file (ends in .py).

    Raises ConfigError listing what exists, or naming what one's own file fails on.
    """
    if name.endswith(".py"):
        return _own_file(Path(name))
    known = plugin_names(folder)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = (
            f'did you mean "{near[0]}"?'
            if near
            else f"there are {', '.join(known)}, or give the path of your own .py file"
        )
        raise ConfigError(f'multiview/{folder} has no "{name}"; {hint}')
    return importlib.import_module(f"multiview.{folder}.{name}")


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
