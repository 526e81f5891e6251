"""A way of grouping detections from its name and its options as a user writes them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import msgspec

from multiview.common.plugins import load_plugin
from multiview.common.toml import convert
from multiview.fusion.association._associator import DetectionAssociator
from multiview.fusion.state.body_model import Body

__all__ = ["associator_options", "make_associator"]


def make_associator(name: str, options: dict[str, Any], body: Body) -> DetectionAssociator:
    """The associator `name` ("epipolar_graph", or the path of one's own file).

    Raises ConfigError for an unknown name or option, listing what there is.
    """
    associator: DetectionAssociator = _module(name).Associator(body, associator_options(name, options))
    return associator


def associator_options(name: str, options: dict[str, Any]) -> msgspec.Struct:
    """The options of an associator, typed; ConfigError as above."""
    typed: msgspec.Struct = convert(options, _module(name).Options, f"options of {name}")
    return typed


def _module(name: str) -> ModuleType:
    return load_plugin("multiview.fusion.association", name, "Options", "Associator")
