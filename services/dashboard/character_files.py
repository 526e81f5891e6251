"""Characters and models that browsers bring, for exports: files in the studio's folder, each looked at before."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, file_name
from multiview.errors import ConfigError
from multiview.retarget.target import RIG_SUFFIXES, load_character

__all__ = ["MODEL_SUFFIXES", "keep_character"]

MODEL_SUFFIXES = (".osim",)


def keep_character(folder: Path, name: str, data: bytes) -> Path:
    """Write a file that exports can use; nothing is ever overwritten.

    Args:
        folder: The studio's.
        name: The file's, as a browser says: any text.
        data: Its content.

    Returns:
        Its path.

    Raises:
        ConfigError: It is of another kind, cannot be read as what it says that it is, or there is one of its name.
    """
    suffixes = (*RIG_SUFFIXES, *MODEL_SUFFIXES)
    path = folder / file_name(check_name(name, "file"))
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"{path.name}: neither a character nor a model: those end in {', '.join(suffixes)}")
    if path.exists():
        raise ConfigError(f"there is a {path.name} already: choose it under Skeleton or Model, or rename yours")
    with replacing(path) as temporary:
        temporary.write_bytes(data)
        try:
            _read(temporary)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(temporary), path.name)) from None
    return path


def _read(path: Path) -> None:
    """ConfigError unless it is what its name says."""
    if path.suffix.lower() not in MODEL_SUFFIXES:
        load_character(str(path))
        return
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ConfigError(f"{path}: not a model: {error}") from None
    if root.find("Model") is None:
        raise ConfigError(f"{path}: not a model of OpenSim: it has no Model")
