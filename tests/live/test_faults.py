"""Faults with real processes: the hub dies, a connection is cut, a listener is slow, the disk is full."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.tcp_proxy import TcpProxy
from multiview.commands.recover import recover
from multiview.data import Keypoints2D
from multiview.recordings.mcap_log import Record, RecordingReader, RecordingWriter
from multiview.recordings.take import begin_take, open_take
from multiview.studio.config import HubOptions
from multiview.studio.studio_file import write_studio
from multiview.studio.take_studio import recorded_poses
from multiview.wire.messages import PosesMessage, Stamp, decode, encode
from multiview.wire.packing import pack_keypoints
from services.supervise.launch import Launch
from services.transport.bus import RequestClient, Sender, Subscriber
from services.transport.requests import Start, Status, StatusReply, request
from tests.processes import Processes, synthetic_studio, until


def test_the_hub_comes_back_and_what_hangs_is_killed(tmp_path: Path) -> None:
    """Everyone reconnects by themselves; the take has what came before and after."""
    launch = Launch(synthetic_studio(tmp_path), take="hub", viewer=False)
    with launch:
        launch.start()
        subscriber = Subscriber(launch.studio.hub, ["poses"])
        seen: list[PosesMessage] = []

        def complete() -> bool:
            launch.watch()
            new = [decode(received.body) for received in subscriber.drain()]
            seen.extend(message for message in new if isinstance(message, PosesMessage))
            return bool(new) and seen[-1].missing == []

        def told_again() -> bool:
            launch.watch()  # who starts it anew
            status = launch.status()
            return status is not None and status.start_ns == start_ns

        until(complete)
        before, start_ns = seen[-1].tick, launch.start_ns
        os.kill(launch.pids()["hub"], signal.SIGKILL)
        until(told_again)
        until(complete)
        assert seen[-1].tick > before

        hanging = launch.pids()["fusion"]
        os.kill(hanging, signal.SIGSTOP)
        until(lambda: launch.watch() or launch.pids()["fusion"] != hanging)
        until(complete)
        subscriber.close()
    assert launch.take is not None
    ticks = [message.tick for message in recorded_poses(launch.take.records())]
    assert ticks == sorted(ticks)
    assert ticks[0] <= 1
    assert ticks[-1] > before


def keypoints(camera: str, frame: int) -> bytes:
    seen = Keypoints2D(np.full((1, 17, 2), 100.0), np.ones((1, 17)))
    header = {"boot_id": 1, "frame": frame, "time_ns": frame, "clock": "epoch", "skeleton": "coco17"}
    return encode(pack_keypoints(seen, camera=camera, **header))


def test_a_cut_cable_and_a_noisy_one(processes: Processes) -> None:
    """Cut without a word, then mended; then bits flip. The other camera's stream is whole all the time."""
    hub = processes.hub()
    proxy = TcpProxy(hub.ingest_port)
    proxy.start()
    listener = Subscriber(hub, ["keypoints"])
    far = Sender(msgspec.structs.replace(hub, ingest_port=proxy.port))
    near = Sender(hub)
    count = {"cam01": 0, "cam02": 0}
    bad = sent = 0

    def step() -> bool:
        nonlocal bad, sent
        far.send("keypoints/cam01", keypoints("cam01", 1))
        sent += near.send("keypoints/cam02", keypoints("cam02", 2))
        time.sleep(0.005)
        new = 0
        for received in listener.drain():
            try:
                decode(received.body)
            except Exception:
                bad += 1
                continue
            camera = received.topic.removeprefix("keypoints/")
            if camera in count:
                count[camera] += 1
                new += camera == "cam01"
        return new > 0

    until(step)
    until(lambda: (step(), count["cam02"] > 20)[1])
    unheard = sent - count["cam02"]  # sent before the listener was there, and those on their way
    proxy.cut = True
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        step()
    received = count["cam01"]
    proxy.cut = False
    until(step)
    assert count["cam01"] > received
    proxy.noise = random.Random(1)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        step()
    proxy.noise = None
    until(step)
    until(lambda: (step(), count["cam02"] >= sent - unheard - 5)[1])
    assert listener.dropped == 0
    proxy.ending = True
    proxy.join()
    for ending in (listener, far, near):
        ending.close()


