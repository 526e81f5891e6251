"""Modules that are loaded when they are first used, not when somebody takes over all names of their package."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["defer_import"]


def defer_import(name: str) -> None:
    """Make a module an attribute of its package without running it: its own import does, or the first use of it.

    Args:
        name: With its packages. Nothing happens if it is loaded already, or not installed.

    References:
        `importlib.util.LazyLoader` of Python's standard library.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, last = name.rpartition(".")
    if package:
        setattr(sys.modules[package], last, module)  # as an import does
