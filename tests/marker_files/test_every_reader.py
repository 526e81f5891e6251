"""Every reader of markers, as the folder lists them: the same points from a file that we did not write; broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ezc3d
import numpy as np
import pytest

from multiview.common.plugins import plugin_names
from multiview.errors import MultiviewError
from multiview.export import load_exporter
from multiview.marker_files import Markers, read_markers
from tests.export.takes import FPS, recorded

NAMES = ("RKnee", "LKnee", "Head")
HZ = 50.0
XYZ = np.array([[0.25, 0.5, 0.5], [0.25, -0.5, 0.5], [0.0, 0.0, 1.75]]) + 0.125 * np.arange(8)[:, None, None]
TURN = np.deg2rad(15.0 * np.arange(8))  # of the BVH's root about z


def trc(folder: Path) -> Path:
    """By OpenSim's documentation."""
    path = folder / "a.trc"
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{HZ:.2f}\t{HZ:.2f}\t{len(XYZ)}\t{len(NAMES)}\tmm\t{HZ:.2f}\t1\t{len(XYZ)}",
        "Frame#\tTime\t" + "\t\t\t".join(NAMES) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{i + 1}" for i in range(len(NAMES)) for axis in "XYZ"),
        "",
    ]
    for i, places in enumerate(1000 * XYZ.reshape(len(XYZ), -1)):
        lines.append("\t".join([str(i + 1), f"{i / HZ:.5f}", *(f"{value:.5f}" for value in places)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def c3d(folder: Path) -> Path:
    """By ezc3d."""
    path = folder / "a.c3d"
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [HZ]
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    content["parameters"]["POINT"]["LABELS"]["value"] = list(NAMES)
    content["data"]["points"] = np.concatenate([1000 * XYZ, np.ones((*XYZ.shape[:2], 1))], axis=2).transpose(2, 1, 0)
    content.write(str(path))
    return path


def csv(folder: Path) -> Path:
    path = folder / "a.csv"
    table = np.column_stack([np.arange(len(XYZ)) / HZ, XYZ.reshape(len(XYZ), -1)])
    head = ",".join(["time", *(f"{name}_{axis}" for name in NAMES for axis in "xyz")])
    np.savetxt(path, table, delimiter=",", header=head, comments="")
    return path


def bvh(folder: Path) -> Path:
    """A root with two children, by hand, in centimetres."""
    path = folder / "a.bvh"
    children = "".join(
        f"  JOINT {name}\n  {{\n    OFFSET {x} 0 0\n    CHANNELS 3 Zrotation Xrotation Yrotation\n"
        "    End Site\n    {\n      OFFSET 0 0 5\n    }\n  }\n"
        for name, x in (("LKnee", -60), ("Head", 60))
    )
    channels = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    rows = "\n".join(
        " ".join(map(str, [*(100 * place).tolist(), float(np.rad2deg(turn)), *[0] * 8]))
        for place, turn in zip(XYZ[:, 0], TURN, strict=True)
    )
    path.write_text(
        f"HIERARCHY\nROOT RKnee\n{{\n  OFFSET 0 0 0\n  CHANNELS 6 {channels}\n{children}}}\n"
        f"MOTION\nFrames: {len(XYZ)}\nFrame Time: {1 / HZ}\n{rows}\n"
    )
    return path


GOOD: dict[str, Callable[[Path], Path]] = {"trc": trc, "c3d": c3d, "csv": csv, "bvh": bvh}

SPOILT: dict[str, list[tuple[bytes, bytes]]] = {
    "trc": [(b"Units", b"Rate"), (b"0.02000", b"later"), (b"0.02000", b"0.00000"), (b"RKnee\t\t\t", b""),
            (b"375.00000\t", b"375.00000\t7\t")],
    "c3d": [(b"POINT", b"PAINT"), (b"\x02\x50", b"\x02\x51"), (b"\x50", b"\x51"), (b"mm", b"xx")],
    "csv": [(b"time", b"frame"), (b"0000e", b"0000x"), (b",RKnee_z", b""), (b"\n", b"\n1,2\n")],
    "bvh": [(b"CHANNELS 6", b"CHANNELS 5"), (b"ROOT", b"RUUT"), (b"Frames: 8", b"Frames: 9"), (b"Frame Time", b"Time")],
}  # fmt: skip


def expected(kind: str) -> np.ndarray:
    if kind != "bvh":
        return XYZ
    turned = 0.6 * np.stack([np.cos(TURN), np.sin(TURN), 0 * TURN], axis=-1)
    return np.stack([XYZ[:, 0], XYZ[:, 0] - turned, XYZ[:, 0] + turned], axis=1)


@pytest.mark.parametrize("kind", plugin_names("multiview.marker_files"))
def test_a_file_that_we_did_not_write_has_the_same_points(kind: str, tmp_path: Path) -> None:
    found = read_markers(GOOD[kind](tmp_path))
    xyz = found.xyz[:, [found.names.index(name) for name in NAMES]]
    np.testing.assert_allclose(xyz, expected(kind), atol=1e-5)
    np.testing.assert_allclose(found.time_s, np.arange(len(XYZ)) / HZ, atol=1e-6)


@pytest.mark.parametrize("kind", plugin_names("multiview.marker_files"))
def test_broken_files_are_one_sentence_each(kind: str, tmp_path: Path) -> None:
    """Or, where a table is cut, the whole instants before."""
    path = GOOD[kind](tmp_path)
    content, whole = path.read_bytes(), read_markers(path)
    broken = {f"{old!r} -> {new!r}": content.replace(old, new, 1) for old, new in SPOILT[kind]}
    broken |= {"zeros": bytes(len(content)), "text": b"Dear colleague,\n", "noise": b"\xf3\x8c" * 900}
    broken |= {f"cut at {part}/16": content[: part * len(content) // 16] for part in range(16)}
    assert content not in broken.values()
    for case, spoilt in broken.items():
        path.write_bytes(spoilt)
        found = read_or_said(path)
        if isinstance(found, str):
            assert path.name in found, case
            assert "\n" not in found, case
            assert len(found) < len(str(path)) + 300, case
            continue
        assert case.startswith("cut"), case
        assert found.names == whole.names, case
        np.testing.assert_array_equal(found.xyz, whole.xyz[: len(found.xyz)], err_msg=case)


def read_or_said(path: Path) -> Markers | str:
    try:
        return read_markers(path)
    except MultiviewError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["trc", "c3d"])
def test_what_we_write_is_read_again(kind: str, tmp_path: Path) -> None:
    """Gaps included; both formats have whole frames at one rate."""
    poses = recorded(seconds=2.0)
    own = poses.select(poses.person == 4)
    (path,) = [path for path in load_exporter(kind).write(own, tmp_path / "a") if path.suffix == f".{kind}"]
    found = read_markers(path)
    names = [name.rpartition(":")[2] for name in found.names]
    xyz = found.xyz[:, [names.index(joint) for joint in own.joints]]
    if kind == "trc":  # its y is up
        xyz = xyz @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).T
    np.testing.assert_allclose(xyz, own.xyz, atol=1e-5)  # C3D has float32 of millimetres
    np.testing.assert_allclose(np.diff(found.time_s), 1 / FPS, atol=1e-4)
