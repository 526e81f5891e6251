"""Whatever comes down the stream, fusion goes on, and counts what it rejected."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from multiview.data import NS_PER_S
from multiview.studio.config import FusionOptions, Studio, SyntheticSource
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.unsynchronised import CameraTiming, TimingFaults, arrivals
from multiview.timing.sync_buffer import SyncOptions
from multiview.wire.messages import (
    AnyMessage,
    ClockSample,
    EndOfStream,
    FusionRequest,
    Heartbeat,
    IdentityLabel,
    KeypointsMessage,
    ServiceHealth,
    Stamp,
    decode,
    encode,
    write_blob,
)
from multiview.wire.packing import pack_keypoints
from services.nodes.fusion import FusionService

OPTIONS = {"cameras": 3, "people": 1, "seconds": 2.0, "fps": 25.0, "skeleton": "coco17"}
STUDIO = Studio(skeleton="coco17", source=SyntheticSource(options=OPTIONS))
SIMULATED = make_studio(msgspec.convert(OPTIONS, StudioOptions))
FRAMES = SIMULATED.frames
MS = 1_000_000
BASE = 3_000 * NS_PER_S

Edit = Callable[[KeypointsMessage], KeypointsMessage | bytes | None]


class Stream:
    """Numbers messages as the hub does, and feeds them."""

    def __init__(self, studio: Studio = STUDIO) -> None:
        self.fusion = StreamFusion(studio, SIMULATED.rig)
        self.fused: list[FusedTick] = []
        self._sequence = 0

    def put(self, topic: str, body: bytes | AnyMessage, arrival_ns: int) -> None:
        body = body if isinstance(body, bytes) else encode(body)
        self.fused += self.fusion.feed(topic, Stamp(self._sequence, self._sequence, arrival_ns), body)
        self._sequence += 1

    def play(self, edit: Edit = lambda message: message, first: int = 0, last: int = FRAMES) -> None:
        """Frames of all cameras, a millisecond after their time; `edit` may change, replace or drop a message."""
        for frame in range(first, last):
            for camera, name in enumerate(SIMULATED.rig.names):
                keypoints = SIMULATED.keypoints(camera, frame)
                if keypoints is None:
                    continue
                time_ns = SIMULATED.time_ns(frame)
                message = pack_keypoints(
                    keypoints, camera=name, boot_id=1, frame=frame, time_ns=time_ns, clock="epoch", skeleton="coco17"
                )
                edited = edit(message)
                if edited is not None:
                    self.put(f"keypoints/{name}", edited, BASE + time_ns + MS + camera)

    def ticks(self) -> list[int]:
        return [fused.message.tick for fused in self.fused]


def of_second(change: Callable[[KeypointsMessage], KeypointsMessage | bytes | None]) -> Edit:
    """Only what cam02 sends is changed."""
    return lambda message: change(message) if message.camera == "cam02" else message


def corrupt(message: KeypointsMessage) -> bytes:
    body = bytearray(encode(message))
    body[len(body) // 2] ^= 4
    return bytes(body)


def newer(message: KeypointsMessage) -> bytes:
    import zlib

    content = msgspec.msgpack.decode(encode(message)[:-4]) | {"version": 3}
    body = msgspec.msgpack.encode(content)
    return body + zlib.crc32(body).to_bytes(4, "little")


SENSELESS = ((0, np.nan), (1, np.inf), (2, np.inf), (2, -1.0), (2, np.nan))  # channel (x, y, score) and value


def with_joints(message: KeypointsMessage, senseless: bool) -> KeypointsMessage:
    """Joints 1 to 5 of everyone have a number each that makes no sense; or they are plainly missing."""
    table = np.frombuffer(message.blob, "<f4").astype(float).reshape(message.people, message.joints, message.channels)
    for joint, (channel, value) in enumerate(SENSELESS, start=1):
        if senseless:
            table[:, joint, channel] = value
        else:
            table[:, joint] = np.nan, np.nan, 0.0
    return msgspec.structs.replace(message, blob=write_blob(table))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (corrupt, "CRC-32"),
        (newer, "schema version 3"),
        (lambda m: encode(m)[:-9], "CRC-32"),
        (lambda m: b"", "bytes"),
        (lambda m: msgspec.structs.replace(m, calibration="another"), "another calibration"),
        (lambda m: msgspec.structs.replace(m, skeleton="body25"), "sends skeleton body25"),
        (lambda m: msgspec.structs.replace(m, camera="cam01"), "came under the topic"),
        (lambda m: msgspec.structs.replace(m, clock="worker"), "another clock"),
    ],
)
def test_one_bad_camera_is_refused_and_the_others_go_on(change: Edit, reason: str) -> None:
    stream = Stream()
    stream.play(of_second(change))
    stream.put("heartbeat", Heartbeat(boot_id=1, hub_ns=0, utc_ns=0), BASE + 3 * NS_PER_S)
    assert stream.ticks()[:FRAMES] == list(range(FRAMES))
    assert all("cam02" in fused.message.missing for fused in stream.fused)
    assert sum(n for text, n in stream.fusion.rejected.items() if reason in text) >= FRAMES - 5
    assert any(fused.tracks.tracks for fused in stream.fused)


def test_keypoints_with_senseless_numbers_are_missing_joints() -> None:
    senseless, missing = Stream(), Stream()
    senseless.play(of_second(lambda message: with_joints(message, senseless=True)))
    missing.play(of_second(lambda message: with_joints(message, senseless=False)))
    assert len(senseless.fused) >= FRAMES - 4
    assert sum(bool(fused.tracks.tracks) for fused in senseless.fused) >= FRAMES - 10
    for one, other in zip(senseless.fused, missing.fused, strict=True):
        assert one.message == other.message


@pytest.mark.parametrize("last", range(20, 26))
def test_when_all_cameras_fall_silent_people_are_kept_for_a_moment(last: int) -> None:
    """As when the hub is gone: ticks in which nothing was seen, and someone is known."""
    stream = Stream()
    stream.play(last=last)
    for tick in range(last, last + 20):
        beat = Heartbeat(boot_id=1, hub_ns=0, utc_ns=0)
        stream.put("heartbeat", beat, BASE + SIMULATED.time_ns(tick) + 50 * MS)
    silent = [fused.message for fused in stream.fused[last:]]
    assert len(silent) >= 3
    assert all(len(message.missing) == 3 for message in silent)
    assert silent[0].people
    stream.play(first=last + 20)
    assert stream.fused[-1].message.people == silent[0].people


def test_whatever_is_refused_is_counted_however_many_reasons_there_are() -> None:
    stream = Stream()
    for number in range(1200):
        stream.put(f"keypoints/cam{number + 100}", EndOfStream(camera=f"cam{number + 100}", boot_id=1), BASE)
        stream.put("keypoints/cam01", ServiceHealth(service=f"cam{number}", boot_id=1), BASE)
    assert stream.fusion.rejected.total() == stream.fusion.received == 2400
    assert len(stream.fusion.rejected) <= 1001
    assert sum(n for reason, n in stream.fusion.rejected.items() if "another kind" in reason) == 1200


def test_of_a_worker_that_begins_again_and_again_only_so_many_runs_are_remembered() -> None:
    stream = Stream()
    for number in range(1500):
        stream.put("keypoints/cam01", EndOfStream(camera="cam01", boot_id=number), BASE)
    stream.put("keypoints/cam01", EndOfStream(camera="cam01", boot_id=1490), BASE)
    assert stream.fusion.rejected.total() == 1
    assert len(stream.fusion._sessions["cam01"].ended_runs) == 1000


def test_copies_change_nothing() -> None:
    plain, doubled = Stream(), Stream()
    plain.play()
    doubled.play()
    again = Stream()
    for frame in range(FRAMES):
        again.play(first=frame, last=frame + 1)
        again.play(first=frame, last=frame + 1)
    for one, two in zip(plain.fused, again.fused, strict=True):
        assert one.message.blob == two.message.blob


def test_a_replaced_worker_is_not_heard_again() -> None:
    stream = Stream()
    stream.play(last=10)
    newcomer = of_second(lambda m: msgspec.structs.replace(m, boot_id=2))
    stream.play(newcomer, first=10, last=20)
    stream.play(first=20, last=30)  # the old one speaks again
    assert sum(n for text, n in stream.fusion.rejected.items() if "was replaced" in text) == 10
    stream.play(newcomer, first=30, last=40)
    assert "cam02" in stream.fused[-1].message.cameras


def test_the_end_is_flushed() -> None:
    stream = Stream()
    stream.play(of_second(lambda m: m if m.frame < FRAMES - 1 else None))
    assert stream.ticks()[-1] == FRAMES - 2
    assert not stream.fusion.finished
    for name in SIMULATED.rig.names:
        stream.put(f"keypoints/{name}", EndOfStream(camera=name, boot_id=1), BASE + 2 * NS_PER_S)
    assert stream.ticks() == list(range(FRAMES))
    assert stream.fusion.finished


class OwnClocks(Stream):
    """Workers with clocks of their own, probed over a network of 0.2 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = {name: (index - 1) * 7 * NS_PER_S for index, name in enumerate(SIMULATED.rig.names)}

    def probe(self, name: str, hub_ns: int) -> None:
        own = hub_ns + self.offsets[name]
        trip = 200_000
        sample = ClockSample(
            camera=name,
            boot_id=1,
            sent_ns=own - trip // 2,
            hub_received_ns=hub_ns,
            hub_replied_ns=hub_ns,
            reply_received_ns=own + trip // 2,
        )
        self.put(f"clock/{name}", sample, hub_ns + trip)

    def run(self, first: int, last: int) -> None:
        for frame in range(first, last):
            hub_ns = BASE + SIMULATED.time_ns(frame)
            self.put("heartbeat", Heartbeat(boot_id=1, hub_ns=hub_ns, utc_ns=hub_ns + 5), hub_ns)
            for camera, name in enumerate(SIMULATED.rig.names):
                if frame < 6 or frame % 5 == 0:
                    self.probe(name, hub_ns)
                keypoints = SIMULATED.keypoints(camera, frame)
                if keypoints is not None:
                    header = {"camera": name, "boot_id": 1, "frame": frame, "skeleton": "coco17"}
                    message = pack_keypoints(keypoints, time_ns=hub_ns + self.offsets[name], **header)
                    self.put(f"keypoints/{name}", message, hub_ns + MS)


