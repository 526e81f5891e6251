"""Mutated files of every format: a value or one line, in time, and nothing written; the long run is a benchmark."""

from __future__ import annotations

import pytest

from benchmarks.mutated_files import FORMATS, attack
from calib.formats import format_names as calibration_formats
from multiview.common.plugins import plugin_names
from multiview.keypoint_formats import format_names as keypoint_formats

FILES, FEW = 60, 15
# Over a second.
SLOW = ("recipe", "onnx", "checkpoint", "trained", "mp4", "avi", "take", "contents", "nwb", "sleap", "sleap_analysis")
DAMAGE_IS_SAID = ("take", "contents")  # all that is whole is read, whatever is damaged


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries about wild numbers
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FORMATS]
)
def test_mutated_files_are_read_or_refused_in_one_line(name: str) -> None:
    files = FEW if name in SLOW else FILES
    outcome = attack(FORMATS[name], files, seed=11)
    assert outcome.faults == {}, outcome.examples
    assert (outcome.refused > 0) == (name not in DAMAGE_IS_SAID)
    assert outcome.read + outcome.refused == files


def test_mutated_files_are_of_every_format_there_is() -> None:
    calibrations = set(calibration_formats()) - {"multiview"}  # "rig" and "rig (convert)"
    markers = {f"markers {name}" for name in plugin_names("multiview.marker_files")}
    keypoints = set(keypoint_formats()) - {"coco"} | {"keypoints coco"}
    assert calibrations | markers | keypoints <= FORMATS.keys()
