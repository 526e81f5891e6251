"""netCDF, read back by xarray as `movement` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from multiview.__main__ import main
from multiview.recordings.pose_table import write_poses
from tests.export.takes import recorded


def test_netcdf_has_the_data_set_of_movement(tmp_path: Path) -> None:
    poses = recorded(live=True)
    write_poses(poses, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "netcdf"]) == 0
    with xarray.open_dataset(tmp_path / "poses.nc", engine="scipy") as data:
        assert data.position.dims == ("time", "space", "keypoints", "individuals")
        assert data.confidence.dims == ("time", "keypoints", "individuals")
        assert data.keypoints.values.tolist() == list(poses.joints)
        assert data.individuals.values.tolist() == ["person4", "person5"]
        assert data.space.values.tolist() == ["x", "y", "z"]
        assert (data.ds_type, data.time_unit, data.source_software) == ("poses", "seconds", "multiview")
        assert float(data.fps) == pytest.approx(poses.frames_per_second)
        frames = np.unique(poses.frame)
        seconds = [float(poses.time_ns[poses.frame == frame][0] - poses.time_ns[0]) / 1e9 for frame in frames]
        np.testing.assert_allclose(data.time, seconds, atol=1e-9)
        for person in (4, 5):
            own = poses.select(poses.person == person)
            here = data.sel(individuals=f"person{person}")
            there = np.isin(frames, own.frame)
            for joint in ("nose", poses.joints[-1]):
                index = poses.joints.index(joint)
                of_joint = here.sel(keypoints=joint)
                np.testing.assert_array_equal(of_joint.position.values[there], own.xyz[:, index])
                known = np.isfinite(own.xyz[:, index, 0])
                np.testing.assert_array_equal(of_joint.filled.values[there][known], own.filled[known, index])
                np.testing.assert_array_equal(of_joint.sigma.values[there][known], own.sigma[known, index])
            assert np.isnan(here.position.values[~there]).all()


def test_netcdf_of_nobody_is_no_file(tmp_path: Path) -> None:
    poses = recorded()
    write_poses(poses.select(poses.person == 9), tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "netcdf"]) == 0
    assert not (tmp_path / "poses.nc").exists()
