"""Make the pictures of docs/other_programs.md: what each program's own reader finds in the files that we export.

    PYTHONPATH=. python docs/make_program_pictures.py [--blender PYTHON]

PYTHON is one that has Blender (`pip install bpy`); without it that picture is left as it is. A simulated walker and
two simulated mice are exported as a user would, and drawn from what OpenSim, ezc3d, xarray, pandas, Protocol Buffers,
UsdSkel, python-osc, Qualisys' client and Blender read.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import ezc3d
import numpy as np
import pandas as pd
import xarray
from make_biomechanics import recorded
from matplotlib.figure import Figure

from multiview.__main__ import main as multiview
from multiview.body.kinematics import HIERARCHY
from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.recordings.pose_table import write_poses
from services.bridges._serve import open_bridge
from tests.export.read_foxglove import read_foxglove

HERE = Path(__file__).parent
BONES = load_skeleton("halpe26").bones
DPI = 90


def export(folder: Path, form: str, *more: str) -> list[Path]:
    """The files of one format, by the command that the page names."""
    out = folder / form
    if multiview(["export", str(folder), "--to", form, "--lowpass", "6", "--out", str(out), *more]):
        raise SystemExit(1)
    return sorted(out.iterdir())


def with_ending(paths: list[Path], ending: str) -> Path:
    return next(path for path in paths if path.name.endswith(ending))


def save(figure: Any, name: str) -> None:
    figure.savefig(HERE / name, dpi=DPI)
    print(HERE / name)


def from_the_side(axis: Any, along: np.ndarray, up: np.ndarray, title: str) -> None:
    axis.set_aspect("equal")
    axis.set_xlim(along.min() - 0.3, along.max() + 0.3)
    axis.set_ylim(up.min() - 0.1, up.max() + 0.15)
    axis.set_title(title, fontsize=10, loc="left")


def opensim(folder: Path) -> None:
    """Bodies and markers of our model in its motion, placed by OpenSim."""
    files = export(folder, "opensim")
    out = folder / "opensim.npz"
    model, motion = with_ending(files, ".osim"), with_ending(files, "_ik.mot")
    subprocess.run([sys.executable, HERE / "draw_with_opensim.py", model, motion, out], check=True, cwd=folder)
    found = np.load(out)
    way = found["markers"][-1].mean(axis=0) - found["markers"][0].mean(axis=0)
    way[1] = 0.0
    way /= np.linalg.norm(way)
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axis = figure.subplots()
    for bones, markers in zip(found["bones"], found["markers"], strict=True):
        for begin, end in bones:
            axis.plot([begin @ way, end @ way], [begin[1], end[1]], color="#2255aa", lw=2.5, solid_capstyle="round")
        axis.plot(markers @ way, markers[:, 1], "o", color="#dd3377", ms=3.5)
    from_the_side(axis, found["markers"] @ way, found["markers"][..., 1], "")
    axis.set_xlabel("along the way, m")
    axis.set_ylabel("up (y), m")
    save(figure, "opensim.png")


def c3d(folder: Path) -> None:
    """Points, and how their residuals mark gaps, by ezc3d."""
    (path,) = [path for path in export(folder, "c3d_segments") if path.suffix == ".c3d"]
    file = ezc3d.c3d(str(path))
    xyz = file["data"]["points"][:3].transpose(2, 1, 0) / 1000
    labels = [label.partition(":")[2] for label in file["parameters"]["POINT"]["LABELS"]["value"]]
    rate = file["parameters"]["POINT"]["RATE"]["value"][0]
    way = np.nanmean(xyz[-1] - xyz[0], axis=0) * [1, 1, 0]
    way /= np.linalg.norm(way)
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axis = figure.subplots()
    for frame in np.linspace(0, len(xyz) - 1, 7).astype(int):
        axis.plot(xyz[frame] @ way, xyz[frame, :, 2], "o", color="#222222", ms=3)
        for name, colour in zip("XYZ", ("#d33", "#3a3", "#33d"), strict=True):
            for label, matrices in rotations(file):
                if not label.endswith(("pelvis_4X4", "thigh_4X4", "shank_4X4", "thorax_4X4")):
                    continue
                begin = matrices[:3, 3, frame] / 1000
                end = begin + 0.12 * matrices[:3, "XYZ".index(name), frame]
                axis.plot([begin @ way, end @ way], [begin[2], end[2]], color=colour, lw=1.5)
    from_the_side(axis, xyz @ way, xyz[..., 2], f"{len(labels)} points at {rate:g} Hz; axes of four kinds of segments")
    save(figure, "c3d.png")


def rotations(file: Any) -> list[tuple[str, np.ndarray]]:
    names = file["parameters"]["ROTATION"]["LABELS"]["value"]
    return list(zip(names, file["data"]["rotations"].transpose(2, 0, 1, 3), strict=True))


def tables(folder: Path) -> None:
    """The data set of movement by xarray, anipose's table by pandas, and a TRC with Pose2Sim's names."""
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    left, right, below, last = figure.subplots(2, 2).ravel()
    with xarray.open_dataset(with_ending(export(folder, "netcdf"), ".nc"), engine="scipy") as data:
        one = data.position.sel(keypoints=["left_ankle", "right_ankle", "left_wrist"], space="z").isel(individuals=0)
        one.plot.line(x="time", ax=left)
        left.set_title("netcdf: position.sel(space='z').plot.line(x='time')", fontsize=9)
    table = pd.read_csv(next(path for path in export(folder, "anipose") if path.suffix == ".csv"))
    table.plot(x="fnum", y=["left_knee_x", "left_knee_y", "left_knee_z"], ax=right)
    right.set_title("anipose: pandas.read_csv(...).plot(x='fnum', ...), mm", fontsize=9)
    angles = pd.read_csv(with_ending(export(folder, "angles"), "_angles.csv"))
    angles.plot(x="time", y=["left_knee_flexion_deg", "right_knee_flexion_deg", "left_hip_flexion_deg"], ax=below)
    below.set_title("angles: pandas.read_csv('poses_angles.csv')", fontsize=9)
    path = next(path for path in export(folder, "trc", "--names", "pose2sim") if path.suffix == ".trc")
    names = [name for name in path.read_text().splitlines()[3].split("\t")[2:] if name]
    rows = np.loadtxt(path, skiprows=6)[:, 2:].reshape(-1, len(names), 3)
    pose = rows[len(rows) // 3]
    across = pose[:, [2, 1]] * [1.6, 1.0]  # from the front, and wider, so that names have room
    last.plot(*across.T, "o", ms=3)
    for name, place in zip(names, across, strict=True):
        if not name.endswith(("Eye", "Ear", "SmallToe")):
            last.annotate(name, place, fontsize=6, xytext=(2, 2), textcoords="offset points")
    last.axis("off")
    last.set_aspect("equal")
    last.set_title("trc --names pose2sim: one frame from the front", fontsize=9)
    save(figure, "tables.png")


def foxglove(folder: Path) -> None:
    """Lines and points of the SceneUpdate of seven instants, by the schemas in the file."""
    path = with_ending(export(folder, "foxglove"), ".mcap")
    scenes = [
        one.fields for one in read_foxglove(path) if one.schema == "foxglove.SceneUpdate" and one.fields["entities"]
    ]
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axis = figure.subplots()
    places = []
    chosen = [scenes[i]["entities"][0] for i in np.linspace(0, len(scenes) - 1, 7).astype(int)]
    first, end = (
        np.mean([vector(s["pose"]["position"]) for s in one["spheres"]], axis=0) for one in (chosen[0], chosen[-1])
    )
    way = (end - first) * [1, 1, 0]
    way /= np.linalg.norm(way)
    for entity in chosen:
        for line in entity["lines"]:
            points = np.array([vector(point) for point in line["points"]])
            for begin, stop in points.reshape(-1, 2, 3):
                axis.plot([begin @ way, stop @ way], [begin[2], stop[2]], color="#6644bb", lw=2)
        balls = np.array([vector(ball["pose"]["position"]) for ball in entity["spheres"]])
        axis.plot(balls @ way, balls[:, 2], "o", color="#bb8800", ms=3.5)
        places.append(balls)
    whole = np.concatenate(places)
    from_the_side(axis, whole @ way, whole[:, 2], "topic /people: foxglove.SceneUpdate")
    save(figure, "foxglove.png")


def vector(fields: dict[str, float]) -> np.ndarray:
    return np.array([fields[axis] for axis in "xyz"])


def truth(folder: Path) -> None:
    """The plots of Bland and Altman against markers that are 4 mm off, in a world and at a rate of their own."""
    rng = np.random.default_rng(5)
    markers = recorded(sigma_m=0.004)
    markers.xyz[:] = markers.xyz @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + rng.normal(size=3)
    other = folder / "other"
    other.mkdir()
    write_poses(markers, other / "poses.parquet")
    path = next(path for path in export(other, "trc") if path.suffix == ".trc")
    command = ["evaluate", "--truth", str(path), "--poses", str(folder), "--out", str(folder / "agreement")]
    if multiview(command):
        raise SystemExit(1)
    plots = cv2.imread(str(folder / "agreement/bland_altman.png"))
    rows = slice(*(round(share * len(plots)) for share in (0.228, 0.527)))  # four of thirteen: the legs
    shrunk = cv2.resize(plots[rows], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(HERE / "bland_altman.png"), shrunk)
    print(HERE / "bland_altman.png")


def report(folder: Path) -> None:
    """The page for a clinician or coach, in a browser."""
    from playwright.sync_api import sync_playwright

    if multiview(["report", str(folder)]):
        raise SystemExit(1)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 820, "height": 900})
        page.goto((folder / "report.html").as_uri())
        page.screenshot(path=str(HERE / "report.png"))
        browser.close()
    print(HERE / "report.png")


def characters(folder: Path) -> None:
    """Skeletons as engines get them: a file of USD by UsdSkel, live ones by python-osc and by Qualisys' client."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    drawn = (usd_skeletons(folder), vmc_skeletons(), qtm_skeletons())
    titles = (
        "usd --rig unreal: joints of UsdSkel, y up",
        "bridge vmc: bones of Unity, decoded by python-osc",
        "bridge qtm: segments, by Qualisys' client",
    )
    for axis, (places, parents), title in zip(figure.subplots(3, 1), drawn, titles, strict=True):
        way = (places[-1].mean(axis=0) - places[0].mean(axis=0)) * [1, 1, 0]
        way /= np.linalg.norm(way)
        for pose in places:
            for bone, parent in enumerate(parents):
                if parent >= 0:
                    ends = pose[[parent, bone]]
                    axis.plot(ends @ way, ends[:, 2], color="#227755", lw=2)
            axis.plot(pose @ way, pose[:, 2], "o", color="#cc5522", ms=3)
        from_the_side(axis, places @ way, places[..., 2], title)
    save(figure, "characters.png")


