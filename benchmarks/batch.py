"""Many recordings through `multiview batch`: what engines cost, how fast it plans, and whether anything is lost.

python -m benchmarks batch plan            1,000 recordings planned: seconds
python -m benchmarks batch overhead        what an engine adds to jobs of 2 s: local, and Ray on this machine
python -m benchmarks batch cores           two detectors on two cores against one
python -m benchmarks batch joins           a video in segments against the whole: px at the joins
python -m benchmarks batch cluster         200 recordings on two Ray nodes of the loopback while workers and a node
                                           are killed, a video is poisoned and the disk is full, against `local`
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.full_disk import small_disk
from multiview.batch.jobs import Detect, Job, Options, plan_jobs
from multiview.batch.recordings import MARKER, find_recordings
from multiview.batch.results import job_folder
from multiview.cameras.rig_file import save_rig
from multiview.common.video_writer import VideoWriter
from multiview.sources import open_source
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.filming import FPS, SIZE, film_studio
from services.batch.driver import Driver
from services.batch.engine import EngineOptions, make_engine

SLEEPER = """
import time
import msgspec, numpy as np
from multiview.body.skeleton import load_skeleton
from multiview.data import Keypoints2D

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float = 2.0
    frames: int = 5

class Detector:
    def __init__(self, options):
        self.options, self.skeleton, self.stage_ns = options, load_skeleton("coco17"), {}

    def detect(self, frames):
        time.sleep(self.options.seconds / self.options.frames)
        seen = [float(frame.image.mean()) + frame.index for frame in frames]
        xy = [np.full((1, 17, 2), value) + np.arange(17)[:, None] for value in seen]
        return [Keypoints2D(one, np.full((1, 17), 0.5)) for one in xy]
"""
RENDERED_S = 6.0
STUDIO = {"cameras": 2, "people": 1, "seconds": 0.2, "fps": 25.0, "size": (64, 48)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("plan", "overhead", "cores", "joins", "cluster"))
    parser.add_argument("--recordings", type=int, default=0, help="how many (plan 1000, overhead 10, cluster 200)")
    parser.add_argument("--engine", default="local", help="of overhead")
    parser.add_argument("--video", type=Path, help="of cores and joins: with people (default: one is rendered)")
    parser.add_argument("--detector", default="light", help="of cores and joins")


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="batch-") as folder:
        work = {"plan": _plan, "overhead": _overhead, "cores": _cores, "joins": _joins, "cluster": _cluster}[args.what]
        work(args, Path(folder))
    return 0


def _plan(args: argparse.Namespace, folder: Path) -> None:
    count = args.recordings or 1000
    first = _videos(folder / "first", 1)
    rig = first.parent / "rig.toml"
    (folder / "root").mkdir()
    for number in range(count):
        shutil.copytree(first, folder / "root" / f"day{number // 50:02d}" / f"walk{number:04d}")
    shutil.copy(rig, folder / "root" / "rig.toml")
    began = time.perf_counter()
    found = find_recordings(folder / "root")
    searched = time.perf_counter()
    jobs = plan_jobs(found.recordings, Options(detector=str(_detector(folder)), exports=("trc",)))
    planned = time.perf_counter()
    driver = Driver(jobs, folder / "out")
    ended = time.perf_counter()
    print(
        f"{len(found.recordings)} recordings, {len(driver.to_do)} jobs: found in {searched - began:.2f} s, keys in "
        f"{planned - searched:.2f} s, results looked for in {ended - planned:.2f} s: {ended - began:.2f} s"
    )


def _overhead(args: argparse.Namespace, folder: Path) -> None:
    """The jobs sleep for 2 s; one slot, so that what is more than their sum is the engine's."""
    count = args.recordings or 10
    _videos(folder / "root", count)
    jobs = [job for job in _jobs(folder, {"seconds": 2.0}) if isinstance(job.work, Detect)][: count + 2]
    engine = make_engine(args.engine, EngineOptions(folder=_out(folder / "out"), jobs=1, cluster="local"))
    try:
        Driver(jobs[:2], folder / "out").run(engine, lambda progress: None)  # libraries are loaded
        began = time.perf_counter()
        Driver(jobs[2:], folder / "out").run(engine, lambda progress: None)
        took = time.perf_counter() - began
    finally:
        engine.close()
    work = sum(json.loads((job_folder(folder / "out", job) / "done.json").read_bytes())["seconds"] for job in jobs[2:])
    ideal = 2.0 * len(jobs[2:])
    print(
        f"{args.engine}: {len(jobs[2:])} jobs of 2 s in {took:.2f} s, {work:.2f} s of it in jobs: the engine adds "
        f"{100 * (took - work) / work:.1f} %, all that is not sleep {100 * (took - ideal) / ideal:.1f} %"
    )


