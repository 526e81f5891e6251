"""The studio in a browser: how smooth its 3D view is, how late, what browsers cost fusion, and whether memory stays.

A simulated studio runs as `multiview run` does it; pages of real Chromium without a graphics card (software GL) show
its people and its cameras' pictures, which here have no image. "drawn" is how many poses a second were drawn; "late"
from the hub's arrival of a pose until the server knows that it was drawn, the browser's answer included; p99 is from
the last keypoints of a tick to its pose at the hub; "server" how much of a core the server of the pages takes.

One browser runs on the studio's machine, as the operator's does. Three are an operator's and two of other people: a
phone and a laptop in the room, which bring cores of their own. Here there are no cores but the studio's, so those two
run at SCHED_IDLE: they take only what nobody else wants, and the server's work for them is all that is left of them.
Three that share the studio's cores as equals have the same limit.

"usable" is from the command until a browser, which runs already, shows the page of a studio and its buttons answer.
Memory is that of the server, and of the processes that run the page's scripts and draw it (their shares, PSS: what else
Chromium starts minutes later is none of the page's), over --minutes; the first minute does not count.

    python -m benchmarks dashboard                                             8 minutes, and --minutes
    python -m benchmarks dashboard --repeats 1 --seconds 5 --minutes 0
    python -m benchmarks dashboard --repeats 0                                 start and memory alone
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from multiview.errors import MultiviewError
from multiview.studio.config import HubOptions, Studio, SyntheticSource
from multiview.studio.studio_file import load_studio, write_studio
from multiview.wire.messages import PosesMessage, decode
from services.transport.bus import Subscriber

SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")
PATIENCE_S = 240.0
SAMPLE_S = 0.5
CASES = ((0, 0), (1, 0), (1, 2), (3, 0))  # browsers on the studio's machine, and on others
DRAWN_HZ, LATE_MS, PICTURES_HZ = 15.0, 60.0, 4.5
GROWTH = {(1, 0): ("one browser", 1.2), (1, 2): ("three, two of them elsewhere", 1.4), (3, 0): ("three here", 1.4)}
START_S = 3.0
MEMORY_MB, FIRST_S = 10.0, 60.0
_LINK = re.compile(r"(http://127\.0\.0\.1:\d+/login\?token=[\w-]+)\n")
_LATE = re.compile(r"drawn (\d+) ms later")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--fps", type=float, default=60.0, help="Hz")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each round (default 10)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the best counts (default 5)")
    parser.add_argument("--minutes", type=float, default=10.0, help="for memory (default 10; 0: not measured)")
    parser.add_argument("--port", type=int, default=17655, help="the first of four that are used (17655)")


class Budget:
    """Figures beside what they may be."""

    def __init__(self) -> None:
        self.kept = True

    def check(self, what: str, value: float, limit: float, most: bool = True) -> None:
        """Print one; it may be at most the limit, or at least."""
        good = value <= limit if most else value >= limit
        self.kept &= good
        print(f"{what:52} {value:8.2f} {'<=' if most else '>='} {limit:6.1f}  {'ok' if good else 'BEYOND'}", flush=True)


class Drawn(NamedTuple):
    """What one page did in one round."""

    drawn_hz: float
    late_ms: float
    pictures_hz: float


def run(args: argparse.Namespace) -> int:
    """Print every figure beside its budget; 1 if one is beyond it."""
    budget = Budget()
    starts = [_start_s(args.port) for _ in range(max(args.repeats, 1))]
    with tempfile.TemporaryDirectory() as folder, _studio(args, Path(folder)) as (file, server):
        if args.repeats > 0:
            _smoothness(args, file, server, budget)
        if args.minutes > 0:
            with _browsers(server, 1) as pages:
                _memory(server, pages[0], 60 * args.minutes, budget)
    budget.check("usable, s after the command, best", min(starts), START_S)
    return 0 if budget.kept else 1


def _smoothness(args: argparse.Namespace, file: Path, server: _Server, budget: Budget) -> None:
    """What is drawn, how late, and what that does to fusion."""
    p99_ms: dict[tuple[int, int], list[float]] = {case: [] for case in CASES}
    best: list[Drawn] = []
    for number in range(args.repeats):
        for case in CASES:
            with _browsers(server, *case) as pages:
                began, before_s = time.monotonic(), _cpu_s(server.process.pid)
                p99, drawn = _round(file, pages, args.seconds, args.cameras)
                cores = (_cpu_s(server.process.pid) - before_s) / (time.monotonic() - began)
            p99_ms[case].append(p99)
            best += drawn if case == (1, 0) else []
            words = ", ".join(f"{one.drawn_hz:.1f} Hz {one.late_ms:.0f} ms" for one in drawn)
            figures = f"p99 {p99:.2f} ms, server {cores:.3f} cores  {words}"
            print(f"round {number + 1}, {case[0]} + {case[1]} browsers: {figures}", flush=True)
    print()
    budget.check("drawn, Hz, one browser", max(one.drawn_hz for one in best), DRAWN_HZ, most=False)
    budget.check("late, ms, median, one browser", min(one.late_ms for one in best), LATE_MS)
    budget.check("pictures of each camera, Hz", max(one.pictures_hz for one in best), PICTURES_HZ, most=False)
    for case, (name, most) in GROWTH.items():
        budget.check(f"p99 with {name} to that without, best", min(p99_ms[case]) / min(p99_ms[CASES[0]]), most)


class _Server(NamedTuple):
    """`multiview studio`, and where it prints its links."""

    process: subprocess.Popen[bytes]
    log: Path

    def link(self) -> str:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            if found := _LINK.findall(self.log.read_text()):
                return str(found[-1])
            time.sleep(0.02)
        raise MultiviewError(f"the server prints no link: {self.log.read_text()[-500:]}")


@contextlib.contextmanager
def _studio(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Path, _Server]]:
    """The studio at work, and the server of its pages."""
    options = {"cameras": args.cameras, "people": args.people, "seconds": 20.0, "fps": args.fps, "skeleton": "coco17"}
    hub = HubOptions(ingest_port=args.port, publish_port=args.port + 1, request_port=args.port + 2)
    file = folder / "studio.toml"
    write_studio(Studio(skeleton="coco17", source=SyntheticSource(options=options, loop=True), hub=hub), file)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    commands = (
        ["run", str(file), "--no-viewer", "--no-recording"],
        ["studio", str(folder), "--no-browser", "--port", str(args.port + 3)],
    )
    logs = [folder / f"{command[0]}.log" for command in commands]
    processes = []
    for command, log in zip(commands, logs, strict=True):
        with log.open("wb") as out:
            started = [sys.executable, "-m", "multiview", *command]
            processes.append(subprocess.Popen(started, stdout=out, stderr=out, env=environment))
    try:
        _wait_for_poses(file)
        yield file, _Server(processes[1], logs[1])
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _wait_for_poses(file: Path) -> None:
    subscriber, end = Subscriber(load_studio(file).hub, ["poses"]), time.monotonic() + PATIENCE_S
    try:
        while subscriber.receive(0.5) is None:
            if time.monotonic() > end:
                raise MultiviewError("no poses come: see `multiview doctor`")
    finally:
        subscriber.close()


@contextlib.contextmanager
def _browsers(server: _Server, here: int, elsewhere: int = 0) -> Iterator[list[Any]]:
    """Pages that show people in 3D and pictures; each of a browser of its own, on this machine or as on another."""
    from playwright.sync_api import sync_playwright

    chromium = _chromium()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        distant = Path(folder) / "chromium"
        distant.write_text(f'#!/bin/sh\nexec chrt --idle 0 {chromium} "$@"\n')
        distant.chmod(0o755)
        pages = []
        for path in [chromium] * here + [distant] * elsewhere:
            browser = playwright.chromium.launch(executable_path=path, args=list(SOFTWARE_GL))
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(1e3 * PATIENCE_S)
            page.goto(server.link())
            page.wait_for_function("+document.querySelector('.mv-view')?.dataset.people > 0")
            page.get_by_role("button", name="Both").click()
            page.wait_for_function("+document.querySelector('.mv-pictures')?.dataset.pictures > 0")
            pages.append(page)
        yield pages
        for page in pages:
            page.context.browser.close()


def _start_s(port: int) -> float:
    """From the command until a page of a studio that stands still answers, in a browser that is there."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "studio.log"
        write_studio(Studio(source=SyntheticSource(loop=True)), Path(folder) / "studio.toml")
        command = [sys.executable, "-m", "multiview", "studio", folder, "--no-browser", "--port", str(port)]
        page = playwright.chromium.launch(executable_path=_chromium(), args=list(SOFTWARE_GL)).new_page()
        page.set_default_timeout(1e3 * PATIENCE_S)
        began = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "XDG_CONFIG_HOME": folder})
        try:
            page.goto(_Server(process, log).link())
            page.get_by_role("button", name="Let another browser in").click()
            page.get_by_role("button", name="To view").wait_for()
            took_s = time.monotonic() - began
            print(f"usable {took_s:.2f} s after the command", flush=True)
            return took_s
        finally:
            page.context.browser.close()
            process.terminate()
            process.wait()


