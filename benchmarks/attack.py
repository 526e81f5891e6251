"""A studio under attack: all kinds at once with a listener's key, beside cameras, compared with the same in peace.

The hub must not die, grow or log much; the studio's latency must stay; and the take must hold what cameras and fusion
said, and nothing else.

    python -m benchmarks attack --seconds 60
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.live import Listener, resident_mb, wait_for
from benchmarks.load import playing
from multiview.errors import MessageError
from multiview.recordings.take import open_take
from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.wire import topics
from multiview.wire.messages import Heartbeat, IdentityLabel, PosesMessage, decode
from services.transport.bus import RequestClient
from services.transport.keyring import HUB, SERVICES, make_keys
from services.transport.requests import Status, StatusReply, request
from services.transport.roles import Role

__all__ = ["Outcome", "attacked"]

WARM_S = 2.0  # in peace, before the attack and after it
LIMIT_MB, LIMIT_LOG_KB, LIMIT_RATIO = 20.0, 1000.0, 2.0


class Outcome(NamedTuple):
    """What became of a studio; `grown_mb` is the most that the hub had more than before the attack."""

    alive: bool
    ticks: int
    due: int
    poses_ms: np.ndarray
    echoes_ms: np.ndarray  # the same way with nothing computed: what the machine can do meanwhile
    grown_mb: float
    log_kb: float
    foreign: int  # messages in the take that no camera or service of the studio sent
    recorded: int  # frames
    link_mb_s: float  # what went over the loopback: a gigabit link carries 125 MB/s
    reasons: Counter[str]
    done: str  # what the attackers sent, a line for each kind

    @property
    def p99_ms(self) -> float:
        return float(np.percentile(self.poses_ms, 99)) if len(self.poses_ms) else np.inf

    def row(self, name: str) -> str:
        figures = [np.percentile(times, [50, 99]) if len(times) else [np.inf] * 2 for times in self[3:5]]
        (p50, p99), (echo_p50, echo_p99) = figures
        return (
            f"{name:8} {'alive' if self.alive else 'DEAD'}  {self.ticks} of {self.due} ticks, pose p50 {p50:.2f}, "
            f"p99 {p99:.2f} ms (echo {echo_p50:.2f}, {echo_p99:.2f}), hub {self.grown_mb:+.1f} MB, "
            f"log {self.log_kb:.0f} KB, "
            f"{self.recorded} frames and {self.foreign} foreign messages in the take, "
            f"loopback {self.link_mb_s:.1f} MB/s"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--fps", type=float, default=60.0, help="Hz")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the attack, and of the peace beside it")
    parser.add_argument("--share", action="store_true", help="attackers share the processor with the studio (nice 10)")
    parser.add_argument("--port", type=int, default=17855, help="the first of three that the hub uses (17855)")


def run(args: argparse.Namespace) -> int:
    """Print both runs; 1 if a limit is exceeded."""
    print(f"{args.cameras} cameras x {args.fps:g} Hz, {args.seconds:g} s, the attacker has a listener's key")
    peace = attacked(args.cameras, args.fps, args.seconds, args.port, attack=False)
    print(peace.row("peace"), flush=True)
    war = attacked(args.cameras, args.fps, args.seconds, args.port, share=args.share)
    print(war.row("attack"))
    print(f"sent or connected:\n{war.done}rejected:")
    for reason, number in war.reasons.most_common():
        print(f"{number:9} {reason}")
    ratio = war.p99_ms / peace.p99_ms
    good = war.alive and not war.foreign and war.grown_mb <= LIMIT_MB and war.log_kb <= LIMIT_LOG_KB
    good = good and ratio <= LIMIT_RATIO
    echo = np.percentile(war.echoes_ms, 99) / np.percentile(peace.echoes_ms, 99)
    print(
        f"p99 {ratio:.2f} times that of peace (of an echo that computes nothing {echo:.2f}); "
        + ("all limits kept" if good else "NOT WITHIN ITS LIMITS")
    )
    return 0 if good else 1


def attacked(
    cameras: int,
    fps: float,
    seconds: float,
    port: int,
    attack: bool = True,
    key: str = "client",
    share: bool = False,
) -> Outcome:
    """One run of a studio with keys; attackers take what is left of the processor, or a share."""
    with tempfile.TemporaryDirectory() as folder:
        path = _studio(Path(folder), cameras, fps, seconds, port)
        hub = HubOptions(ingest_port=port, publish_port=port + 1, request_port=port + 2, keys=f"{folder}/keys")
        base = [sys.executable, "-m", "multiview"]
        words = (["hub", str(path)], ["fusion", str(path)], ["record", str(path), "--take", "attacked"])
        with (Path(folder) / "hub.log").open("wb") as log:
            processes = [subprocess.Popen([*base, *w], stderr=log if w[0] == "hub" else None) for w in words]
        attackers = [sys.executable, "-m", "benchmarks.attackers", str(path), "--seconds", str(seconds), "--key", key]
        attackers += ["--share"] if share else []
        others: list[subprocess.Popen[str]] = []
        ready = lambda: wait_for(hub, {"service/fusion", "service/recorder"})
        try:
            with playing(path, seconds + 2 * WARM_S, ready):
                memory = _Memory(processes[0].pid)
                listener = Listener(hub, [process.pid for process in processes])
                began_s, carried = time.monotonic(), _loopback_bytes()
                if attack:
                    later = [sys.executable, "-c", _LATER, str(WARM_S), *attackers]
                    others.append(subprocess.Popen(later, stdout=subprocess.PIPE, text=True))
                listener.listen(seconds + 2 * WARM_S)
                link_mb_s = (_loopback_bytes() - carried) / 1e6 / (time.monotonic() - began_s)
                memory.ending.set()
                reasons = _reasons(hub)
                alive = processes[0].poll() is None
        finally:
            done = "".join(_ended(other) for other in others)
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait()
        foreign, recorded = _take(Path(folder) / "attacked", {f"cam{n + 1:02}" for n in range(cameras)})
        return Outcome(
            alive=alive,
            ticks=len(listener.poses),
            due=round((seconds + 2 * WARM_S) * fps),
            poses_ms=np.array(listener.poses) / 1e6,
            echoes_ms=np.array(listener.echoes) / 1e6,
            grown_mb=memory.most - memory.before,
            log_kb=(Path(folder) / "hub.log").stat().st_size / 1e3,
            foreign=foreign,
            recorded=recorded,
            link_mb_s=link_mb_s,
            reasons=reasons,
            done=done,
        )


def _ended(attackers: subprocess.Popen[str]) -> str:
    """What they say when they are told to end."""
    attackers.terminate()
    try:
        return attackers.communicate(timeout=30.0)[0]
    except subprocess.TimeoutExpired:
        attackers.kill()
        return attackers.communicate()[0]


_LATER = "import os, sys, time; time.sleep(float(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


class _Memory:
    """The resident memory of a process: before the attack, and the most of it, MB."""

    def __init__(self, pid: int) -> None:
        self.before = self.most = 0.0
        self.ending = threading.Event()
        threading.Thread(target=self._watch, args=(pid,), daemon=True).start()

    def _watch(self, pid: int) -> None:
        self.ending.wait(WARM_S - 0.5)
        self.before = self.most = resident_mb(pid)
        while not self.ending.wait(0.02):
            self.most = max(self.most, resident_mb(pid))


def _loopback_bytes() -> int:
    """What the loopback has carried so far; 0 where the system does not say."""
    path = Path("/proc/net/dev")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) for line in lines if line.split()[0] == "lo:"), 0)


def _studio(folder: Path, cameras: int, fps: float, seconds: float, port: int) -> Path:
    options = {"cameras": cameras, "people": 4, "seconds": 6.0, "fps": fps, "skeleton": "coco17"}
    hub = HubOptions(ingest_port=port, publish_port=port + 1, request_port=port + 2, keys=f"{folder}/keys")
    recorder = RecorderOptions(directory=str(folder))
    write_studio(
        Studio(skeleton="coco17", source=SyntheticSource(options=options), hub=hub, recorder=recorder),
        folder / "studio.toml",
    )
    names = [HUB, *SERVICES, "ping", "echo", *(f"cam{number + 1:02}" for number in range(cameras))]
    make_keys(folder / "keys", names, {"ping": Role.SERVICE, "echo": Role.SERVICE})
    return folder / "studio.toml"


def _reasons(hub: HubOptions) -> Counter[str]:
    client = RequestClient(hub)
    end, status = time.monotonic() + 5.0, None
    while status is None and time.monotonic() < end:
        status = request(client, Status(), StatusReply, 0.5)
    client.close()
    return Counter(status.reasons if status else {"no reply": 1})


def _take(folder: Path, cameras: set[str]) -> tuple[int, int]:
    """Messages that nobody of the studio sent, and frames."""
    foreign = frames = 0
    for record in open_take(folder).records():
        topic = topics.parse_topic(record.topic.encode())
        try:
            message = decode(record.body)
        except MessageError:
            foreign += 1
            continue
        ours = isinstance(message, Heartbeat) and record.topic == topics.HEARTBEAT
        if topic is not None and topics.belongs(message, topic):
            kind, _, name = topic.owner.partition("/")
            ours = name in cameras if kind == "camera" else name in ("hub", "fusion", "recorder", "ping", "echo")
            named = isinstance(message, IdentityLabel) or (isinstance(message, PosesMessage) and any(message.names))
            ours = ours and not named
        foreign += not ours
        frames += record.topic.startswith(topics.KEYPOINTS)
    return foreign, frames