def _cores(args: argparse.Namespace, folder: Path) -> None:
    jobs = []
    (folder / "root").mkdir()
    video = args.video or _rendered(folder / "rendered.mp4")
    for number in range(4):
        copy_video(video, folder / "root" / f"v{number}")
    rigs = find_recordings(folder / "root")
    jobs = [
        job
        for job in plan_jobs(rigs.recordings, Options(detector=args.detector, segment_s=0.0))
        if isinstance(job.work, Detect)
    ]
    took, cpu = {}, {}
    for slots in (1, 2):
        out = _out(folder / f"out{slots}")
        engine = make_engine("local", EngineOptions(folder=out, jobs=slots))
        warm, rest = jobs[:slots], jobs[2:]
        Driver(warm, out).run(engine, lambda progress: None)
        began, before = time.perf_counter(), _cpu_s()
        Driver(rest, out).run(engine, lambda progress: None)
        took[slots], cpu[slots] = time.perf_counter() - began, _cpu_s() - before
        engine.close()
    print(
        f"{len(jobs) - 2} videos: one at a time {took[1]:.1f} s, two {took[2]:.1f} s: {took[2] / took[1]:.2f} of it; "
        f"CPU time {cpu[1]:.1f} and {cpu[2]:.1f} s: one alone kept {cpu[1] / took[1]:.2f} cores busy"
    )


