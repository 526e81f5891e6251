"""Create the keys that a studio over a network needs: they say who may connect to the hub, and as which sender.

    keys/hub.key  cam01.key  fusion.key ...   a process's own secret, mode 0600; a camera's machine needs that alone
         hub.pub                              the hub's public key, which everyone needs
         allowed.toml                         NAME = "public key": the hub's list of who may connect

The name of a key is its permission: a worker with the key `cam01` may send for the camera cam01 only.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path
from typing import NamedTuple

import tomli_w

from multiview.errors import ConfigError
from multiview.studio.config import load_studio, studio_rig

__all__ = ["ANYONE", "HUB", "Key", "load_allowed", "load_hub_public", "load_key", "make_keys"]

HUB = "hub"
SERVICES = ("fusion", "recorder", "viewer", "client")
ANYONE = "client"  # the key of whoever has none under their own name, and may only listen


class Key(NamedTuple):
    """A pair of keys in ZeroMQ's Z85 text."""

    public: str
    secret: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file, for the cameras' names")
    parser.add_argument("--out", type=Path, default=Path("keys"), help="folder for the keys (default keys)")
    parser.add_argument(
        "--extra-names", nargs="*", default=[], metavar="NAME", help="further names, each with the right to subscribe"
    )


def run(args: argparse.Namespace) -> None:
    names = [HUB, *SERVICES, *studio_rig(load_studio(args.studio, check=False)).names, *args.extra_names]
    made = make_keys(args.out, names)
    print(f"{args.out}: {len(made)} new keys" + (f" ({', '.join(made)})" if made else "; all existed already"))
    print(f'next: set [hub] keys = "{args.out}" in {args.studio}; a camera\'s machine needs NAME.key and hub.pub')


def _new_key() -> Key:
    import zmq

    public, secret = zmq.curve_keypair()
    return Key(public.decode(), secret.decode())


def make_keys(folder: Path, names: list[str]) -> list[str]:
    """Make the missing keys and enter them in the list of permitted keys; ConfigError if this fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        allowed = load_allowed(folder) if (folder / "allowed.toml").exists() else {}
        made = []
        for name in dict.fromkeys(names):
            if (folder / f"{name}.key").exists():
                continue
            key = _new_key()
            _write_secret(folder / f"{name}.key", tomli_w.dumps(key._asdict()))
            if name == HUB:
                (folder / "hub.pub").write_text(key.public + "\n")
            else:
                allowed[name] = key.public
            made.append(name)
        (folder / "allowed.toml").write_text(tomli_w.dumps(allowed))
    except OSError as error:
        raise ConfigError(f"{folder}: keys cannot be written ({error.strerror})") from None
    return made


def load_key(folder: str | Path, name: str) -> Key:
    """The key of this name, else a listener's; ConfigError if there is none, or others can read it."""
    path = Path(folder) / f"{name}.key"
    if not path.exists() and name != HUB:
        path = Path(folder) / f"{ANYONE}.key"
    table = _read(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by other users: chmod 600 {path}")
    if set(table) != {"public", "secret"} or any(len(text) != 40 for text in table.values()):
        raise ConfigError(f"{path}: not a key; make keys with: multiview keys")
    return Key(**table)


def load_hub_public(folder: str | Path) -> str:
    """The hub's public key; ConfigError if it is missing."""
    path = Path(folder) / "hub.pub"
    try:
        return path.read_text().strip()
    except OSError:
        raise ConfigError(f"{path}: missing; copy it from the hub's machine") from None


def load_allowed(folder: str | Path) -> dict[str, str]:
    """Public keys by name; ConfigError if the list is missing."""
    return _read(Path(folder) / "allowed.toml")


def _read(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(path.read_text())
    except OSError:
        raise ConfigError(f"{path}: missing; make keys with: multiview keys") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return {str(name): str(text) for name, text in table.items()}


def _write_secret(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
