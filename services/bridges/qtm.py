"""Qualisys Track Manager's real-time protocol, as its server: for the plug-ins of Unreal, Unity, MotionBuilder, MATLAB.

A client of QTM connects to this machine, port 22223, and gets people as skeletons (VRM's bone names, positions in mm, z
up) and joints as labelled points, `NAME_JOINT`, with their standard deviation as residual. There is always the same
number of skeletons, one for each slot; one without anybody has no segments. When somebody comes, goes, or is named,
clients are told that settings changed, upon which they ask for names and bones again. Clients control nothing here.

References:
    QTM RT Server Protocol Documentation, https://docs.qualisys.com/qtm-rt-protocol/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import threading
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import numpy as np
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import Humanoid, Motion, forward_kinematics, world_rotations
from multiview.body.skeleton import Skeleton
from multiview.common.ranges import between
from multiview.data import Track, Tracks
from multiview.errors import ConfigError
from services.bridges._learned_person import LearnedPerson
from services.bridges._qtm_packets import Body, Event, Packet, data_packet, event_packet, parameters, text_packet
from services.bridges._slots import SlotAllocator
from services.transport.bus import is_loopback

__all__ = ["Bridge", "Options"]

MAX_CLIENTS = 16
MAX_COMMAND = 1024  # bytes
MAX_WAITING = 1 << 20  # bytes that a client has not taken: frames are left out until it does
_US_PER_S = 1e6


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Address to listen on. The protocol has no passwords: off this machine, everybody in the network can read it."""
    port: Annotated[int, between(0, 65535)] = 22223
    """TCP port; clients add 1 to QTM's base port, 22222; 0: any free port."""
    people: Annotated[int, between(1, 64, "people")] = 4
    """Slots; people beyond them are not sent."""
    learn_s: Annotated[float, between(0, 3600, "s")] = 3.0
    """s. Time in which the bone lengths of a new person are measured."""


