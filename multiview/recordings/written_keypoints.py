"""Which files of a folder of keypoints multiview has written there itself: these it may replace and remove."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from multiview.common.atomic_file import replacing
from multiview.common.counted import counted
from multiview.errors import ConfigError

__all__ = ["check_all_are_ours", "remove_earlier", "will_write"]

LIST = "written.json"


def check_all_are_ours(folder: Path) -> None:
    """Nothing that multiview did not write may lie where it is about to write keypoints.

    Args:
        folder: Of one folder per camera; it may be missing.

    Raises:
        ConfigError: Somebody else's files lie there.
    """
    if others := sorted(_keypoints_in(folder) - _written(folder)):
        raise ConfigError(
            f"{folder} has {counted(len(others), 'file')} of keypoints that `process` did not write ({others[0]}): "
            "`fuse` would read them as part of this recording; move them away, or choose another --out"
        )


def will_write(folder: Path, names: Collection[str]) -> None:
    """Note the files that are about to be written, so that they are known as ours also after an interruption.

    Args:
        folder: Of one folder per camera.
        names: CAMERA/FILE of each.
    """
    _note(folder, _written(folder) | set(names))


def remove_earlier(folder: Path, names: Collection[str]) -> None:
    """Remove what multiview wrote there before, and not now.

    Args:
        folder: Of one folder per camera.
        names: CAMERA/FILE of each file that was written now.
    """
    for name in (_written(folder) & _keypoints_in(folder)) - set(names):
        (folder / name).unlink(missing_ok=True)
        if not any((folder / name).parent.iterdir()):
            (folder / name).parent.rmdir()
    _note(folder, names)


def _keypoints_in(folder: Path) -> set[str]:
    """CAMERA/FILE of every file of keypoints, which is what readers of such folders take."""
    return {f"{path.parent.name}/{path.name}" for path in folder.glob("[!.]*/[!.]*.json")}


def _written(folder: Path) -> set[str]:
    try:
        return set(msgspec.json.decode((folder / LIST).read_bytes(), type=list[str]))
    except FileNotFoundError:
        return set()
    except msgspec.MsgspecError:
        return set()  # somebody's own file of this name: then nothing there is ours


def _note(folder: Path, names: Collection[str]) -> None:
    with replacing(folder / LIST) as path:
        path.write_bytes(msgspec.json.encode(sorted(names)))
