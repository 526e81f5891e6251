"""A 2D detector from its name and its options as a user writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiview.common.plugins import load_plugin
from multiview.common.toml import convert
from multiview.detect._detector import PoseDetector
from multiview.models.card import load_card

__all__ = ["detector_skeleton", "make_detector"]


def make_detector(name: str, options: dict[str, Any] | None = None, folder: Path | None = None) -> PoseDetector:
    """A 2D detector, with its network loaded.

    Args:
        name: "blazepose", "rtmpose" ... (a file of multiview/detect), or "./my.py".
        options: The fields of its `Options`; None: the defaults.
        folder: Where a path of one's own starts.

    Returns:
        The detector.

    Raises:
        ConfigError: The name or an option is unknown (the message lists what there is), or the weights are not here.
    """
    if name.endswith(".py") and folder is not None:
        name = str(folder / name)
    module = load_plugin("multiview.detect", name, "Options", "Detector")
    detector: PoseDetector = module.Detector(convert(options or {}, module.Options, f"options of {name}"))
    return detector


def detector_skeleton(name: str, options: dict[str, Any] | None = None) -> str:
    """The skeleton of what a detector finds, without loading its network.

    A detector's file may have `skeleton_of(options)`; else the card that its option `model` names says it.

    Args:
        name: As for `make_detector`.
        options: Likewise.

    Returns:
        The skeleton's name; empty for one's own file, which is not run to find out.

    Raises:
        ConfigError: The name or an option is unknown.
    """
    if name.endswith(".py"):
        return ""
    module = load_plugin("multiview.detect", name, "Options", "Detector")
    typed = convert(options or {}, module.Options, f"options of {name}")
    if hasattr(module, "skeleton_of"):
        return str(module.skeleton_of(typed))
    model = getattr(typed, "model", "")
    return load_card(model)[1].skeleton if model else ""