def test_a_slow_listener_slows_nobody(processes: Processes) -> None:
    hub = processes.hub()
    slow, quick, sender = Subscriber(hub, ["keypoints"]), Subscriber(hub, ["keypoints"]), Sender(hub)
    until(lambda: sender.send("keypoints/cam01", keypoints("cam01", 0)) and quick.receive(0.05) is not None)
    received, sent, end = 0, 0, time.monotonic() + 3.0
    while time.monotonic() < end and sent < 800:
        sent += sender.send("keypoints/cam01", keypoints("cam01", sent))
        received += len(list(quick.drain()))
        time.sleep(0.002)
    until(lambda: len(list(quick.drain())) == 0)
    assert quick.dropped == 0
    assert received > 100
    slow.close()
    quick.close()
    sender.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on a file's size is set by the shell")
def test_a_full_disk_loses_nothing_that_was_written(processes: Processes, tmp_path: Path) -> None:
    """The file may not grow beyond 128 KB: the recorder says so, and goes on in the next file."""
    hub = processes.hub()
    command = f'ulimit -f 128; exec "{sys.executable}" -m multiview record "{tmp_path}/studio.toml" --take full'
    recorder = subprocess.Popen(["bash", "-c", command], stderr=subprocess.PIPE)
    sender, client = Sender(hub), RequestClient(hub)
    until(lambda: "service/recorder" in ((request(client, Status(), StatusReply) or _nobody()).roles))
    noise = np.random.default_rng(1)
    crowd = Keypoints2D(noise.normal(size=(8, 1000, 2)), noise.random((8, 1000)))
    header = {"camera": "cam01", "boot_id": 1, "frame": 1, "time_ns": 1, "skeleton": "coco17"}
    body = encode(pack_keypoints(crowd, **header))

    def parts() -> int:
        sender.send("keypoints/cam01", body)
        time.sleep(0.02)
        return len(list((tmp_path / "full.partial").glob("*.mcap")))

    until(lambda: parts() >= 3)
    recorder.terminate()
    assert b"cannot write" in recorder.communicate(timeout=120.0)[1]
    records = list(open_take(tmp_path / "full").records())
    assert sum(record.topic == "keypoints/cam01" for record in records) >= 2
    sender.close()
    client.close()


def _nobody() -> StatusReply:
    return StatusReply(boot_id=0, hub_ns=0, start_ns=0, roles={}, received=0, rejected=0, reasons={})


def test_a_torn_recording_is_read_up_to_the_cut_and_recovered(tmp_path: Path) -> None:
    take = begin_take(tmp_path, "torn", datetime.now(UTC), "", "")
    writer = RecordingWriter(take.next_recording())
    noise = random.Random(2)
    for i in range(1000):
        writer.write(Record("keypoints/cam01", Stamp(i, i, i * 1000), noise.randbytes(1000)))
    written = writer.bytes_written
    path = take.recordings()[0]
    torn = path.read_bytes()[: written - 1234]
    writer.close()
    path.write_bytes(torn)
    reader = RecordingReader(path)
    kept = list(reader)
    assert "cut off" in reader.torn
    assert 1000 - len(kept) <= 200  # the last chunks of 64 KB
    whole, rows = recover(take)
    assert whole.folder == tmp_path / "torn"
    assert rows == [("take.mcap", len(kept), reader.torn)]
    again = RecordingReader(whole.recordings()[0])
    assert list(again) == kept
    assert again.torn == ""


def test_a_network_studio_needs_its_keys(tmp_path: Path) -> None:
    studio = synthetic_studio(tmp_path, HubOptions(bind="0.0.0.0", ingest_port=0, publish_port=0, request_port=0))
    write_studio(studio, tmp_path / "studio.toml")
    command = [sys.executable, "-m", "multiview", "hub", str(tmp_path / "studio.toml")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert process.returncode == 2
    assert "multiview keys" in process.stderr
    assert Start().delay_ns > 0
