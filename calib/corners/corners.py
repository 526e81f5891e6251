"""The table of detected corners, `corners.parquet`, and its rearrangement by view for the solver.

Letters in shapes: C cameras, M rows (corners), V views (one camera in one frame), N corners on the board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.target import Target, target_from_json, target_to_json
from calib.corners.sample_pictures import SamplePicture, pictures_from_json, pictures_to_json
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.names import name_fault
from multiview.common.parquet_file import read_parquet
from multiview.data import FrameNumbers, Times
from multiview.errors import ConfigError, SourceError

__all__ = ["BOARD_KEY", "COLUMNS", "PICTURES_KEY", "BoardViews", "Corners", "read_corners", "write_corners"]

Value = TypeVar("Value")

BOARD_KEY = b"multiview.board"  # in the file's metadata: the board as it was found, JSON with the keys of board.toml
PICTURES_KEY = b"multiview.pictures"  # JSON list of sample pictures

# The columns of corners.parquet, one row for each corner that a camera saw: type and meaning, as in docs/formats.md.
COLUMNS: dict[str, tuple[str, str]] = {
    "camera": ("string", "name of the camera"),
    "width": ("int32", "px. Size of the camera's images"),
    "height": ("int32", "px"),
    "frame": (
        "int64",
        "number of the frame in its camera's recording; it says no time, but for pictures of a board at rest",
    ),
    "time": ("float64", "s, by the camera's own stamps, from any zero"),
    "corner": (
        "int32",
        "number of the corner: of a ChArUco board OpenCV's id, of others row by row from the board's origin; those of "
        "the back follow",
    ),
    "x": ("float64", "px; (0, 0) is the centre of the top-left pixel"),
    "y": ("float64", "px"),
}


# What the numbers may be: those of a file that somebody else wrote are in no other way bounded.
_RANGES: dict[str, tuple[float, float]] = {
    "width": (1, 65536),
    "height": (1, 65536),
    "frame": (-(2.0**53), 2.0**53),
    "time": (-1e12, 1e12),
    "corner": (0, 40_000),
    "x": (-1e6, 1e6),
    "y": (-1e6, 1e6),
}


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """Detected corners: M rows, one for each corner that a camera saw.

    Attributes:
        names: Of the cameras.
        sizes: Width and height of each camera's pictures, px.
        camera: (M,) index into `names` and `sizes`.
        frame: (M,) number of the frame in its camera's recording, which says no time.
        time: (M,) s, by the camera's own stamps.
        corner: (M,) number of the point on the target.
        xy: (M, 2) px.
        board: The board as it was found in the pictures; None if the table does not say.
        pictures: Some of the pictures, small, with what was found in them.
    """

    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    camera: Int64[np.ndarray, " M"]
    frame: FrameNumbers
    time: Times
    corner: Int64[np.ndarray, " M"]
    xy: Float64[np.ndarray, "M 2"]
    board: Target | None = None
    pictures: tuple[SamplePicture, ...] = ()

    def __len__(self) -> int:
        return len(self.camera)

    def only(self, rows: Bool[np.ndarray, " M"] | Int64[np.ndarray, " m"]) -> Corners:
        """Some of the rows, of the same cameras.

        Args:
            rows: (M,) mask, or numbers of rows.

        Returns:
            A smaller table.
        """
        columns = {name: getattr(self, name)[rows] for name in ("camera", "frame", "time", "corner", "xy")}
        return replace(self, **columns)


@dataclass(frozen=True, slots=True, eq=False)
class BoardViews:
    """Corners by view (one board in one frame of a camera), V of them by camera, then frame, then board; N corners.

    Attributes:
        camera: (V,) index of the camera.
        frame: (V,) number of the frame.
        time: (V,) s.
        xy: (V, N, 2) px, 0 where a corner was not seen.
        row: (V, N) row of the corner table, -1 where not seen.
        body: (V,) number of the board, of several.
    """

    camera: Int64[np.ndarray, " V"]
    frame: FrameNumbers
    time: Times
    xy: Float64[np.ndarray, "V N 2"]
    row: Int64[np.ndarray, "V N"]
    body: Int64[np.ndarray, " V"]

    @staticmethod
    def of(corners: Corners, points: int, body: Int64[np.ndarray, " N"] | None = None) -> BoardViews:
        """Rearrange a corner table.

        Args:
            corners: The table.
            points: Number of corners on the board, or on all boards.
            body: (N,) which board each corner is on; None: there is one.

        Returns:
            The views.

        Raises:
            ConfigError: The table has a corner that such a board does not have.
        """
        body = np.zeros(points, dtype=np.int64) if body is None else body
        if len(corners) and corners.corner.max() >= points:
            raise ConfigError(
                f"corner {corners.corner.max()} in the table, but the board has corners 0 to {points - 1}: "
                "give the board.toml of the recording"
            )
        keys, place = np.unique(
            np.stack([corners.camera, corners.frame, body[corners.corner]]), axis=1, return_inverse=True
        )
        xy, row = np.zeros((keys.shape[1], points, 2)), np.full((keys.shape[1], points), -1)
        time = np.zeros(keys.shape[1])
        xy[place, corners.corner], row[place, corners.corner] = corners.xy, np.arange(len(corners))
        time[place] = corners.time
        return BoardViews(keys[0], FrameNumbers(keys[1]), Times(time), xy, row, keys[2])


def write_corners(corners: Corners, path: str | Path) -> None:
    """Write corners.parquet, whole or not at all.

    Args:
        corners: The table.
        path: Where.

    Raises:
        SourceError: It could not be read again: a camera that cannot be called so, or a number out of its range.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sizes = np.array(corners.sizes, dtype=np.int32).reshape(-1, 2)[corners.camera]
    names = pa.DictionaryArray.from_arrays(pa.array(corners.camera, pa.int32()), pa.array(corners.names, pa.string()))
    columns = {
        "camera": names.cast(pa.string()),
        "width": sizes[:, 0],
        "height": sizes[:, 1],
        "frame": corners.frame,
        "time": corners.time,
        "corner": corners.corner.astype(np.int32),
        "x": corners.xy[:, 0],
        "y": corners.xy[:, 1],
    }
    numbers = {name: np.asarray(values, np.float64) for name, values in columns.items() if name != "camera"}
    if fault := _fault(corners.names, numbers):
        raise SourceError(f"{path}: not written: {fault}")
    metadata = {}
    if corners.board is not None:
        metadata[BOARD_KEY] = target_to_json(corners.board)
    if corners.pictures:
        metadata[PICTURES_KEY] = pictures_to_json(corners.pictures)
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, (kind, _) in COLUMNS.items()], metadata)
    table = pa.table(columns, schema=schema)
    with replacing(path) as file:
        pq.write_table(table, file)