def test_clocks_of_their_own_are_brought_together() -> None:
    stream = OwnClocks()
    stream.run(0, FRAMES)
    last = stream.fused[-1].message
    assert last.clock == "hub"
    assert last.missing == []
    assert last.utc_ns == last.time_ns + 5
    assert 0 < last.clock_sigma_ns <= 100_000
    assert any(fused.tracks.tracks for fused in stream.fused)


def test_frames_of_a_camera_that_has_just_begun_are_no_trouble() -> None:
    stream = OwnClocks()
    stream.run(0, 10)
    assert stream.fusion.clock_unknown >= 3
    assert stream.fusion.rejected.total() == 0
    assert (
        stream.fusion.received == sum(c.used for c in stream.fusion.sync.counts()) + stream.fusion.clock_unknown + 3 * 6
    )


@pytest.mark.parametrize("jump_ns", [500 * MS, -500 * MS, 3600 * NS_PER_S])
def test_a_clock_that_jumps_is_left_out_until_it_is_known_again(jump_ns: int) -> None:
    stream = OwnClocks()
    stream.run(0, 15)
    assert stream.fused[-1].message.missing == []
    stream.offsets["cam02"] += jump_ns
    stream.run(15, FRAMES)
    missing = [("cam02" in f.message.missing) for f in stream.fused]
    assert any(missing)
    assert not any("cam01" in f.message.missing for f in stream.fused[1:])
    assert stream.fusion.clocks()["cam02"].jumps == 1
    assert not missing[-1]


