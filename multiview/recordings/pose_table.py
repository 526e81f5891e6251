"""Poses: everyone at every frame, as one table; and the parquet file that `fuse` writes and everything else reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.names import name_fault
from multiview.common.parquet_file import read_parquet
from multiview.data import NS_PER_S, FrameNumbers, TimesNs, Track, Tracks
from multiview.errors import SourceError
from multiview.recordings.identities import read_identities

__all__ = [
    "COLUMNS",
    "COVARIANCE",
    "REQUIRED_COLUMNS",
    "ROW_ARRAYS",
    "Poses",
    "read_poses",
    "to_table",
    "write_poses",
    "write_ticks",
]

# The columns of poses.parquet, one row for each (frame, person, joint): type and meaning. docs/formats.md shows them.
COLUMNS: dict[str, tuple[str, str]] = {
    "frame": ("int64", "number of the frame or tick"),
    "time": ("float64", "s, on the clock of the ticks; offline frame / fps"),
    "utc_ns": ("int64", "ns since 1970-01-01 UTC; 0 where unknown"),
    "person": ("int64", "identity, never given to another person; numbered within each frame by `--independent`"),
    "joint": ("string", "name of the joint in the skeleton"),
    "x": ("float64", "m, world; NaN where unknown"),
    "y": ("float64", "m"),
    "z": ("float64", "m"),
    "cxx": ("float64", "m², variance of x; NaN where unknown"),
    "cxy": ("float64", "m², covariance of x and y"),
    "cxz": ("float64", "m²"),
    "cyy": ("float64", "m²"),
    "cyz": ("float64", "m²"),
    "czz": ("float64", "m²"),
    "sigma": ("float64", "m, standard deviation: the root of the mean of cxx, cyy and czz"),
    "score": ("float64", "mean score of the 2D joints it rests on, in [0, 1]; 0.1 without any; 0 where unknown"),
    "views": ("int64", "number of rays (cameras) that the joint rests on in this frame"),
    "filled": ("bool", "true with fewer than two rays: bones and motion place the joint, cameras do not measure it"),
    "contact": ("bool", "true while the joint, a point of a foot, stands on the floor; false where nobody looked"),
}
MOST_SECONDS = 9e9  # three centuries, what nanoseconds in 64 bits hold
REQUIRED_COLUMNS = ("frame", "time", "person", "joint", "x", "y", "z")  # of a file of another program
COVARIANCE = {"cxx": (0, 0), "cxy": (0, 1), "cxz": (0, 2), "cyy": (1, 1), "cyz": (1, 2), "czz": (2, 2)}
ROW_ARRAYS = ("frame", "time_ns", "utc_ns", "person", "xyz", "cov", "score", "views", "filled", "contact")
"""Those of `Poses` that have one entry for each of its rows."""
_REPEATING = ["frame", "time", "utc_ns", "person", "joint", "views", "filled", "contact"]
_BLOCK, _ROW_GROUP = 512, 8192  # ticks, poses


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """Everyone at every frame: N rows, one for each (frame, person), in the order of frame, then person; J joints.

    Attributes:
        frame: (N,) number of the frame or tick.
        time_ns: (N,) on the clock of the ticks.
        utc_ns: (N,) since 1970 (UTC), 0 where unknown.
        person: (N,) identity, never given to another person.
        xyz: (N, J, 3) m, world; NaN where unknown.
        cov: (N, J, 3, 3) m^2, NaN where unknown.
        score: (N, J) in [0, 1], 0 where unknown.
        views: (N, J) number of rays that a joint rests on.
        filled: (N, J) True where bones and motion place the joint.
        joints: Names of the joints.
        skeleton: Name of the skeleton; empty where unknown.
        names: Of those people who are known actors, by person.
        contact: (N, J) True while a point of a foot stands on the floor; all False where nobody looked.
    """

    frame: FrameNumbers
    time_ns: TimesNs
    utc_ns: TimesNs
    person: Int64[np.ndarray, " N"]
    xyz: Float64[np.ndarray, "N J 3"]
    cov: Float64[np.ndarray, "N J 3 3"]
    score: Float64[np.ndarray, "N J"]
    views: Int64[np.ndarray, "N J"]
    filled: Bool[np.ndarray, "N J"]
    joints: tuple[str, ...]
    skeleton: str = ""
    names: dict[int, str] = field(default_factory=dict)  # of those people who are known actors
    contact: Bool[np.ndarray, "N J"] = None  # type: ignore[assignment]  # made below

    def __post_init__(self) -> None:
        if self.contact is None:
            object.__setattr__(self, "contact", np.zeros(self.score.shape, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def people(self) -> Int64[np.ndarray, " P"]:
        """The identities that occur, ascending."""
        return np.unique(self.person)

    @property
    def sigma(self) -> Float64[np.ndarray, "N J"]:
        """Standard deviation of a joint's position, m: the root of its covariance's mean diagonal."""
        sigma: np.ndarray = np.sqrt(np.trace(self.cov, axis1=-2, axis2=-1) / 3)
        return sigma

    @property
    def frames_per_second(self) -> float:
        """From the times of the frames; 30 where there are fewer than two."""
        frame, first = np.unique(self.frame, return_index=True)
        if len(frame) < 2:
            return 30.0
        seconds = (self.time_ns[first[-1]] - self.time_ns[first[0]]) / NS_PER_S
        return round(float((frame[-1] - frame[0]) / seconds), 3) if seconds > 0 else 30.0

    def measured_only(self) -> Poses:
        """The same with filled joints unknown."""
        nan = np.where(self.filled, np.nan, 0.0)
        return replace(
            self,
            xyz=self.xyz + nan[..., None],
            cov=self.cov + nan[..., None, None],
            score=np.where(self.filled, 0.0, self.score),
            views=np.where(self.filled, 0, self.views),
            filled=np.zeros_like(self.filled),
        )

    def select(self, rows: Int64[np.ndarray, " M"] | Bool[np.ndarray, " N"] | slice) -> Poses:
        """The poses of some rows only.

        Args:
            rows: M indices, a mask (N,), or a slice.

        Returns:
            A table of these rows.
        """
        return replace(self, **{name: getattr(self, name)[rows] for name in ROW_ARRAYS})

    def named_in(self, folder: Path) -> Poses:
        """The poses with the names that are written beside them, where there are such.

        Args:
            folder: Where they are.

        Returns:
            The same poses.
        """
        names = read_identities(folder, self.frame, self.person)
        return self if names is None else replace(self, names=names)

    @staticmethod
    def from_tracks(ticks: Iterable[Tracks], skeleton: Skeleton) -> Poses:
        """The table of what the pipeline gave, tick by tick; of the ticks, no more than a block is kept at a time.

        Args:
            ticks: In order, for example `map(pipeline.step, views)`.
            skeleton: Of the pipeline.

        Returns:
            The table.
        """
        parts = [_columns(block, skeleton) for block in _blocks(ticks)]
        names = {person: name for part in parts for person, name in part.pop("names").items()}
        columns: dict[str, Any] = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
        return Poses(**columns, joints=skeleton.joints, skeleton=skeleton.name, names=names)

    def with_written_times(self) -> Poses:
        """The poses as they come back from a file, whose times are in seconds: since 1970 that is to 0.2 us.

        Returns:
            The same poses.
        """
        return replace(self, time_ns=TimesNs(np.round(self.time_ns / NS_PER_S * NS_PER_S).astype(np.int64)))

    def label(self, person: int) -> str:
        """What a person is called in files.

        Args:
            person: Their identity.

        Returns:
            The actor's name if no other person has it, else "personN".
        """
        name = self.names.get(person, "")
        return name if name and list(self.names.values()).count(name) == 1 else f"person{person}"


def _blocks(ticks: Iterable[Tracks]) -> Iterator[list[Tracks]]:
    """The ticks, so many at a time; one empty block if there are none."""
    coming = iter(ticks)
    block = list(islice(coming, _BLOCK))
    yield block
    while block := list(islice(coming, _BLOCK)):
        yield block


def _columns(ticks: list[Tracks], skeleton: Skeleton) -> dict[str, Any]:
    """The arrays of some ticks' poses, and the names of those who have one."""
    rows = [(tracks, track) for tracks in ticks for track in sorted(tracks.tracks, key=lambda track: track.person)]
    n, j = len(rows), len(skeleton.joints)

    def column(values: list[np.ndarray], shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return np.array(values, dtype=dtype).reshape(n, *shape)

    return {
        "frame": np.array([tracks.tick for tracks, _ in rows], dtype=np.int64),
        "time_ns": np.array([tracks.time_ns for tracks, _ in rows], dtype=np.int64),
        "utc_ns": np.array([tracks.utc_ns for tracks, _ in rows], dtype=np.int64),
        "person": np.array([track.person for _, track in rows], dtype=np.int64),
        "xyz": column([track.pose.xyz for _, track in rows], (j, 3), np.float64),
        "cov": column([track.pose.cov for _, track in rows], (j, 3, 3), np.float64),
        "score": column([track.pose.score for _, track in rows], (j,), np.float64),
        "views": column([track.pose.views for _, track in rows], (j,), np.int64),
        "filled": column([track.pose.filled for _, track in rows], (j,), np.bool_),
        "contact": column([_contact(track, j) for _, track in rows], (j,), np.bool_),
        "names": {track.person: track.name for _, track in rows if track.name},
    }


def _contact(track: Track, joints: int) -> Bool[np.ndarray, " J"]:
    return np.zeros(joints, dtype=np.bool_) if track.pose.contact is None else track.pose.contact


def to_table(poses: Poses) -> pa.Table:
    """The columns of the published format.

    Args:
        poses: The poses.

    Returns:
        An Arrow table with one row for each (frame, person, joint) and the columns of `COLUMNS`.
    """
    n, j = len(poses), len(poses.joints)
    names = pa.DictionaryArray.from_arrays(np.tile(np.arange(j, dtype=np.int32), n), list(poses.joints))
    columns: dict[str, object] = {
        "frame": np.repeat(poses.frame, j),
        "time": np.repeat(poses.time_ns / NS_PER_S, j),
        "utc_ns": np.repeat(poses.utc_ns, j),
        "person": np.repeat(poses.person, j),
        "joint": names.cast(pa.string()),
    }
    columns |= {axis: poses.xyz[..., i].ravel() for i, axis in enumerate("xyz")}
    columns |= {name: poses.cov[..., row, column].ravel() for name, (row, column) in COVARIANCE.items()}
    columns |= {
        "sigma": poses.sigma.ravel(),
        "score": poses.score.ravel(),
        "views": poses.views.ravel(),
        "filled": poses.filled.ravel(),
        "contact": poses.contact.ravel(),
    }
    metadata = {"multiview.skeleton": poses.skeleton, "multiview.joints": ",".join(poses.joints)}
    if poses.names:
        metadata["multiview.names"] = json.dumps({str(person): name for person, name in poses.names.items()})
    fields = [(name, pa.type_for_alias(kind)) for name, (kind, _) in COLUMNS.items()]
    return pa.table(columns, schema=pa.schema(fields, metadata=metadata))


def write_poses(poses: Poses, path: str | Path) -> None:
    """Write the table as parquet; an older file stays whole until the new one is.

    Args:
        poses: The poses.
        path: Where.

    Raises:
        SourceError: It could not be read again: a joint or a person that cannot be called so.
    """
    if fault := _fault(poses.joints, poses.names):
        raise SourceError(f"{path}: not written: {fault}")
    begins = range(0, max(len(poses), 1), _ROW_GROUP)
    _write((poses.select(slice(begin, begin + _ROW_GROUP)) for begin in begins), path)


def write_ticks(ticks: Iterable[Tracks], skeleton: Skeleton, path: str | Path) -> set[int]:
    """Write ticks as they come, as `write_poses` would all of them, but keep no more than a block of them at a time.

    Args:
        ticks: In order.
        skeleton: Of the pipeline.
        path: Where.

    Returns:
        The identities that occur.
    """
    people: set[int] = set()

    def blocks() -> Iterator[Poses]:
        for block in _blocks(ticks):
            people.update(track.person for tracks in block for track in tracks.tracks)
            yield Poses.from_tracks(block, skeleton)

    _write(blocks(), path)
    return people


def _write(blocks: Iterator[Poses], path: str | Path) -> None:
    with replacing(path) as temporary:
        # Numbers that hardly repeat are not worth a search for what repeats.
        first = to_table(next(blocks))
        with pq.ParquetWriter(temporary, first.schema, compression="zstd", use_dictionary=_REPEATING) as file:
            file.write_table(first)
            for block in blocks:
                file.write_table(to_table(block))


def read_poses(path: str | Path) -> Poses:
    """Read what `write_poses` wrote, or any parquet file with at least frame, time, person, joint, x, y and z.

    Args:
        path: A parquet file, or a folder (a take, the output of `fuse`) that holds `poses.parquet`.

    Returns:
        The poses.

    Raises:
        SourceError: There is no such file, it is not parquet, it lacks a column, or a joint occurs twice.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "poses.parquet"
    if not path.is_file():
        raise SourceError(f"{path}: no such file; `multiview fuse --out FOLDER` writes FOLDER/poses.parquet")
    with foreign_errors(path, "a whole parquet file"):
        table = read_parquet(path)
        names = table.column_names  # damaged ones are no text
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        raise SourceError(f"{path} is not a table of poses: it lacks {', '.join(missing)}")
    with foreign_errors(path, "a table of poses"):
        poses = _from_table(table)
    return poses.named_in(path.parent)


def _from_table(table: pa.Table) -> Poses:
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    encoded = table["joint"].combine_chunks().dictionary_encode()
    joints = [str(joint) for joint in encoded.dictionary.to_pylist()]
    if named := metadata.get("multiview.joints"):  # the order of the skeleton, also where the file has no row at all
        joints = named.split(",")
    names = {int(person): str(name) for person, name in json.loads(metadata.get("multiview.names", "{}")).items()}
    if fault := _fault(joints, names):
        raise ValueError(fault)
    order = {joint: i for i, joint in enumerate(joints)}
    codes = np.array([order[joint] for joint in encoded.dictionary.to_pylist()], dtype=np.int64)
    joint = codes[encoded.indices.to_numpy(zero_copy_only=False)] if len(table) else np.empty(0, np.int64)

    def raw(name: str, default: float, dtype: type) -> np.ndarray:
        if name not in table.column_names:
            return np.full(len(table), default, dtype=dtype)
        return np.asarray(table[name].to_numpy(zero_copy_only=False)).astype(dtype)

    keys = np.stack([raw("frame", 0.0, np.int64), raw("person", 0.0, np.int64)], axis=-1)
    rows, first, row = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    row = row.reshape(-1)
    if len(np.unique(row * len(joints) + joint)) < len(joint):
        raise ValueError("a joint of a person occurs twice in one frame")

    def column(name: str, default: float, dtype: type) -> np.ndarray:
        values: np.ndarray = np.full((len(rows), len(joints)), default, dtype=dtype)
        values[row, joint] = raw(name, default, dtype)
        return values

    cov = np.empty((len(rows), len(joints), 3, 3))
    for name, (a, b) in COVARIANCE.items():
        cov[..., a, b] = cov[..., b, a] = column(name, np.nan, np.float64)
    xyz = np.stack([column(axis, np.nan, np.float64) for axis in "xyz"], axis=-1)
    xyz[~np.isfinite(xyz).all(axis=-1)] = np.nan
    time_s = raw("time", 0.0, np.float64)[first]
    if not (np.abs(time_s) < MOST_SECONDS).all():
        raise ValueError(f"its times must be within {MOST_SECONDS:g} s")
    time_ns = np.round(time_s * NS_PER_S).astype(np.int64)
    score = column("score", 1.0, np.float64)
    return Poses(
        frame=FrameNumbers(rows[:, 0]),
        time_ns=TimesNs(time_ns),
        utc_ns=TimesNs(raw("utc_ns", 0.0, np.int64)[first]),
        person=rows[:, 1],
        xyz=xyz,
        cov=cov,
        score=np.where(np.isnan(xyz[..., 0]), 0.0, score),
        views=column("views", 0.0, np.int64),
        filled=column("filled", 0.0, np.bool_),
        contact=column("contact", 0.0, np.bool_),
        joints=tuple(joints),
        skeleton=metadata.get("multiview.skeleton", ""),
        names=names,
    )


def _fault(joints: Iterable[str], names: dict[int, str]) -> str:
    """What a table may not hold, written or read; empty if nothing."""
    if wrong := next((joint for joint in joints if not joint.isprintable()), None):
        return f"a joint called {wrong!r}"[:100]
    return next((fault for name in names.values() if name and (fault := name_fault(name))), "")
