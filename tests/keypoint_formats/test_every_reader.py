"""Every reader of keypoints, as the folder lists them, has a file that we did not write; broken ones are named.

That these files hold the right points is tested beside this, in `test_keypoint_formats.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multiview.errors import SourceError
from multiview.keypoint_formats import KeypointFile, format_names, format_of, load_format
from tests.keypoint_formats.by_hand import BY_HAND

FILES = Path(__file__).parent / "files"


def files_of(name: str, folder: Path) -> list[Path]:
    """The files of one format: those of its own library, and those by hand."""
    made = [path for path in FILES.iterdir() if path.suffix not in (".py", "") and format_of(path) == name]
    for number, content in enumerate(BY_HAND.values()):
        path = folder / f"{number}" / "cam01.json"
        path.parent.mkdir()
        path.write_text(json.dumps(content(0)))
        made += [path] if format_of(path) == name else []
    return made


def by_hdf5(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return spoil


def by_text(old: str, new: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return spoil


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """A dataset with other values or another shape, and the same attributes."""

    def spoil(file: Any) -> None:
        changed, attributes = change(file[name][()]), dict(file[name].attrs)
        del file[name]
        file[name] = changed
        file[name].attrs.update(attributes)

    return by_hdf5(spoil)


def without(*names: str) -> Callable[[Path], None]:
    return by_hdf5(lambda file: [file.__delitem__(name) for name in names])


def longer_instance(rows: np.ndarray) -> np.ndarray:
    rows["point_id_end"][0] += 1
    return rows


EAR = "processing/SLEAP_VIDEO_000_cam01/track=one/EarL"
SPOILT: dict[str, list[Callable[[Path], None]]] = {
    "alphapose": [by_text("image_id", "image"), by_text("0.5,", "0.5, 1,"), by_text("100.25", '"left"'),
                  by_text("[{", "[3, {")],
    "coco": [by_text('"image_id"', '"picture"'), by_text("100.25", '"left"'),
             by_text('"keypoints": [1', '"keypoints": [7, 1'), by_text("}, {", "}, 3, {")],
    "deeplabcut": [by_text("coords", "units"), by_text("likelihood", "chance"), by_text("100.25", "left"),
                   by_text("\n2,", "\n2,7,")],
    "label_studio": [by_text("original_width", "width_px"), by_text('"x"', '"u"'),
                     by_text('"keypointlabels"', '"names"'),
                     by_text("result", "outcome")],
    "mmpose": [by_text('"keypoints": [[', '"keypoints": [[1, 2], ['), by_text('"keypoint_scores"', '"scores"'),
               by_text("100.25", '"left"'), by_text('"frame_id": 2', '"frame_id": "two"')],
    "nwb": [replaced(f"{EAR}/data", lambda values: values[:-1]), replaced(f"{EAR}/data", lambda values: values[:, 0]),
            replaced(f"{EAR}/confidence", lambda values: values[:2]), without("processing")],
    "sleap": [by_hdf5(lambda file: file["metadata"].attrs.__setitem__("format_id", 99.0)), without("pred_points"),
              replaced("instances", longer_instance), replaced("videos_json", lambda texts: texts[:1])],
    "sleap_analysis": [replaced("tracks", lambda values: values[:, :1]),
                       replaced("node_names", lambda names: names[:3]),
                       replaced("edge_inds", lambda edges: edges.ravel()[:3]),
                       replaced("point_scores", lambda values: values[..., :2])],
}  # fmt: skip


# Which files the changes above are made in, where a format has several.
FIRST = {"deeplabcut": "several.csv", "label_studio": "label_studio.json", "coco": "2/cam01.json"}


def broken(name: str, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """What is wrong, the file, and the good one that it was: cut, other bytes, another version, wrong counts."""
    files = files_of(name, folder)
    for number, good in enumerate(files):
        content = good.read_bytes()
        target = folder / f"broken{number}{good.suffix}"
        cases = {f"cut at {part}/16": content[: part * len(content) // 16] for part in range(16)}
        cases |= {"zeros": bytes(len(content)), "text": b"Dear colleague,\n", "noise": b"\xf3\x8c" * 900}
        for what, spoilt in cases.items():
            target.write_bytes(spoilt)
            yield what, target, good
    good = next(path for path in files if str(path).endswith(FIRST.get(name, "")))
    targets = [folder / f"spoilt{number}{good.suffix}" for number in range(len(SPOILT[name]))]
    for target in targets:
        target.write_bytes(good.read_bytes())
    # HDF5 may crash as it changes a file, once this process has read damaged ones.
    command = [sys.executable, "-m", __name__, name, *map(str, targets)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    for number, target in enumerate(targets):
        yield f"spoilt {number}", target, good


def said_of(name: str, path: Path) -> str | KeypointFile:
    try:
        return load_format(name).read(path)
    except SourceError as error:
        return str(error)


@pytest.mark.parametrize("name", format_names())
def test_broken_files_are_one_sentence_each(name: str, tmp_path: Path) -> None:
    """A table that is cut at the end of a row has the rows before it."""
    cases = 0
    for what, path, good in broken(name, tmp_path):
        found, cases = said_of(name, path), cases + 1
        where = f"{what} of {good.name}"
        if isinstance(found, str):
            assert found.startswith(str(path)), where
            assert len(found) < len(str(path)) + 300, where
            assert "\n" not in found, where
            continue
        assert what.startswith("cut"), where
        assert good.suffix == ".csv", where
        whole = load_format(name).read(good)
        assert found.joints == whole.joints
        for one, right in zip(found.seen, whole.seen, strict=False):
            np.testing.assert_array_equal(one.keypoints.xy, right.keypoints.xy, err_msg=where)
    assert cases >= 20


if __name__ == "__main__":
    for spoil, target in zip(SPOILT[sys.argv[1]], sys.argv[2:], strict=True):
        spoil(Path(target))
