"""Create and revoke the keys of a studio over a network: they say who may connect to the hub, and as what.

    keys/hub.key  cam01.key  fusion.key ...   a process's own secret, mode 0600; a camera's machine needs that alone
         hub.pub                              the hub's public key, which everyone needs
         allowed.toml                         per name: its role and public key; the hub's list of who may connect

A running hub follows this list. Every file is replaced as a whole, the list last, and a command that was interrupted
is completed by running it again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import string
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, name_fault, named_path
from multiview.common.toml import read_toml
from multiview.errors import ConfigError
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import load_studio
from services.transport.roles import Role

__all__ = [
    "ANYONE",
    "HUB",
    "OPERATOR",
    "SERVICES",
    "Key",
    "Permission",
    "load_allowed",
    "load_hub_public",
    "load_key",
    "make_keys",
    "revoke",
]

HUB = "hub"
OPERATOR = "viewer"  # the key of whoever runs the studio: `run`, the viewer, `actor`
ANYONE = "client"  # the key of whoever has none under their own name, and may only listen
SERVICES: dict[str, Role] = {
    "fusion": Role.FUSION,
    "recorder": Role.SERVICE,
    "metrics": Role.SERVICE,
    OPERATOR: Role.OPERATOR,
    ANYONE: Role.LISTENER,
}
ROLES = (Role.CAMERA, Role.FUSION, Role.SERVICE, Role.OPERATOR, Role.LISTENER)  # that a key may have
_KEY_LENGTH = 40
_Z85 = frozenset(string.ascii_letters + string.digits + ".-:+=^!/*?&<>()[]{}@%$#")  # ZeroMQ's RFC 32


class Key(NamedTuple):
    """A pair of keys in ZeroMQ's Z85 text."""

    public: str
    secret: str


class Permission(NamedTuple):
    """What the hub knows of one key."""

    public: str
    role: Role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file, for the cameras' names")
    parser.add_argument("--out", type=Path, default=Path("keys"), help="folder for the keys (default keys)")
    parser.add_argument(
        "--extra-names", nargs="*", default=[], metavar="NAME", help="further names, each with the right to listen"
    )
    parser.add_argument(
        "--operators",
        nargs="*",
        default=[],
        metavar="NAME",
        help="further names that may start the studio, name people",
    )
    parser.add_argument(
        "--revoke", nargs="+", default=[], metavar="NAME", help="take these keys back, at once; make none"
    )


def run(args: argparse.Namespace) -> None:
    if args.revoke:
        for name in args.revoke:
            revoke(args.out, name)
            print(f"{args.out}: {name} is no longer let in; a running hub has closed its connections")
        return
    roles = dict.fromkeys(studio_rig(load_studio(args.studio, check=False)).names, Role.CAMERA)
    roles |= dict.fromkeys(args.extra_names, Role.LISTENER) | dict.fromkeys(args.operators, Role.OPERATOR)
    made = make_keys(args.out, [HUB, *SERVICES, *roles], roles)
    print(f"{args.out}: {len(made)} new keys" + (f" ({', '.join(made)})" if made else "; all existed already"))
    print(f'next: set [hub] keys = "{args.out}" in {args.studio}; a camera\'s machine needs NAME.key and hub.pub')


def make_keys(folder: Path, names: list[str], roles: Mapping[str, Role] | None = None) -> list[str]:
    """Make the missing keys and enter them in the list of permitted keys; ConfigError if this fails.

    A name in the list whose key is not in the folder keeps it: it was moved to another machine. A name without a role
    is a service of that name, else a camera.
    """
    for name in names:
        check_name(name, "key")
    roles, made = {**SERVICES, **(roles or {})}, []
    with _written(folder):
        allowed = load_allowed(folder) if (folder / "allowed.toml").exists() else {}
        before = dict(allowed)
        for name in dict.fromkeys(names):
            path = named_path(folder, name, ".key")
            if not path.exists() and name not in allowed:
                _write_secret(path, tomli_w.dumps(_new_key()._asdict()))
                made.append(name)
            if name != HUB and path.exists():
                role = allowed[name].role if name in allowed else roles.get(name, Role.CAMERA)
                allowed[name] = Permission(load_key(folder, name).public, role)
        if HUB in names:
            with replacing(folder / "hub.pub") as temporary:
                temporary.write_text(load_key(folder, HUB).public + "\n")
        if allowed != before or not (folder / "allowed.toml").exists():
            _write_allowed(folder, allowed)
    return made


