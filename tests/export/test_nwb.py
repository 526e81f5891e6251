"""NWB with ndx-pose, read back by pynwb, and as HDF5 by no library of the format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.errors import SourceError
from multiview.keypoint_formats import format_of, load_format
from multiview.recordings.pose_table import write_poses
from tests.export.takes import recorded


@pytest.mark.slow
def test_nwb_holds_everyone_in_all_frames(tmp_path: Path) -> None:
    poses = recorded(live=True)
    write_poses(poses, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "nwb"]) == 0
    path = tmp_path / "poses.nwb"
    assert not pynwb.validate(path=str(path))
    frames = np.unique(poses.frame)
    seconds = np.array([poses.time_ns[poses.frame == frame][0] - poses.time_ns[0] for frame in frames]) / 1e9
    with pynwb.NWBHDF5IO(str(path), "r") as source:
        file = source.read()
        begin = datetime.fromtimestamp(poses.utc_ns[0] / 1e9, UTC)
        assert abs((file.session_start_time - begin).total_seconds()) < 1e-3
        people = file.processing["behavior"]
        for number in poses.people.tolist():
            own, found = poses.select(poses.person == number), people[f"person{number}"]
            assert set(map(tuple, found.skeleton.edges[:].tolist())) == set(load_skeleton("body25").bones)
            there = np.isin(frames, own.frame)
            for joint in ("nose", poses.joints[-1]):
                one, column = found.pose_estimation_series[joint], poses.joints.index(joint)
                assert one.unit == "meters"
                np.testing.assert_allclose(one.timestamps[:], seconds, atol=1e-9)
                np.testing.assert_array_equal(one.data[:][there], own.xyz[:, column])
                assert np.isnan(one.data[:][~there]).all()
                measured = np.isfinite(own.xyz[:, column, 0]) & ~own.filled[:, column]
                np.testing.assert_array_equal(one.confidence[:][there] > 0, measured)


def test_poses_in_3d_are_not_taken_for_keypoints_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "cam01.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.9.0"
        group = file.create_group("processing/behavior/a")
        group.attrs["neurodata_type"] = "PoseEstimation"
        series = group.create_group("nose")
        series.attrs["neurodata_type"] = "PoseEstimationSeries"
        series["data"] = np.zeros((4, 3))
    assert format_of(path) == "nwb"
    with pytest.raises(SourceError, match="not x and y in pictures"):
        load_format("nwb").read(path)