@dataclass(slots=True, eq=False)
class _Client:
    """One connection: what it streams, every how many frames, and where to if by UDP."""

    writer: asyncio.StreamWriter
    components: tuple[str, ...] = ()
    divisor: int = 1
    udp_port: int = 0
    frames: int = field(default=0)


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        self._options, self._skeleton, self._rate_hz = options, skeleton, rate_hz
        self._slots = SlotAllocator(options.people)
        self._people: dict[int, LearnedPerson] = {}
        self._bodies = [self._nobody(slot) for slot in range(options.people)]
        self._frame, self._time_us = 0, 0
        self._clients: set[_Client] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._loop = asyncio.new_event_loop()
        try:
            self._server = self._loop.run_until_complete(self._listen())
        except OSError as error:
            self._loop.close()
            raise ConfigError(
                f"cannot listen on {options.host}:{options.port} ({error.strerror}): set another port, or end the "
                "program that has it, QTM itself perhaps"
            ) from None
        self.port = int(self._server.sockets[0].getsockname()[1])
        if not is_loopback(options.host):
            logging.warning("on %s everybody in the network can read who is where", options.host)
        logging.info("clients of QTM connect to %s, port %d", options.host, self.port)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def send(self, tracks: Tracks) -> None:
        slots = self._slots.assign(tracks)
        self._people = {person: state for person, state in self._people.items() if person in slots}
        bodies = [self._nobody(slot) for slot in range(self._options.people)]
        for track in tracks.tracks:
            if track.person in slots and np.isfinite(track.pose.xyz).any():
                bodies[slots[track.person]] = self._body(track, slots[track.person])
        time_us = round(tracks.time * _US_PER_S)
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(self._publish, bodies, tracks.tick, time_us)

    def close(self) -> None:
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(2.0)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2.0)
            self._loop.close()

    def _nobody(self, slot: int) -> Body:
        joints = len(self._skeleton.joints)
        return Body(f"person{slot + 1}", np.full((joints, 3), np.nan), np.full(joints, np.nan))

    def _body(self, track: Track, slot: int) -> Body:
        if track.person not in self._people:
            self._people[track.person] = LearnedPerson(self._skeleton, self._rate_hz, self._options.learn_s)
        person = self._people[track.person]
        rest, motion = person.solve(track)
        variance = np.trace(track.pose.cov, axis1=1, axis2=2) / 3
        name = track.name or f"person{slot + 1}"
        return _moved(Body(name, track.pose.xyz, np.sqrt(variance)), person, rest, motion)

    # What follows runs in the loop's thread.

    async def _listen(self) -> asyncio.Server:
        host = self._options.host
        server = await asyncio.start_server(self._serve, host, self._options.port, limit=MAX_COMMAND)
        self._udp, _ = await self._loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(host, 0))
        return server

    def _publish(self, bodies: list[Body], tick: int, time_us: int) -> None:
        changed = [_identity(body) for body in bodies] != [_identity(body) for body in self._bodies]
        self._bodies, self._frame, self._time_us = bodies, tick, time_us
        packets: dict[tuple[str, ...], bytes] = {}
        for client in list(self._clients):
            if changed:
                client.writer.write(event_packet(Event.SETTINGS_CHANGED))
            if not client.components:
                continue
            client.frames += 1
            if client.frames % client.divisor == 0:
                if client.components not in packets:
                    packets[client.components] = data_packet(time_us, tick, bodies, client.components)
                self._transmit(client, packets[client.components])

    def _transmit(self, client: _Client, packet: bytes) -> None:
        if client.udp_port and self._udp is not None:
            self._udp.sendto(packet, (client.writer.get_extra_info("peername")[0], client.udp_port))
        elif client.writer.transport.get_write_buffer_size() < MAX_WAITING:
            client.writer.write(packet)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        if len(self._clients) >= MAX_CLIENTS:
            writer.write(text_packet(Packet.ERROR, "too many clients"))
            writer.close()
            return
        client = _Client(writer)
        self._clients.add(client)
        try:
            writer.write(text_packet(Packet.COMMAND, "QTM RT Interface connected"))
            while True:
                size, kind = struct.unpack("<II", await reader.readexactly(8))
                if not 8 < size <= MAX_COMMAND:
                    return
                text = (await reader.readexactly(size - 8)).rstrip(b"\0").decode("ascii", "replace")
                if kind == Packet.COMMAND and text.strip().lower() == "quit":
                    return
                answer = self._answer(client, text) if kind == Packet.COMMAND else _refusal("Parse error")
                writer.write(answer)
                await asyncio.wait_for(writer.drain(), 10.0)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            return
        finally:
            self._clients.discard(client)
            writer.transport.abort()

    def _answer(self, client: _Client, text: str) -> bytes:
        """To a command; empty where the protocol has none."""
        command, *words = text.lower().split() or [""]
        if command == "version":
            return _version(words)
        if command == "qtmversion":
            return text_packet(Packet.COMMAND, "QTM Version is 2025.1 (build multiview)")
        if command == "byteorder":
            return text_packet(Packet.COMMAND, "Byte order is little endian")
        if command == "getstate":
            return event_packet(Event.CONNECTED)
        if command == "getparameters":
            return text_packet(
                Packet.XML, parameters(self._bodies, self._skeleton.joints, self._rate_hz, words or ["all"])
            )
        if command == "getcurrentframe":
            return data_packet(self._time_us, self._frame, self._bodies, words)
        if command == "streamframes":
            return self._stream(client, words)
        if command in ("takecontrol", "releasecontrol", "new", "close", "start", "stop", "load", "save", "trig"):
            return _refusal("this server is not controlled by clients")
        return _refusal("Parse error")

    def _stream(self, client: _Client, words: list[str]) -> bytes:
        """Begin to stream, or stop; what goes on, or ends, is its own answer."""
        rate, *rest = words or [""]
        if rate == "stop":
            client.components = ()
            return b""
        kind, _, number = rate.partition(":")
        count = int(number) if number.isdecimal() and 0 < int(number) <= 10_000 else 0
        if kind not in ("allframes", "frequency", "frequencydivisor") or (kind != "allframes" and not count):
            return _refusal("Parse error")
        port = 0
        if rest and rest[0].startswith("udp"):
            udp = rest.pop(0).split(":")
            if len(udp) != 2 or not udp[1].isdecimal() or not 0 < int(udp[1]) <= 65535:
                return _refusal("UDP goes to a port of the client itself: UDP:PORT")
            port = int(udp[1])
        if not rest:
            return _refusal("Parse error")
        divisor = {"allframes": 1, "frequencydivisor": count, "frequency": round(self._rate_hz / max(count, 1))}[kind]
        client.components, client.divisor, client.udp_port = tuple(rest), max(1, divisor), port
        return b""

    async def _end(self) -> None:
        self._server.close()
        for client in list(self._clients):
            client.writer.write(event_packet(Event.SHUTTING_DOWN))
            client.writer.close()
        if self._udp is not None:
            self._udp.close()
        await asyncio.sleep(0)  # let connections end by themselves
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _version(words: list[str]) -> bytes:
    major, _, minor = (words or [""])[0].partition(".")
    if major == "1" and minor.isdecimal() and 8 <= int(minor) <= 25:
        return text_packet(Packet.COMMAND, f"Version set to {major}.{minor}")
    return _refusal("Version NOT supported")


def _refusal(words: str) -> bytes:
    return text_packet(Packet.ERROR, words)


def _identity(body: Body) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """What clients have to know before a frame can be read: names and bones, to the millimetre."""
    bones = body.rest.bones if body.rest is not None else ()
    return body.name, tuple((bone.name, np.round(bone.offset, 3).tobytes()) for bone in bones)


def _moved(body: Body, person: LearnedPerson, rest: Humanoid, motion: Motion) -> Body:
    """The body with its bones."""
    places = forward_kinematics(rest, motion)
    offsets = np.array([bone.offset for bone in rest.bones])
    offsets[0] = motion.root[0]
    return body._replace(
        rest=rest,
        places=np.array([places[bone.name][0] for bone in rest.bones]),
        world=person.world_sign(Rotation.from_matrix(world_rotations(rest, motion)[0]).as_quat()),
        offsets=offsets,
        local=person.local_sign(Rotation.from_matrix(motion.local[0]).as_quat()),
    )