def revoke(folder: Path, name: str) -> None:
    """Take a key back: it is deleted here, then the hub no longer lets it in; ConfigError if there is none."""
    with _written(folder):
        allowed = load_allowed(folder)
        if name not in allowed:
            raise ConfigError(f'{folder}/allowed.toml: no key "{name}"; there are {", ".join(sorted(allowed))}')
        # The key first: were it the last, an interrupted revocation would leave a key that `multiview keys` lets in.
        (named_path(folder, name, ".key")).unlink(missing_ok=True)
        _write_allowed(folder, {other: permission for other, permission in allowed.items() if other != name})


def load_key(folder: str | Path, name: str) -> Key:
    """The key of this name, else a listener's; ConfigError if there is none, or others can read it."""
    path = named_path(Path(folder), name, ".key")
    if not path.exists() and name != HUB:
        path = Path(folder) / f"{ANYONE}.key"
    table = _read(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by other users: chmod 600 {path}")
    if set(table) != {"public", "secret"} or not all(_is_key(text) for text in table.values()):
        raise ConfigError(f"{path}: not a key; make keys with: multiview keys")
    return Key(**table)


def load_hub_public(folder: str | Path) -> str:
    """The hub's public key; ConfigError if it is missing."""
    path = Path(folder) / "hub.pub"
    try:
        text = path.read_text().strip()
    except OSError:
        raise ConfigError(f"{path}: missing; copy it from the hub's machine") from None
    except UnicodeDecodeError:
        text = ""
    if not _is_key(text):
        raise ConfigError(f"{path}: not a key; copy it from the hub's machine")
    return text


def load_allowed(folder: str | Path) -> dict[str, Permission]:
    """Permissions by name; ConfigError if the list is missing or says something else."""
    path = Path(folder) / "allowed.toml"
    return {name: _permission(path, name, entry) for name, entry in _read(path).items()}


def _permission(path: Path, name: str, entry: Any) -> Permission:
    if isinstance(entry, str):  # as written before there were roles
        entry = {"role": SERVICES.get(name, Role.CAMERA), "public": entry}
    known = isinstance(entry, dict) and set(entry) == {"role", "public"} and entry["role"] in ROLES
    if not (known and _is_key(entry["public"]) and not name_fault(name)):
        raise ConfigError(f"{path}: [{name[:64]}] needs a public key and a role, one of {', '.join(ROLES)}")
    return Permission(entry["public"], Role(entry["role"]))


def _is_key(text: object) -> bool:
    return isinstance(text, str) and len(text) == _KEY_LENGTH and set(text) <= _Z85


def _new_key() -> Key:
    import zmq

    public, secret = zmq.curve_keypair()
    return Key(public.decode(), secret.decode())


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, "make keys with: multiview keys")


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    """The folder, to be changed by one process at a time; ConfigError if it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            if os.name == "posix":
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ConfigError(f"{folder}: keys cannot be written ({error.strerror})") from None


def _write_secret(path: Path, text: str) -> None:
    """Never readable by others, and there as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write_allowed(folder: Path, allowed: Mapping[str, Permission]) -> None:
    table = {name: {"role": str(one.role), "public": one.public} for name, one in allowed.items()}
    with replacing(folder / "allowed.toml", correct=True) as temporary:
        temporary.write_text(tomli_w.dumps(table), encoding="utf-8")