def read_corners(path: str | Path) -> Corners:
    """Read corners.parquet; rows with a NaN are left out, and a corner given twice in a view counts once.

    Args:
        path: The file, in the format of docs/formats.md.

    Returns:
        The table, cameras in the order of their names.

    Raises:
        SourceError: The file is missing, not a table of corners, or has no corner.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path}: no such corner table; `multiview calibrate detect` writes one")
    with foreign_errors(path, "a table of corners"):
        return _read(path)


def _read(path: Path) -> Corners:
    import pyarrow as pa

    try:
        table = read_parquet(path)
        names = table.column_names  # damaged ones are no text
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: not a readable Parquet file ({_first_line(error)}); detect the corners again"
        ) from None
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; a corner table has {', '.join(COLUMNS)}")
    try:
        text = table["camera"].cast(pa.string()).combine_chunks().dictionary_encode()
        numbers = {name: table[name].cast(pa.float64()).to_numpy() for name in COLUMNS if name != "camera"}
    except pa.ArrowException as error:
        raise SourceError(f"{path}: a column has the wrong type: {_first_line(error)}") from None
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    finite = np.all([np.isfinite(values) for values in numbers.values()], axis=0) & ~text.is_null().to_numpy(False)
    if not finite.any():
        raise SourceError(f"{path}: it holds no corner; record the board again, well lit and whole in view")
    numbers = {name: values[finite] for name, values in numbers.items()}
    if fault := _fault(tuple(map(str, text.dictionary.to_pylist())), numbers):
        raise SourceError(f"{path}: {fault}")
    found = np.array(text.dictionary.to_pylist())
    order = np.argsort(found)
    camera = np.argsort(order)[text.indices.to_numpy(False)[finite].astype(np.int64)]
    names = tuple(str(name) for name in found[order])
    sizes = tuple(_size(path, name, numbers, camera == c) for c, name in enumerate(names))
    frame, corner = numbers["frame"].astype(np.int64), numbers["corner"].astype(np.int64)
    _, first = np.unique(np.stack([camera, frame, corner]), axis=1, return_index=True)
    xy = np.column_stack([numbers["x"], numbers["y"]])
    metadata = table.schema.metadata
    board = _found(path, metadata, BOARD_KEY, target_from_json)
    pictures = _found(path, metadata, PICTURES_KEY, pictures_from_json) or ()
    frames, times = FrameNumbers(frame[first]), Times(numbers["time"][first])
    return Corners(names, sizes, camera[first], frames, times, corner[first], xy[first], board, pictures)


def _fault(names: tuple[str, ...], numbers: dict[str, Float64[np.ndarray, " M"]]) -> str:
    """What a table may not hold, written or read; empty if nothing."""
    for name in names:
        if fault := name_fault(name):
            return f"camera: {fault}"
    for name, values in numbers.items():
        low, high = _RANGES[name]
        wild = values[~((low <= values) & (values <= high))]
        if len(wild):
            return f"{name} must be from {low:g} to {high:g}, not {wild[0]:g}"
    return ""


def _found(path: Path, metadata: dict[bytes, bytes] | None, key: bytes, read: Callable[[bytes], Value]) -> Value | None:
    """What the file's metadata say; None if nothing."""
    text = (metadata or {}).get(key)
    try:
        return None if text is None else read(text)
    except ConfigError as error:
        raise SourceError(f"{path}: metadata {key.decode()}: {error}; detect the corners again") from None


def _size(path: Path, name: str, numbers: dict[str, Float64[np.ndarray, " M"]], own: np.ndarray) -> tuple[int, int]:
    sizes = {(int(w), int(h)) for w, h in zip(numbers["width"][own], numbers["height"][own], strict=True)}
    if len(sizes) != 1:
        described = " and ".join(f"{w}x{h}" for w, h in sorted(sizes))
        raise SourceError(
            f"{path}: camera {name!r} has images of {described}; record all of a camera's images at one resolution"
        )
    return sizes.pop()


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