def test_the_same_stream_gives_the_same_bits() -> None:
    one, two = OwnClocks(), OwnClocks()
    one.run(0, FRAMES)
    two.run(0, FRAMES)
    assert [f.message for f in one.fused] == [f.message for f in two.fused]
    assert isinstance(decode(encode(one.fused[0].message)), type(one.fused[0].message))


def of_cameras_out_of_step(settings: Studio) -> StreamFusion:
    """Twenty-two seconds of four cameras with clocks of their own, of which cam02 stamps 40 ms late."""
    simulated = make_studio(StudioOptions(cameras=4, people=2, seconds=22.0, fps=30.0, only_walking=True, seed=2))
    timings = [CameraTiming(30.0, 0.003 * c, 1.0 + c, 2e-5 * c, 0.04 * (c == 1)) for c in range(4)]
    rng = np.random.default_rng(0)
    fusion = StreamFusion(settings, simulated.rig)
    for number, came in enumerate(arrivals(simulated, timings, TimingFaults(), rng)):
        name = simulated.rig.names[came.camera]
        if came.probe is not None:
            topic, body = f"clock/{name}", encode(came.probe)
        else:
            assert came.keypoints is not None
            message = pack_keypoints(
                came.keypoints, camera=name, boot_id=came.camera + 1, frame=came.frame, time_ns=came.stamp_ns,
                clock="worker", size=(1920, 1080), calibration="", skeleton="coco17",
            )  # fmt: skip
            topic, body = f"keypoints/{name}", encode(message)
        for _ in fusion.feed(topic, Stamp(number, number, came.arrival_ns), body):
            pass
    return fusion