Skeletons = tuple[np.ndarray, list[int]]  # (T, B, 3) m, z up, and the parent of each bone


def usd_skeletons(folder: Path) -> Skeletons:
    from pxr import Usd, UsdSkel

    (path,) = [path for path in export(folder, "usd", "--rig", "unreal") if path.suffix == ".usdc"]
    stage = Usd.Stage.Open(str(path))
    skeleton = next(UsdSkel.Skeleton(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Skeleton))
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root(skeleton.GetPrim().GetParent()), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(skeleton)
    frames = np.linspace(0, stage.GetEndTimeCode(), 7)
    moved = [[t.ExtractTranslation() for t in query.ComputeJointSkelTransforms(frame)] for frame in frames]
    parents = list(query.GetTopology().GetParentIndices())
    parents[1] = -1  # the pelvis moves away from the root, which stays
    return np.array(moved)[:, :, [0, 2, 1]] * [1, -1, 1], parents


def walked() -> list[Tracks]:
    """The walker, tick by tick, as a studio sends them."""
    poses = recorded(sigma_m=0.002)
    return [
        Tracks(
            int(poses.frame[i]),
            int(poses.time_ns[i]),
            (Track(1, Pose3D(poses.xyz[i], poses.cov[i], poses.score[i], poses.views[i], poses.filled[i])),),
        )
        for i in range(len(poses))
    ]


