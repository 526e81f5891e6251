"""Every mistake in a TOML file is one line that names the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from multiview.common.toml import decode_toml
from multiview.errors import ConfigError


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int = 5555


class Disk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="disk"):
    folder: str = ""


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="camera"):
    device: int = 0


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    side: Literal["left", "right"] = "left"
    place: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("nobody has no name")


class Studio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    port: Port
    source: Disk | Camera = Disk()
    ports: list[Port] = []
    named: dict[str, Port] = {}
    people: list[Person] = []


def write(folder: Path, text: str) -> Path:
    path = folder / "studio.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, '[port]\nnumber = 7\n[source]\ntype = "camera"\ndevice = 3\n')
    assert decode_toml(path, Studio) == Studio(port=Port(7), source=Camera(3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[port]\nnumer = 7", 'port: unknown key "numer"; did you mean "number"?'),
        ("prot = 1\n[port]", 'unknown key "prot"; did you mean "port"?'),
        ("[port]\nzzz = 7", 'port: unknown key "zzz"; known are: number'),
        ('[port]\n[source]\ntype = "camera"\ndevise = 1', 'source: unknown key "devise"; did you mean "device"?'),
        ("[port]\n[[ports]]\n[[ports]]\nnumbr = 1", 'ports[1]: unknown key "numbr"; did you mean "number"?'),
        ("[port]\n[named.a]\nnumbr = 1", 'unknown key "numbr"; did you mean "number"?'),
        ('[port]\nnumber = "x"', "port.number: Expected `int`, got `str`"),
        ('[port]\n[[people]]\nname = "Ann"\nplce = 1', "people['Ann']: unknown key \"plce\"; did you mean"),
        ('[port]\n[[people]]\nname = "Ann"\nplace = [0.0, "x"]', "people['Ann'].place[1]: Expected `float`, got `str`"),
        ('[port]\n[[people]]\nname = "Ann"\nside = "l"', "people['Ann'].side: must be left or right, not 'l'"),
        ('[port]\n[[people]]\nname = ""', "people['']: nobody has no name"),
        ("ports = []", 'the key "port" is missing'),
        ("[port\n", "not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        decode_toml(path, Studio)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        decode_toml(tmp_path / "none.toml", Studio)
    with pytest.raises(ConfigError, match="cannot be read"):
        decode_toml(tmp_path, Studio)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        decode_toml(tmp_path / "binary.toml", Studio)