@pytest.mark.slow
def test_a_late_camera_is_corrected_where_the_studio_says_so() -> None:
    settings = Studio(
        skeleton="coco17", sync=SyncOptions(rate_hz=30.0), fusion=FusionOptions(correct_time_offsets=True)
    )
    monitor = of_cameras_out_of_step(settings).time_offsets
    assert monitor is not None
    assert abs(1e3 * monitor.corrected_s[1] + 40.0) < 8.0
    assert max(map(abs, np.delete(monitor.corrected_s, 1))) == 0.0
    assert monitor.confirmed == {}
    assert (
        "stamps corrected by -4" in monitor.advice()["cam02"] or "stamps corrected by -3" in monitor.advice()["cam02"]
    )


@pytest.mark.slow
def test_what_fusion_says_of_cameras_with_clocks_of_their_own_can_be_sent() -> None:
    """Their figures, as a message."""
    service = object.__new__(FusionService)
    service._fusion = of_cameras_out_of_step(Studio(skeleton="coco17", sync=SyncOptions(rate_hz=30.0)))
    values = service._camera_values()
    encode(ServiceHealth(service="fusion", boot_id=1, values=values, texts=service._time_offsets()))
    assert 0.0 < values["cam02.clock_sigma_ms"] < 1.0
    assert 0.0 < values["cam03.residual_px"] < 20.0
    assert abs(values["cam02.time_offset_ms"] + 40.0) < 8.0
    assert "ms late" in service._time_offsets()["cam02 time offset"]
    assert not any(key.endswith("time_offset_ms") and not key.startswith("cam02") for key in values)


def test_a_person_is_called_by_the_name_that_was_given_from_the_next_tick_on() -> None:
    stream = Stream()
    stream.play(last=20)
    person = stream.fused[-1].tracks.tracks[0].person
    received = {}
    for until, name in ((25, "amy"), (30, "bo"), (35, "")):
        arrival_ns = BASE + SIMULATED.time_ns(until - 5)
        stream.put("identity_label", IdentityLabel(person=person, name=name), arrival_ns)
        stream.play(first=until - 5, last=until)
        received[name] = {track.name for fused in stream.fused[until - 5 :] for track in fused.tracks.tracks}
    assert received == {"amy": {"amy"}, "bo": {"bo"}, "": {""}}
    assert all(track.name == "" for fused in stream.fused[:20] for track in fused.tracks.tracks)


def test_people_get_new_numbers_when_a_user_asks_for_it() -> None:
    stream = Stream()
    stream.play(last=20)
    before = {track.person for track in stream.fused[-1].tracks.tracks}
    stream.put("identity_label", IdentityLabel(person=min(before), name="amy"), BASE + SIMULATED.time_ns(20))
    stream.put("fusion_request", FusionRequest(new_identities=True), BASE + SIMULATED.time_ns(20))
    stream.play(first=20, last=40)
    after = {track.person for fused in stream.fused[20:] for track in fused.tracks.tracks}
    assert len(after) == len(before) > 0
    assert min(after) > max(before)  # a number is never given to another person
    assert {track.name for fused in stream.fused[20:] for track in fused.tracks.tracks} == {""}