def vmc_skeletons() -> Skeletons:
    """The bones of Unity's humanoid, put together by their rotations."""
    from pythonosc.osc_bundle import OscBundle
    from scipy.spatial.transform import Rotation

    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        bridge = open_bridge("vmc", {"port": listener.getsockname()[1], "mtu": 65507}, load_skeleton("halpe26"), 60.0)
        for tracks in walked():
            bridge.send(tracks)
            messages = [message for message in OscBundle(listener.recv(65507)) if message.address.endswith("Bone/Pos")]
            sent.append({name: values for name, *values in (message.params for message in messages)})
        bridge.close()
    names = [name for name in HIERARCHY if name in sent[0]]
    parents = [names.index(HIERARCHY[name][0]) if HIERARCHY[name][0] else -1 for name in names]
    places = np.empty((7, len(names), 3))
    for row, bones in enumerate(sent[i] for i in np.linspace(20, len(sent) - 1, 7).astype(int)):
        rotations: list[Rotation] = []
        for b, name in enumerate(names):
            place, rotation = np.array(bones[name][:3]), Rotation.from_quat(bones[name][3:])
            above = parents[b]
            places[row, b] = place if above < 0 else places[row, above] + rotations[above].apply(place)
            rotations.append(rotation if above < 0 else rotations[above] * rotation)
    return places[:, :, [0, 2, 1]] * [-1, -1, 1], parents  # left-handed, y up


