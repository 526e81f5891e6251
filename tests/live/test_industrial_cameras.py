"""Emulated industrial cameras are captured, run and examined as others are."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from benchmarks.emulated_camera import ADDRESS, network_camera
from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.errors import SourceError
from multiview.sources import DeviceSettings, FrameSource, open_source
from multiview.studio.config import CameraOptions, CameraSource, RecorderOptions, Studio
from multiview.studio.studio_file import load_studio, write_studio
from multiview.studio.take_studio import recorded_poses
from multiview.synthetic import StudioOptions, make_studio
from multiview.timing.sync_buffer import SyncOptions
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, KeypointsMessage, decode
from services.capture import doctor
from services.capture.doctor import examine, watch
from services.supervise.launch import Launch
from services.transport.bus import Subscriber
from tests.industrial import KINDS, emulated
from tests.processes import FREE, until

SIZE = (64, 48)
SIMULATED = {"cameras": 2, "people": 1, "seconds": 1.0, "fps": 25.0, "size": list(SIZE), "skeleton": "coco17"}


@pytest.fixture(params=KINDS)
def studio_file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio of two emulated cameras of one kind."""
    text = f'[recorder]\ndirectory = "{tmp_path}"\n'
    for number, address in enumerate(emulated(request.param, 2, monkeypatch)):
        text += f"""[cameras.cam0{number}.source]
type = "camera"
address = "{address}"
fps = 50
[cameras.cam0{number}.source.settings]
pixel_format = "Mono8"
roi = [0, 0, 64, 48]
"""
    path = tmp_path / "studio.toml"
    path.write_text(text)
    return path


def test_emulated_cameras_are_captured(studio_file: Path, tmp_path: Path) -> None:
    assert main(["capture", str(studio_file), "--take", "first", "--seconds", "1", "--lossless"]) == 0
    for camera in ("cam00", "cam01"):
        rows = (tmp_path / "first" / "videos" / f"{camera}.timestamps.csv").read_text().splitlines()[1:]
        assert len(rows) > 5
        times = [float(row.split(",")[1]) for row in rows]
        assert times[0] >= 0
        assert times == sorted(times)


def test_emulated_cameras_are_examined(studio_file: Path) -> None:
    source = load_studio(studio_file, check=False).source_of("cam00")
    assert isinstance(source, CameraSource)
    seen, itself = watch("cam00", source)
    assert seen.verdict != "bad"
    assert "64x48" in seen.seen
    assert itself.what == "cam00 itself"
    assert "firmware" in itself.seen


def test_connected_cameras_are_listed_with_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is in use by another program, which is said."""
    addresses = emulated("basler", 2, monkeypatch)

    def opened(address: str) -> FrameSource:
        if address == addresses[1]:
            raise SourceError("is another program using it?")
        return open_source(address)

    monkeypatch.setattr(doctor, "open_source", opened)
    found = {finding.seen.partition(": ")[0]: finding for finding in examine(None) if finding.what == "camera"}
    assert set(addresses) <= set(found)
    assert "firmware 1.1" in found[addresses[0]].seen.replace(addresses[0], "")
    assert (found[addresses[0]].verdict, found[addresses[1]].verdict) == ("good", "warn")
    assert "another program" in found[addresses[1]].seen


def simulated_people(addresses: list[str], folder: Path, trigger: str = "") -> Studio:
    """A studio of these cameras, in whose pictures simulated people are found."""
    simulated = make_studio(msgspec.convert(SIMULATED, StudioOptions))
    save_rig(simulated.rig, folder / "rig.toml")
    settings = DeviceSettings(pixel_format="Mono8", roi=[0, 0, *SIZE], trigger=trigger)
    cameras = {
        name: CameraOptions(
            source=CameraSource(
                address=address, fps=25.0, settings=settings, detector="synthetic", options={"studio": SIMULATED}
            )
        )
        for name, address in zip(simulated.rig.names, addresses, strict=True)
    }
    studio = Studio(
        rig=str(folder / "rig.toml"),
        skeleton="coco17",
        cameras=cameras,
        sync=SyncOptions(by_trigger=bool(trigger)),
        hub=FREE,
        recorder=RecorderOptions(directory=str(folder)),
    )
    write_studio(studio, folder / "studio.toml")
    return load_studio(folder / "studio.toml")


def test_emulated_cameras_of_both_kinds_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One studio, fused by the counts of a software trigger, which all cameras of a machine share."""
    addresses = emulated("basler", 1, monkeypatch) + emulated("genicam", 1, monkeypatch)
    studio = simulated_people(addresses, tmp_path, trigger="software")
    pulses: dict[str, set[int]] = {name: set() for name in studio.cameras}
    with Launch(studio, take="both", viewer=False) as launch:
        launch.start()
        stream = Subscriber(launch.studio.hub, [topics.KEYPOINTS], "test")

        def in_common() -> int:
            if (received := stream.receive(0.2)) is not None:
                message = decode(received.body)
                if isinstance(message, KeypointsMessage):
                    pulses[message.camera].add(message.trigger)
            return len(set.intersection(*pulses.values()))

        until(lambda: in_common() > 10)
        stream.close()
    assert launch.take is not None
    assert min(min(counts) for counts in pulses.values()) > 0
    assert any(len(message.cameras) == 2 for message in recorded_poses(launch.take.records()))


def test_camera_that_is_unplugged_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera on the loopback's network is killed, and another process answers in its place."""
    emulated("genicam", 1, monkeypatch)
    settings = DeviceSettings(pixel_format="Mono8", roi=[0, 0, *SIZE])
    with network_camera():
        source = open_source(f"genicam:{ADDRESS}", "cam01", fps=25.0, settings=settings)
        before = [source.read() for _ in range(3)]
    with network_camera():
        after = None
        while source.reconnects == 0:  # what was on its way is still read
            after = source.read()
        source.close()
    indices = [frame.index for frame in [*before, after] if frame is not None]
    assert len(indices) == 4
    assert indices == sorted(set(indices))
    assert source.trouble == ""


def test_camera_that_is_unplugged_in_a_run_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row says in a line what is the matter; the other camera goes on; its process is not started again."""
    addresses = [f"genicam:{ADDRESS}", *emulated("genicam", 1, monkeypatch)]
    studio = simulated_people(addresses, tmp_path)
    gone, other = studio.cameras
    frames, notes, boots = Counter[str](), dict[str, str](), set[int]()
    with ExitStack() as plugged:
        plugged.enter_context(network_camera())
        with Launch(studio, take="away", viewer=False) as launch:
            launch.start()
            stream = Subscriber(launch.studio.hub, [topics.KEYPOINTS, topics.CAMERA_HEALTH], "test")

            def come(camera: str, count: int) -> bool:
                if (received := stream.receive(0.2)) is not None:
                    message = decode(received.body)
                    if isinstance(message, KeypointsMessage):
                        frames[message.camera] += 1
                        boots.update({message.boot_id} if message.camera == gone else ())
                    elif isinstance(message, CameraHealth):
                        notes[message.camera] = message.note
                return frames[camera] >= count

            until(lambda: come(gone, 5) and come(other, 5))
            plugged.close()
            until(lambda: come(other, 1) and "it is opened again" in notes.get(gone, ""))
            frames.clear()
            until(lambda: come(other, 10))
            note = notes[gone]
            assert notes[other].count("unplugged") == 0
            frames.clear()
            with network_camera():
                until(lambda: come(gone, 5) and come(other, 5))
            stream.close()
    assert len(note.splitlines()) == 1
    assert len(boots) == 1