def test_camera_is_left_out_and_taken_in_again() -> None:
    stream = Stream()
    for until, left_out in ((20, None), (30, ["cam02"]), (40, None), (50, [])):
        stream.put("fusion_request", FusionRequest(left_out=left_out), BASE + SIMULATED.time_ns(until - 10))
        stream.play(first=0 if until == 20 else until - 10, last=until)
    there = ["cam02" in fused.message.cameras for fused in stream.fused]
    assert there[5:19] == 14 * [True]
    assert there[21:39] == 18 * [False]
    assert there[41:] == [True] * len(there[41:]) != []
    assert all("cam02" in fused.message.missing for fused in stream.fused[21:39])
    stream.put("fusion_request", FusionRequest(left_out=["cam99"]), BASE + SIMULATED.time_ns(50))
    assert stream.fusion.rejected.total() == 1
    assert stream.fusion.left_out == frozenset()


@pytest.mark.parametrize("count", [2**62, 2**63 - 1])
def test_wild_count_of_a_trigger_is_rejected(count: int) -> None:
    """Its time would not fit in a message; the cameras that count right are fused as if it had not come."""
    studio = msgspec.structs.replace(STUDIO, sync=SyncOptions(by_trigger=True))
    fusion, keypoints = StreamFusion(studio, SIMULATED.rig), SIMULATED.keypoints(0, 0)
    header = {"boot_id": 1, "time_ns": 0, "skeleton": "coco17"}
    wild = pack_keypoints(keypoints, camera="cam01", frame=0, trigger=count, **header)
    ticks = list(fusion.feed("keypoints/cam01", Stamp(0, 0, 0), encode(wild)))
    assert (ticks, fusion.rejected.total()) == ([], 1)
    for camera in fusion.rig.names:
        body = encode(pack_keypoints(keypoints, camera=camera, frame=0, trigger=5, **header))
        ticks += fusion.feed(f"keypoints/{camera}", Stamp(0, 0, 0), body)
    assert [tick.views.tick for tick in ticks] == [5]


def test_a_studio_with_one_camera_lifts_its_people() -> None:
    """Poses come live, one ray a joint, under a number that stays; what needs several cameras is left alone."""
    options = {**OPTIONS, "cameras": 1}
    simulated = make_studio(msgspec.convert(options, StudioOptions))
    studio = Studio(
        skeleton="coco17", source=SyntheticSource(options=options), fusion=FusionOptions(person_height_m=1.7)
    )
    fusion, fused = StreamFusion(studio, simulated.rig), list[FusedTick]()
    fusion.warm_up()
    for frame in range(simulated.frames):
        keypoints, time_ns = simulated.keypoints(0, frame), simulated.time_ns(frame)
        if keypoints is None:
            continue
        header = {"boot_id": 1, "frame": frame, "time_ns": time_ns, "clock": "epoch", "skeleton": "coco17"}
        body = encode(pack_keypoints(keypoints, camera="cam01", **header))
        fused += fusion.feed("keypoints/cam01", Stamp(frame, frame, BASE + time_ns + MS), body)
    assert fusion.lifts
    assert {track.person for tick in fused for track in tick.tracks.tracks} == {1}
    assert sum(bool(tick.tracks.tracks) for tick in fused) > 0.8 * len(fused)
    pose = fused[-5].tracks.tracks[0].pose
    true = simulated.truth.xyz[simulated.truth.frame == fused[-5].message.tick][0]
    away = np.linalg.norm(true.mean(axis=0) - simulated.rig.cameras[0].centre)
    assert np.linalg.norm(np.nanmean(pose.xyz - true, axis=0)) < 0.2 * away
    assert set(np.unique(pose.views)) <= {0, 1}
    assert (fusion.calibration_faults(), fusion.residuals_px(), fusion.time_offsets) == ({}, {}, None)