def qtm_skeletons() -> Skeletons:
    import qtm_rt

    bridge: Any = open_bridge("qtm", {"port": 0, "people": 1}, load_skeleton("halpe26"), 60.0)

    async def read() -> tuple[list[Any], bytes]:
        connection = await qtm_rt.connect("127.0.0.1", port=bridge.port, version="1.25")
        frames = []
        for tracks in walked():
            bridge.send(tracks)
            while True:
                packet = await connection.get_current_frame(components=["skeleton:global"])
                if packet.framenumber == tracks.tick:
                    break
            frames.append(packet.get_skeletons()[1][0])
        described = await connection.get_parameters(parameters=["skeleton"])
        connection.disconnect()
        return frames, described

    frames, described = asyncio.run(read())
    bridge.close()
    above_of: dict[int, int] = {}

    def visit(element: Any, above: int) -> None:
        for segment in element.findall("Segment"):
            number = int(segment.get("ID")) - 1
            above_of[number] = above
            visit(segment, number)

    visit(next(ElementTree.fromstring(described).iter("Segments")), -1)
    chosen = [frames[i] for i in np.linspace(20, len(frames) - 1, 7).astype(int)]
    places = np.array([[position for _, position, _ in frame] for frame in chosen]) / 1000
    return places, [above_of[number] for number in range(places.shape[1])]


def run() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blender", help="a Python that has bpy")
    parser.add_argument("--only", nargs="*", default=[], help="some of them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "walk"
        folder.mkdir()
        write_poses(recorded(), folder / "poses.parquet")
        for draw in (opensim, c3d, tables, foxglove, truth, report, characters):
            if not args.only or draw.__name__ in args.only:
                draw(folder)
        if args.blender:
            os.environ["MULTIVIEW_BLENDER"] = args.blender
            for form, ending, picture in (("gltf", ".glb", "blender.png"), ("fbx", ".fbx", "unreal.png")):
                if args.only and form not in args.only:
                    continue
                more = ("--rig", "unreal") if form == "fbx" else ()
                model = with_ending(export(folder, form, *more), ending)
                subprocess.run([args.blender, HERE / "draw_with_blender.py", model, HERE / picture], check=True)


if __name__ == "__main__":
    run()
