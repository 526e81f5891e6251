"""What every export format keeps to."""

import csv
import json
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import ezc3d
import h5py
import numpy as np
import pygltflib
import pytest
import xarray
from pxr import Usd, UsdSkel
from pyarrow import parquet
from rerun.chunk import RrdReader

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.errors import ConfigError
from multiview.export import exporter_names, load_exporter
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio
from tests.export.read_foxglove import read_foxglove


def some_poses(skeleton: str = "body25") -> Poses:
    """Two people; one comes late, is away for a while and lacks a joint now and then."""
    truth = make_studio(StudioOptions(people=2, seconds=1.0, skeleton=skeleton)).truth
    rng = np.random.default_rng(0)
    ticks = []
    for frame in range(4, 30):
        tracks = []
        for row in np.flatnonzero(truth.frame == frame):
            if truth.actor[row] == 1 and (frame < 8 or 12 <= frame < 16):
                continue
            xyz = truth.xyz[row].copy()
            known = rng.random(len(xyz)) > 0.1
            xyz[~known] = np.nan
            cov = np.where(known[:, None, None], np.eye(3) * 1e-4, np.nan)
            pose = Pose3D(xyz, cov, known * 0.8, known * 3, known & (rng.random(len(xyz)) < 0.1))
            tracks.append(Track(int(truth.actor[row]) + 3, pose))
        ticks.append(Tracks(frame, round(frame * 1e9 / 30), tuple(tracks)))
    return Poses.from_tracks(ticks, load_skeleton(skeleton))


POSES = some_poses()


def names_in(path: Path) -> set[str]:
    """Of the joints, bones or angles in a file, by a reader that is not ours."""
    match path.suffix:
        case ".parquet":
            return set(parquet.read_table(path)["joint"].to_pylist())
        case ".csv":
            with path.open(newline="") as file:
                rows = csv.DictReader(file)
                columns = set(rows.fieldnames or ())
                if "fnum" in columns:
                    return {name.rpartition("_")[0] for name in columns if name.endswith("_ncams")}
                return {row["joint"] for row in rows} if "joint" in columns else columns
        case ".npz":
            return set(np.load(path)["joints"].tolist())
        case ".json":
            return set(json.loads(path.read_text())["joints"])
        case ".trc":
            return set(path.read_text().splitlines()[3].split())
        case ".c3d":
            labels = ezc3d.c3d(str(path))["parameters"]["POINT"]["LABELS"]["value"]
            return {label.partition(":")[2] for label in labels}
        case ".glb":
            return {node.name.partition(".")[0] for node in pygltflib.GLTF2().load(str(path)).nodes}
        case ".usdc":
            stage = Usd.Stage.Open(str(path))
            skeletons = [UsdSkel.Skeleton(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Skeleton)]
            return {name for skeleton in skeletons for name in skeleton.GetJointNamesAttr().Get()}
        case ".fbx":
            return {name.decode() for name in re.findall(rb"([A-Za-z]+)\x00\x01Model", path.read_bytes())}
        case ".rrd":
            chunks = [chunk.to_record_batch() for chunk in RrdReader(path).stream() if chunk.entity_path == "/world"]
            (context,) = [batch for batch in chunks if "AnnotationContext:context" in batch.schema.names]
            return set(re.findall(r"\w+", str(context["AnnotationContext:context"].to_pylist())))
        case ".mcap":
            entities = [entity for m in read_foxglove(path) for entity in m.fields["entities"]]
            return {name for entity in entities for name in entity["metadata"][0]["value"].split(",")}
        case ".nc":
            with xarray.open_dataset(path, engine="scipy") as data:
                return set(data.keypoints.values.tolist())
        case ".nwb":
            with h5py.File(path) as file:
                return {name.decode() for name in file["processing/behavior/Skeletons/person3/nodes"][()]}
        case ".bvh":
            return set(re.findall(r"(?:ROOT|JOINT) (\w+)", path.read_text()))
    raise AssertionError(f"teach this test to read {path.name}")


def offered() -> list[object]:
    """All formats; OpenSim's, a process of its own each time, where it is installed; FBX, where Blender is."""
    missing, blender = find_spec("opensim") is None, os.environ.get("MULTIVIEW_BLENDER", "blender")
    marks = {
        "opensim": (pytest.mark.slow, pytest.mark.skipif(missing, reason="opensim has no wheel here")),
        "fbx": (pytest.mark.slow, pytest.mark.skipif(shutil.which(blender) is None, reason="there is no Blender")),
    }
    return [pytest.param(name, marks=marks.get(name, ())) for name in exporter_names()]


@pytest.mark.parametrize("name", offered())
class TestEveryFormat:
    def test_writes_whole_files_beside_the_stem_and_leaves_nothing_else(self, name: str, tmp_path: Path):
        paths = load_exporter(name).write(POSES, tmp_path / "new" / "take.one")
        assert paths
        assert sorted(paths) == sorted((tmp_path / "new").iterdir())
        assert all(path.name.startswith("take.one") and path.stat().st_size > 100 for path in paths)

    def test_does_not_touch_the_poses(self, name: str, tmp_path: Path):
        before = some_poses()
        load_exporter(name).write(before, tmp_path / "poses")
        np.testing.assert_array_equal(before.xyz, POSES.xyz)
        np.testing.assert_array_equal(before.filled, POSES.filled)

    def test_export_overwrites_with_the_same_bytes(self, name: str, tmp_path: Path):
        if name in ("rrd", "foxglove", "nwb", "fbx"):
            pytest.skip("their libraries number chunks, channels and objects anew each time, or write when they did")
        first = {path: path.read_bytes() for path in load_exporter(name).write(POSES, tmp_path / "poses")}
        again = load_exporter(name).write(POSES, tmp_path / "poses")
        assert {path: path.read_bytes() for path in again} == first

    def test_nobody_is_no_error(self, name: str, tmp_path: Path):
        nobody = POSES.select(np.zeros(len(POSES), dtype=bool))
        for path in load_exporter(name).write(nobody, tmp_path / "poses"):
            assert path.is_file()

    @pytest.mark.parametrize("skeleton", ["coco17", "coco133"])
    def test_export_names_what_the_skeleton_has(self, name: str, skeleton: str, tmp_path: Path):
        names = names_in(load_exporter(name).write(some_poses(skeleton), tmp_path / "poses")[0])
        if name in ("bvh", "fbx", "gltf", "usd"):
            assert "LeftLowerArm" in names
            assert ("LeftToes" in names) == (skeleton == "coco133")
        elif name == "angles":
            assert "left_elbow_flexion_deg" in names
            assert ("left_ankle_dorsiflexion_deg" in names) == (skeleton == "coco133")
        else:
            assert names >= set(load_skeleton(skeleton).joints)

    def test_command(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        write_poses(POSES, tmp_path / "poses.parquet")
        assert main(["export", str(tmp_path), "--to", name, "--out", str(tmp_path / "out")]) == 0
        printed = capsys.readouterr().out.split()
        assert sorted(printed) == sorted(str(path) for path in (tmp_path / "out").iterdir())


def test_an_unknown_format_lists_what_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ConfigError, match=r'multiview/export has no "obj"; there are .*csv.*npz.*parquet.*trc'):
        load_exporter("obj")
    assert main(["export", str(tmp_path), "--to", "obj"]) == 2
    assert "there are" in capsys.readouterr().err
