"""Every mistake in a TOML file is one line that names the file and the key."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from multiview.common.ranges import FrameRate, ranged, unlimited
from multiview.common.ranges import Port as PortNumber
from multiview.common.toml import decode_toml, encode_toml
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


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fps: FrameRate = 30.0
    port: PortNumber = 0
    far: Annotated[float, unlimited("m")] = 0.0
    share: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    length: float = 0.0
    count: int = 0
    sizes: tuple[int, ...] = ()
    named: dict[str, PortNumber] = {}
    maybe: FrameRate | None = None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fps = 0", "fps: must be above 0 and at most 1000 frames per second, not 0"),
        ("fps = nan", "fps: must be above 0 and at most 1000 frames per second, not nan"),
        ("fps = -inf", "not -inf"),
        ("maybe = 0", "maybe: must be above 0 and at most 1000 frames per second, not 0"),
        ("port = 70000", "port: must be from 0 to 65535, not 70000"),
        ("named = { a = 70000 }", "named.a: must be from 0 to 65535, not 70000"),
        ("share = 1", "share: must be at least 0 and below 1, not 1"),
        ("length = 1e300", "length: must be finite and at most 1e+12, not 1e+300"),
        ("length = inf", "length: must be finite and at most 1e+12, not inf"),
        ("far = nan", "far: must be a number, not nan"),
        (f"length = {'9' * 400}", "not a number of 400 digits"),
        (f"count = {'9' * 400}", "not a number of 400 digits"),
        (f"sizes = [1, {'9' * 400}]", "sizes[1]: must be finite"),
        (f"count = 0x{'f' * 6000}", "not a number of 7225 digits"),
    ],
)
def test_numbers_are_in_the_range_of_their_type(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_toml(write(tmp_path, text), Numbers)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 300


def test_numbers_at_the_ends_of_their_ranges_are_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "fps = 1000\nport = 65535\nfar = inf\nshare = 0\nlength = -1e12\ncount = -1")
    assert decode_toml(path, Numbers) == Numbers(1000.0, 65535, math.inf, 0.0, -1e12, -1)


def test_what_would_be_refused_is_not_encoded(tmp_path: Path) -> None:
    """Whoever writes a file of ours: what passes is read as it was, the rest says what its reader would."""
    given = Numbers(fps=25.0, named={"a": 7})
    assert decode_toml(write(tmp_path, encode_toml(given, "x.toml")), Numbers) == given
    for wrong, expected in (
        (Numbers(fps=0.0), "x.toml: fps: must be above 0 and at most 1000 frames per second, not 0"),
        (Numbers(named={"a": 70000}), "x.toml: named.a: must be from 0 to 65535, not 70000"),
        (Numbers(length=math.nan), "x.toml: length: must be finite"),
    ):
        with pytest.raises(ConfigError) as caught:
            encode_toml(wrong, "x.toml")
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 5000 + b"]" * 5000,
        b"a = " + b"{a = " * 5000 + b"1" + b"}" * 5000,
        b".".join([b"a"] * 100_000) + b" = 1",
        b"a = " + b"9" * 5000,
        "port = 1".encode("utf-16"),
        b"x" * 2_000_000,
        b"\0\xff",
    ],
    ids=["lists", "tables", "key", "digits", "utf-16", "huge", "binary"],
)
def test_what_breaks_the_parser_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wild.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        decode_toml(path, Numbers)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 400


def test_byte_order_mark_of_utf8_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 7\r\n")
    assert decode_toml(path, Numbers).port == 7


@pytest.mark.parametrize("text", ["0", "nan", "-1", "1e9", "fast", ""])
def test_option_out_of_range_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fps", type=ranged(FrameRate))
    assert parser.parse_args(["--fps", "25"]).fps == 25.0
    with pytest.raises(SystemExit):
        parser.parse_args([f"--fps={text}"])
    assert "argument --fps: must be a" in capsys.readouterr().err