def _round(file: Path, pages: list[Any], seconds: float, cameras: int) -> tuple[float, list[Drawn]]:
    """The hub's p99, and what each page drew, over some seconds."""
    subscriber, before, began = Subscriber(load_studio(file).hub, ["poses"]), _counts(pages), time.monotonic()
    at_hub_ms, late_ms, next_s = list[float](), [list[float]() for _ in pages], 0.0
    while (passed := time.monotonic() - began) < seconds:
        if (received := subscriber.receive(0.05)) is not None:
            message = decode(received.body)
            if isinstance(message, PosesMessage):
                at_hub_ms.append((received.stamp.arrival_ns - message.arrival_ns) / 1e6)
        if passed >= next_s:
            next_s = passed + SAMPLE_S
            for page, samples in zip(pages, late_ms, strict=True):
                samples += [float(ms) for ms in _LATE.findall(page.locator(".mv-headline").inner_text())]
    subscriber.close()
    passed = time.monotonic() - began
    drawn = [
        Drawn(
            (after[0] - first[0]) / passed,
            float(np.median(samples)) if samples else np.inf,
            (after[1] - first[1]) / passed / cameras,
        )
        for first, after, samples in zip(before, _counts(pages), late_ms, strict=True)
    ]
    return float(np.percentile(at_hub_ms, 99)), drawn