def _cpu_s() -> float:
    """Of all processes below this one, s."""
    ticks = 0
    for pid in _below(os.getpid()):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _joins(args: argparse.Namespace, folder: Path) -> None:
    """One camera's video in segments of a third, against the whole, near the joins and everywhere."""
    from multiview.batch.camera_poses import join, read_camera_poses

    copy_video(args.video or _rendered(folder / "rendered.mp4"), folder / "root" / "v")
    found = find_recordings(folder / "root").recordings
    whole = next(iter(plan_jobs(found, Options(detector=args.detector, segment_s=0.0))))
    assert isinstance(whole.work, Detect)
    out = _out(folder / "out")
    engine = make_engine("local", EngineOptions(folder=out))
    Driver([whole], out).run(engine, lambda progress: None)
    one, _ = read_camera_poses(job_folder(out, whole))
    for warm_up in (0, 15, 30, 60, 120):
        frames = len(one.frames)
        ends = [0, frames // 3, 2 * frames // 3, 0]
        parts = [
            _part(whole, number, ends[number], ends[number + 1], min(warm_up, ends[number]), warm_up)
            for number in range(3)
        ]
        Driver(parts, out).run(engine, lambda progress: None)
        other = join([read_camera_poses(job_folder(out, part))[0] for part in parts])
        off = np.zeros(frames)
        people = 0
        for i, (a, b) in enumerate(zip(one.keypoints, other.keypoints, strict=True)):
            people += a.people != b.people
            if a.people and a.people == b.people:
                off[i] = np.nanmax(np.abs(a.xy - b.xy)) if np.isfinite(a.xy).any() else 0.0
        print(f"warm-up {warm_up} frames: worst {off.max():.3f} px, other people in {people} of {frames} frames")
    engine.close()


def _part(whole: Job, number: int, first: int, last: int, warm_up: int, tag: int) -> Job:
    import msgspec

    work = msgspec.structs.replace(whole.work, first=first, last=last, warm_up=warm_up)
    key = hashlib.sha256(f"{whole.key}{number}{tag}".encode()).hexdigest()
    return msgspec.structs.replace(whole, stage=f"{whole.stage}.warm{tag}.part{number + 1}of3", key=key, work=work)


def _detector(folder: Path) -> Path:
    path = folder / "sleeper.py"
    path.write_text(SLEEPER)
    return path


def _out(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / MARKER).write_text("{}")
    return folder


def _videos(root: Path, count: int) -> Path:
    """Folders of tiny videos below a rig; the first one."""
    rig = make_studio(StudioOptions(**STUDIO)).rig
    root.mkdir(parents=True)
    save_rig(rig, root / "rig.toml")
    for number in range(count):
        (root / f"r{number:03d}").mkdir()
        for name in rig.names:
            writer = cv2.VideoWriter(
                str(root / f"r{number:03d}" / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48)
            )
            for frame in range(5):
                writer.write(np.full((48, 64, 3), (40 * frame + number) % 256, np.uint8))
            writer.release()
    return root / "r000"


def _jobs(folder: Path, options: dict[str, object]) -> list[Job]:
    found = find_recordings(folder / "root")
    return plan_jobs(found.recordings, Options(detector=str(_detector(folder)), detector_options=options, report=False))


def copy_video(video: Path, folder: Path) -> None:
    """A recording of a video and a second camera that sees the same.

    Args:
        video: With people.
        folder: Of the recording; it gets a rig of two cameras.

    Raises:
        SourceError: The video is not there, or gives no picture.
    """
    source = open_source(str(video))
    size = source.size
    source.close()
    folder.mkdir(parents=True)
    save_rig(make_studio(StudioOptions(cameras=2, people=1, seconds=0.1, size=size)).rig, folder / "rig.toml")
    for name in ("cam01", "cam02"):
        shutil.copy(video, folder / f"{name}{video.suffix}")


def _rendered(path: Path) -> Path:
    """A video of a person who walks, as one of two cameras sees them."""
    studio, film = film_studio(2, 1, RENDERED_S, seed=0)
    with VideoWriter(path, SIZE, FPS) as writer:
        for frame in range(studio.frames):
            writer.write(film.picture(0, frame))
    return path


def _cluster(args: argparse.Namespace, folder: Path) -> None:
    """Two nodes of Ray on the loopback; every few seconds something dies, and for a while nothing can be written."""
    count = args.recordings or 200
    _videos(folder / "root", count)
    (folder / "root" / "r007" / "cam02.avi").write_bytes(b"poison" * 500)
    words = [str(folder / "root"), "--detector", str(_detector(folder)), "--option", "seconds=0.2", "--no-report"]
    local = folder / "local"
    began = time.perf_counter()
    _batch(words, local, "--engine", "local").wait()
    print(f"local: {time.perf_counter() - began:.0f} s, {_counts(local)}", flush=True)
    with _two_nodes(folder) as nodes, small_disk(folder / "disk") as disk:
        out = disk / "ray"
        began = time.perf_counter()
        process = _batch(words, out, "--engine", "ray", "--address", f"127.0.0.1:{PORT}")
        rng, killed, total = random.Random(1), 0, _counts(local)["done"]
        for share in (0.15, 0.25, 0.35):
            _until(process, lambda share=share: _counts(out)["done"] > share * total)
            busy = [pid for node in nodes for pid in _below(node.pid) if "ray::r" in _command(pid)]
            if busy:
                os.kill(rng.choice(busy), signal.SIGKILL)
                killed += 1
        _until(process, lambda: _counts(out)["done"] > 0.45 * total)
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        time.sleep(15.0)
        print(f"disk full for 15 s at {_counts(out)}", flush=True)
        filler.unlink()
        _until(process, lambda: _counts(out)["done"] > 0.65 * total)
        running = sum("ray::r" in _command(pid) for pid in _below(nodes[1].pid))
        for pid in [nodes[1].pid, *_below(nodes[1].pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        print(f"{killed} workers killed, then a node on which {running} jobs ran", flush=True)
        code = process.wait()
        print(f"ray: {time.perf_counter() - began:.0f} s, status {code}, {_counts(out)}", flush=True)
        _compare(folder / "root", words, local, out, killed + running)


PORT = 6399


def _batch(words: list[str], out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "multiview", "batch", *words, "--out", str(out), *more]
    return subprocess.Popen(command)


def _counts(out: Path) -> dict[str, int]:
    return {
        "done": sum(1 for _ in out.glob("r*/**/done.json")),
        "failed": sum(1 for _ in out.glob("r*/**/failed.json")),
    }


def _compare(root: Path, words: list[str], local: Path, ray: Path, lost: int) -> None:
    """Every job one outcome, the same bits, and no more tries than were killed."""
    detector = Options(detector=words[2], detector_options={"seconds": 0.2}, report=False)
    jobs = plan_jobs(find_recordings(root).recordings, detector)
    one_each = same = tries = 0
    for job in jobs:
        here, there = job_folder(local, job), job_folder(ray, job)
        outcomes = [(there / name).is_file() for name in ("done.json", "failed.json")]
        one_each += sum(outcomes) == 1
        name = "poses2d.npz" if isinstance(job.work, Detect) else "poses.parquet"
        if outcomes[0]:
            tries += json.loads((there / "done.json").read_bytes())["tries"] - 1
            same += (here / name).read_bytes() == (there / name).read_bytes()
    left = len(list(ray.rglob("*.tmp-*")))
    print(
        f"{len(jobs)} jobs, {one_each} with exactly one outcome; {same} of {_counts(ray)['done']} results are the same "
        f"bits as local's; {tries} tries wasted ({lost} were killed), {left} folders left over"
    )


@contextlib.contextmanager
def _two_nodes(folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    ray = str(Path(sys.executable).with_name("ray"))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    log = (folder / "ray.log").open("wb")
    start = lambda *words: subprocess.Popen([ray, "start", "--block", "--num-cpus=2", *words], stdout=log, stderr=log)
    nodes = [start("--head", f"--port={PORT}", "--include-dashboard=false")]
    try:
        _wait_for_port(PORT)
        nodes.append(start(f"--address=127.0.0.1:{PORT}"))
        yield nodes
    finally:
        for pid in [pid for node in nodes for pid in (*_below(node.pid), node.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for node in nodes:
            node.wait()


def _wait_for_port(port: int) -> None:
    import socket

    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.2)
    raise RuntimeError("Ray does not listen")


def _until(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    while not condition() and process.poll() is None:
        time.sleep(0.1)


def _below(pid: int) -> list[int]:
    """All processes that a process started, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        new = parents.get(todo.pop(), [])
        found += new
        todo += new
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
