"""The live system under load: latency and losses of hub, fusion and recorder, beside an empty echo in the same run.

One process publishes for all cameras, all firing at once; hub, fusion and recorder are the real processes. Latency is
from the hub's arrival of the message that completes a tick to the pose at a subscriber; the echo's is the same way with
nothing computed: hub, another process, hub, subscriber.

    python -m benchmarks live --cameras 8 --fps 60 --seconds 20
    python -m benchmarks live --cameras 16 --fps 120 --seconds 60
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from multiview.config import HubOptions, RecorderOptions, Studio, SyntheticSource, synthetic_options, write_studio
from multiview.messages import Goodbye, PosesMessage, ServiceHealth, decode, encode
from multiview.packing import pack_keypoints
from multiview.synthetic import make_studio
from multiview.take import open_take
from services.bus import Asker, Sender, Subscriber
from services.requests import Status, StatusReply, ask

COPIES = 6.0  # s of simulated people that are played again and again


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--fps", type=float, default=60.0, help="Hz")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=1, help="how many runs; the best is what the machine can do")


def run(args: argparse.Namespace) -> int:
    """Print one row per run."""
    print(f"{args.cameras} cameras x {args.fps:g} Hz x {args.people} people, {args.seconds:g} s")
    print(
        "run  ticks %   lost  late | pose p50   p99   max ms | echo p50   p99   max ms | fusion p99 ms | MB at 1/4, end"
    )
    for number in range(args.repeat):
        print(f"{number + 1:3}  {measure(args.cameras, args.people, args.fps, args.seconds)}", flush=True)
    return 0


def measure(cameras: int, people: int, fps: float, seconds: float) -> str:
    """One run, as a row of the table."""
    options = {"cameras": cameras, "people": people, "seconds": COPIES, "fps": fps, "skeleton": "coco17"}
    source = SyntheticSource(options=options)
    with tempfile.TemporaryDirectory() as folder:
        hub = HubOptions(ingest_port=17555, publish_port=17556, request_port=17557)
        recorder = RecorderOptions(directory=folder)
        studio = Studio(skeleton="coco17", source=source, hub=hub, recorder=recorder)
        path = Path(folder) / "studio.toml"
        write_studio(studio, path)
        commands = (["hub", str(path)], ["fusion", str(path)], ["record", str(path), "--take", "load"])
        processes = [subprocess.Popen([sys.executable, "-m", "multiview", *words]) for words in commands]
        ready = multiprocessing.Event()
        publisher = multiprocessing.Process(target=publish, args=(studio, seconds, ready))
        echoer = multiprocessing.Process(target=echo, args=(hub,))
        publisher.start()
        echoer.start()
        try:
            _wait_for(hub, {"service/fusion", "service/recorder"})
            ready.set()
            row = _listen(hub, fps, seconds, processes)
        finally:
            publisher.join(10.0)
            echoer.kill()
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait()
        recorded = sum(record.topic.startswith("keypoints/") for record in open_take(Path(folder) / "load").records())
    return f"{row}; recorded {recorded} of {round(seconds * fps) * cameras + cameras}"


def publish(studio: Studio, seconds: float, ready: multiprocessing.synchronize.Event) -> None:
    """All cameras from one process: each frame's messages leave together when the frame is due."""
    assert isinstance(studio.source, SyntheticSource)
    simulated = make_studio(synthetic_options(studio.source))
    names, senders = simulated.rig.names, [Sender(studio.hub) for _ in simulated.rig.names]
    blank = {"boot_id": 1, "frame": 0, "time_ns": 0, "clock": "epoch", "skeleton": "coco17"}
    templates = []
    for frame in range(simulated.frames):
        seen = [simulated.keypoints(camera, frame) for camera in range(len(names))]
        templates.append(
            [pack_keypoints(k, camera=name, **blank) for name, k in zip(names, seen, strict=True) if k is not None]
        )
    ready.wait()
    began, dropped = time.monotonic() + 0.2, 0
    for frame in range(round(seconds * simulated.fps)):
        time_ns = simulated.time_ns(frame)
        messages = templates[frame % len(templates)]
        bodies = [encode(msgspec.structs.replace(m, frame=frame, time_ns=time_ns)) for m in messages]
        time.sleep(max(0.0, began + frame / simulated.fps - time.monotonic()))
        for sender, message, body in zip(senders, messages, bodies, strict=True):
            dropped += not sender.send(f"keypoints/{message.camera}", body)
        senders[0].send("service/ping", bodies[0])
    for sender, name in zip(senders, names, strict=True):
        sender.send(f"keypoints/{name}", encode(Goodbye(camera=name, boot_id=1)))
        sender.close(linger_s=1.0)
    if dropped:
        print(f"the publisher dropped {dropped}")


def echo(hub: HubOptions) -> None:
    """Sends back what the hub stamped, computing nothing."""
    pings, sender = Subscriber(hub, ["service/ping"]), Sender(hub)
    while True:
        received = pings.receive(1.0)
        if received is not None:
            sender.send("service/echo", received.stamp.encode() + received.body)


def _listen(hub: HubOptions, fps: float, seconds: float, processes: list[subprocess.Popen[bytes]]) -> str:
    subscriber = Subscriber(hub, ["poses", "service/echo", "service/fusion"])
    poses, echoes, memory, last, inside = [], [], [], None, 0.0
    end = time.monotonic() + seconds + 3.0
    while time.monotonic() < end:
        received = subscriber.receive(0.2)
        now_ns = time.monotonic_ns()
        if received is None:
            continue
        if received.topic == "service/echo":
            echoes.append(now_ns - int.from_bytes(received.body[16:24], "little"))
            continue
        message = decode(received.body)
        if isinstance(message, PosesMessage):
            poses.append(now_ns - message.arrival_ns)
            last = message
            if len(poses) % 200 == 0:
                memory.append(sum(_resident(process.pid) for process in processes))
        elif isinstance(message, ServiceHealth):
            inside = message.values.get("latency_p99_ms", inside)
    ticks = 100.0 * len(poses) / round(seconds * fps)
    lost = (last.lost + subscriber.lost) if last else -1
    grown = (memory[len(memory) // 4], memory[-1]) if memory else (0.0, 0.0)
    return (
        f"{ticks:7.2f}  {lost:5}  {last.late if last else -1:4} | {_figures(poses)} | {_figures(echoes)} | "
        f"{inside:13.2f} | {grown[0]:.0f}, {grown[1]:.0f}"
    )


def _figures(times_ns: list[int]) -> str:
    if not times_ns:
        return "none"
    p50, p99, most = np.percentile(times_ns, [50, 99, 100]) / 1e6
    return f"{p50:8.2f} {p99:5.2f} {most:6.1f}   "


def _resident(pid: int) -> float:
    """MB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _wait_for(hub: HubOptions, roles: set[str]) -> None:
    asker = Asker(hub)
    while True:
        status = ask(asker, Status(), StatusReply, 0.5)
        if status is not None and roles <= status.roles.keys():
            return
        time.sleep(0.1)
