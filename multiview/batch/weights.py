"""What a detector's results depend on besides its options: its network, or one's own file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from multiview.common.plugins import load_plugin
from multiview.common.toml import convert
from multiview.models.card import card_names, load_card, model_file, recorded_sha256, sha256_of

__all__ = ["weights_of"]


def weights_of(detector: str, options: dict[str, Any]) -> list[str]:
    """The sha256 of every network that a detector uses, and of its file if it is one's own.

    Args:
        detector: As for `make_detector`.
        options: Likewise.

    Returns:
        The hashes, as hexadecimal digits.

    Raises:
        ConfigError: There is no such detector or option, or its weights are not here.
    """
    module = load_plugin("multiview.detect", detector, "Options", "Detector")
    typed = convert(options, module.Options, f"options of {detector}")
    own = [sha256_of(Path(detector))] if detector.endswith(".py") else []
    named = [value for value in msgspec.structs.asdict(typed).values() if isinstance(value, str)]
    named += module.cards_of(typed) if hasattr(module, "cards_of") else []
    found = dict.fromkeys(digest for name in (detector, *named) if _is_card(name) for digest in _of_card(name))
    return own + list(found)


def _is_card(name: str) -> bool:
    return name in card_names() or (name.endswith(".toml") and Path(name).is_file())


def _of_card(name_or_path: str) -> Iterator[str]:
    name, card = load_card(name_or_path)
    if name_or_path.endswith(".toml"):
        yield sha256_of(Path(name_or_path))
    for file in card.files:
        path = model_file(name, file, check=False)
        yield file.sha256 or recorded_sha256(path) or sha256_of(path)
    if card.person_detector:
        yield from _of_card(card.person_detector)
