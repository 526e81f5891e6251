from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.errors import SourceError
from multiview.recordings.pose_table import Poses, read_poses, write_poses, write_ticks

SKELETON = load_skeleton("coco17")


def track(rng: np.random.Generator, person: int) -> Track:
    j = len(SKELETON.joints)
    root = rng.normal(size=(j, 3, 3)) * 0.01
    xyz, cov, score = rng.normal(size=(j, 3)), root @ root.transpose(0, 2, 1), rng.uniform(0.1, 1, j)
    xyz[3], cov[3], score[3] = np.nan, np.nan, 0.0
    views = rng.integers(2, 6, j)
    views[3] = 0
    return Track(
        person, Pose3D(xyz, cov, score, views, rng.random(j) < 0.2, None if person == 2 else rng.random(j) < 0.3)
    )


@pytest.fixture
def ticks() -> list[Tracks]:
    rng = np.random.default_rng(1)
    return [Tracks(i, round(i * 1e9 / 30), tuple(track(rng, p) for p in (7, 2)[: i % 3]), utc_ns=i) for i in range(5)]


@pytest.fixture
def poses(ticks) -> Poses:
    return Poses.from_tracks(ticks, SKELETON)


def assert_same(a: Poses, b: Poses) -> None:
    for name in ("frame", "time_ns", "utc_ns", "person", "xyz", "score", "views", "filled", "contact"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    np.testing.assert_allclose(a.cov, b.cov, rtol=1e-12)
    assert (a.joints, a.skeleton) == (b.joints, b.skeleton)


def test_what_is_written_is_read(poses, tmp_path):
    write_poses(poses, tmp_path / "poses.parquet")
    assert_same(read_poses(tmp_path), poses)
    assert [path.name for path in tmp_path.iterdir()] == ["poses.parquet"]


def test_table_without_contacts_is_read_as_before(poses, tmp_path):
    """Files of earlier versions, and of other programs, say nothing of them."""
    assert poses.contact.any()
    write_poses(poses, tmp_path / "poses.parquet")
    pq.write_table(pq.read_table(tmp_path / "poses.parquet").drop_columns(["contact"]), tmp_path / "old.parquet")
    old = read_poses(tmp_path / "old.parquet")
    assert not old.contact.any()
    assert_same(old, replace(poses, contact=np.zeros_like(poses.contact)))


def test_rows_are_in_order_of_frame_then_person(poses):
    assert poses.frame.tolist() == [1, 2, 2, 4]
    assert poses.person.tolist() == [7, 2, 7, 7]


def test_columns_of_the_published_format(poses, tmp_path):
    write_poses(poses, tmp_path / "poses.parquet")
    table = pq.read_table(tmp_path / "poses.parquet")
    expected = [
        "frame",
        "time",
        "utc_ns",
        "person",
        "joint",
        "x",
        "y",
        "z",
        "cxx",
        "cxy",
        "cxz",
        "cyy",
        "cyz",
        "czz",
        "sigma",
        "score",
        "views",
        "filled",
        "contact",
    ]
    assert table.column_names == expected
    assert table.num_rows == len(poses) * len(SKELETON.joints)
    assert table["joint"].type == pa.string()
    row = table.slice(17 + 3, 1).to_pylist()[0]
    assert (row["frame"], row["person"], row["joint"], row["score"], row["views"]) == (2, 2, "left_ear", 0.0, 0)
    assert np.isnan([row["x"], row["cxx"], row["sigma"]]).all()


def test_nobody_is_a_table_too(tmp_path):
    write_poses(Poses.from_tracks([], SKELETON), tmp_path / "poses.parquet")
    poses = read_poses(tmp_path / "poses.parquet")
    assert (len(poses), poses.joints) == (0, SKELETON.joints)


def test_rows_in_any_order_and_with_gaps_are_read(poses, tmp_path):
    write_poses(poses, tmp_path / "poses.parquet")
    table = pq.read_table(tmp_path / "poses.parquet")
    keep = np.random.default_rng(0).permutation(len(table))[:-9]
    bare = table.take(keep).replace_schema_metadata(None).select(["frame", "time", "person", "joint", "x", "y", "z"])
    pq.write_table(bare, tmp_path / "bare.parquet")
    read = read_poses(tmp_path / "bare.parquet")
    order = [read.joints.index(joint) for joint in SKELETON.joints]
    known = ~np.isnan(read.xyz[:, order])
    np.testing.assert_array_equal(read.xyz[:, order][known], poses.xyz[known])
    assert read.frame.tolist() == poses.frame.tolist()


def test_what_is_no_table_of_poses_is_refused(poses, tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        read_poses(tmp_path)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 something")
    with pytest.raises(SourceError, match="not a whole parquet file"):
        read_poses(tmp_path / "cut.parquet")
    pq.write_table(pa.table({"frame": [1], "joint": ["nose"], "strange": [1]}), tmp_path / "text.parquet")
    content = (tmp_path / "text.parquet").read_bytes()
    (tmp_path / "text.parquet").write_bytes(content.replace(b"strange", b"\xb8trange"))
    with pytest.raises(SourceError, match="not a whole parquet file"):
        read_poses(tmp_path / "text.parquet")
    pq.write_table(pa.table({"frame": [1], "joint": ["nose"]}), tmp_path / "other.parquet")
    with pytest.raises(SourceError, match="lacks time, person, x, y, z"):
        read_poses(tmp_path / "other.parquet")
    write_poses(poses, tmp_path / "poses.parquet")
    table = pq.read_table(tmp_path / "poses.parquet")
    pq.write_table(pa.concat_tables([table, table]), tmp_path / "twice.parquet")
    with pytest.raises(SourceError, match="twice"):
        read_poses(tmp_path / "twice.parquet")


@pytest.mark.parametrize("wild", [1e300, -1e10, np.nan, np.inf])
def test_times_that_no_clock_shows_are_refused(poses, tmp_path, wild):
    write_poses(poses, tmp_path / "poses.parquet")
    table = pq.read_table(tmp_path / "poses.parquet")
    times = table["time"].to_numpy().copy()
    times[-20:] = wild
    table = table.set_column(table.column_names.index("time"), "time", pa.array(times))
    pq.write_table(table, tmp_path / "wild.parquet")
    with pytest.raises(SourceError, match="its times must be within 9e"):
        read_poses(tmp_path / "wild.parquet")


def test_place_that_is_none_is_a_missing_joint(tmp_path):
    table = {"frame": [0, 0], "time": [0.0, 0.0], "person": [0, 0], "joint": ["a", "b"], "x": [np.inf, 1.0]}
    pq.write_table(pa.table(table | {"y": [0.0, 1.0], "z": [0.0, 1.0]}), tmp_path / "p.parquet")
    read = read_poses(tmp_path / "p.parquet")
    assert np.isnan(read.xyz[0, 0]).all()
    assert read.score.tolist() == [[0.0, 1.0]]
    assert read.xyz[0, 1].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("joint", "names"), [("nose\nhip", "{}"), ("\x1b[2J", "{}"), ("a", '{"0": "a\\u001b[2J"}'), ("a", '{"0": "../x"}')]
)
def test_names_in_a_foreign_table_are_names(tmp_path, joint, names):
    table = pa.table({"frame": [0], "time": [0.0], "person": [0], "joint": [joint], "x": [0.0], "y": [0.0], "z": [0.0]})
    pq.write_table(table.replace_schema_metadata({"multiview.names": names}), tmp_path / "p.parquet")
    with pytest.raises(SourceError, match=r"p\.parquet: not a table of poses") as caught:
        read_poses(tmp_path / "p.parquet")
    assert str(caught.value).isprintable()


def test_poses_that_could_not_be_read_again_are_not_written(poses, tmp_path):
    with pytest.raises(SourceError, match=r"poses\.parquet: not written: a name is"):
        write_poses(replace(poses, names={7: "../x"}), tmp_path / "poses.parquet")
    assert not (tmp_path / "poses.parquet").exists()


def test_ticks_written_as_they_come_are_the_poses_written_at_once(ticks, poses, tmp_path, monkeypatch):
    monkeypatch.setattr("multiview.recordings.pose_table._BLOCK", 2)
    assert write_ticks(iter(ticks), SKELETON, tmp_path / "ticks.parquet") == {2, 7}
    assert_same(read_poses(tmp_path / "ticks.parquet"), poses)
    assert write_ticks([], SKELETON, tmp_path / "nobody.parquet") == set()
    assert len(read_poses(tmp_path / "nobody.parquet")) == 0
