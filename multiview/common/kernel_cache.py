"""Where compiled kernels are kept: a folder for each state of their sources, beside the program.

numba compiles a kernel again when its own file changes, but not when a kernel in another file that it calls does, nor
when a NamedTuple that it is given gets other fields. The folder's name is therefore a digest of all these. Programs
choose it before they import numba; whoever only imports multiview keeps numba's own choice, `__pycache__`.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from multiview.common.user_folders import user_cache

__all__ = ["use_kernel_cache"]

VARIABLE = "NUMBA_CACHE_DIR"  # numba reads it when it is imported; child processes inherit it
UNUSED_S = 30 * 86400.0  # after which the folder of another version is removed
PACKAGE = Path(__file__).parents[1]


def use_kernel_cache() -> None:
    """Keep compiled kernels in this version's folder, unless the user has set NUMBA_CACHE_DIR; call it before importing
    numba.

    The folder is beside the program, or, where that cannot be written, among the user's, and begins as a copy of what
    was compiled when the program was installed. Where neither can be written it lasts as long as this process, which
    says so; child processes inherit it.
    """
    os.environ.setdefault("NUMBA_OPT", "2")  # level 3 compiles a tenth longer, and what it compiles is no faster
    if os.environ.get(VARIABLE):
        return
    from importlib import metadata  # slow to import: `multiview --help` does without

    name = kernel_digest(PACKAGE, metadata.version("numba"))
    beside, own = PACKAGE / "__pycache__" / name, user_cache()
    folder = next((f for f in (beside, own and own / name) if f is not None and _is_writable(f)), None)
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="multiview-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        print(
            "multiview: compiled kernels cannot be kept, so each start may compile for a minute: "
            f"set {VARIABLE} to a folder that this user may write, or run `multiview compile` where it is installed",
            file=sys.stderr,
        )
    if folder != beside:
        _copy_compiled(beside, folder)
    _remove_unused(folder)
    os.environ[VARIABLE] = str(folder)


def _is_writable(folder: Path) -> bool:
    """Whether files can be made there, which is tried: permissions do not tell of a read-only disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _copy_compiled(beside: Path, folder: Path) -> None:
    """Begin with what whoever installed the program has compiled."""
    with contextlib.suppress(OSError):
        if beside.is_dir() and not any(folder.iterdir()):
            shutil.copytree(beside, folder, dirs_exist_ok=True)


def kernel_digest(package: Path, numba: str) -> str:
    """12 hexadecimal digits for numba's version and all sources that kernels are compiled from."""
    digest = hashlib.sha256(numba.encode())
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if path.stem.endswith("_kernels") or b"NamedTuple" in source or b"numba" in source:
            digest.update(source)
    return digest.hexdigest()[:12]


def _remove_unused(folder: Path) -> None:
    """Remove the folders of other versions, ten megabytes each, that nobody has used for a month."""
    with contextlib.suppress(OSError):  # where nothing can be written there is nothing to remove
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        now = folder.stat().st_mtime
        for other in folder.parent.iterdir():
            if re.fullmatch("[0-9a-f]{12}", other.name) and now - other.stat().st_mtime > UNUSED_S:
                shutil.rmtree(other, ignore_errors=True)