def _counts(pages: list[Any]) -> list[tuple[int, int]]:
    """Poses and pictures that each page has drawn so far."""
    script = (
        "[+document.querySelector('.mv-view').dataset.drawn, +document.querySelector('.mv-pictures').dataset.pictures]"
    )
    return [tuple(page.evaluate(script)) for page in pages]


def _memory(server: _Server, page: Any, seconds: float, budget: Budget) -> None:
    """Memory of the server, of the page's processes, and the page's heap, over time."""
    names, samples, began = ("server", "page", "heap"), list[tuple[float, ...]](), time.monotonic()
    print(f"\n{'s':>6} " + " ".join(f"{name:>9}" for name in names) + "  (MB)")
    session = page.context.new_cdp_session(page)
    while (passed := time.monotonic() - began) < seconds:
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        samples.append((passed, _share_mb(server.process.pid), sum(map(_share_mb, _page_processes())), heap))
        print(f"{passed:6.0f} " + " ".join(f"{mb:9.1f}" for mb in samples[-1][1:]), flush=True)
        page.wait_for_timeout(min(1e3 * seconds / 20, 30e3))
    later = np.array([one[1:] for one in samples if one[0] >= min(FIRST_S, seconds / 2)])
    for name, off in zip(names, np.abs(later - later[0]).max(axis=0), strict=True):
        budget.check(f"memory of the {name}, most that it is off, MB", off, MEMORY_MB)


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise MultiviewError("there is no Chromium: on Debian, apt install chromium")
    return found


def _page_processes() -> list[int]:
    """Those of the browser that this process has started which run the page's scripts, and draw it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    mine = {os.getpid()}
    while found := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= found
    return [pid for pid in mine if any(kind in _command(pid) for kind in (b"--type=renderer", b"--type=gpu-process"))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _cpu_s(pid: int) -> float:
    """What a process has taken of the cores so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _share_mb(pid: int) -> float:
    """Memory of a process, and its share of what it has in common with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("Pss:"))
