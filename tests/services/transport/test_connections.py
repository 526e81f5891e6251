"""The table of connections, with real TCP connections and a clock of its own."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

import pytest

from services.transport.connections import ConnectionTable, Limits

LIMITS = {
    "ingest": Limits(
        connections=4, kept=0, waiting=2, in_all=1 << 20, messages_s=10.0, messages=10.0, bytes_s=1e4, bytes=1e4
    ),
    "publish": Limits(connections=8, of_one_key=4, kept=2, waiting=4, behind=2, speaks=False),
    "request": Limits(
        connections=32, of_one_key=16, kept=0, in_all=110_000, listeners_s=20.0, unfinished_at_once=50_000
    ),
}
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a connection received")


class Network:
    """Connected pairs: the table has the server's ends."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.table = ConnectionTable(LIMITS, lambda user: not user.startswith("listener"))

    def connect(self, port: str = "ingest", now_s: float = 0.0, greets: bool = True) -> tuple[socket.socket, int]:
        client = socket.create_connection(self._server.getsockname())
        end, _ = self._server.accept()
        self._ends += [client, end]
        if greets:
            client.sendall(bytes(100))
            self.read(end, 100)
        self.table.accepted(port, end.fileno(), now_s)
        return client, end.fileno()

    def subscribe(self, user: str, now_s: float = 0.0) -> socket.socket:
        """A subscriber with this key."""
        client, file = self.connect("publish", now_s)
        self.table.count(file, user, 1, now_s)
        return client

    def read(self, end: socket.socket, size: int) -> None:
        """As ZeroMQ would."""
        while size:
            size -= len(end.recv(min(size, 1 << 20)))

    def end(self, file: int) -> socket.socket:
        return next(end for end in self._ends if end.fileno() == file)

    def peer(self, client: socket.socket) -> socket.socket:
        """The server's end."""
        return next(end for end in self._ends if end.getpeername() == client.getsockname())

    def is_known(self, client: socket.socket) -> bool:
        return self.peer(client).fileno() in self.table

    def close(self) -> None:
        self.table.close_all()
        for end in (*self._ends, self._server):
            end.close()


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


def is_open(client: socket.socket) -> bool:
    client.settimeout(0.0)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def fill(end: socket.socket) -> None:
    """Send until no more is taken."""
    end.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            end.send(bytes(1 << 20))


@linux
def test_connections_without_a_greeting_make_room_for_others(network: Network) -> None:
    silent = [network.connect(greets=False)[0] for _ in range(10)]
    good, _ = network.connect()
    network.table.sweep(0.1)
    assert [is_open(client) for client in silent] == [False] * 8 + [True] * 2
    assert is_open(good)
    assert network.table.closed_for == {"too many silent connections": 8}


def test_connections_beyond_the_limit_are_closed_and_speakers_stay(network: Network) -> None:
    speaker, file = network.connect(now_s=0.0)
    others = [network.connect(now_s=0.0)[0] for _ in range(3)]
    assert network.table.count(file, "", 10, 9.0)
    newcomers = [network.connect(now_s=10.0)[0] for _ in range(2)]
    network.table.sweep(10.0)
    assert is_open(speaker)
    assert [is_open(client) for client in others] == [False, False, True]  # silent for ten seconds
    assert all(map(is_open, newcomers))


def test_connections_of_listeners_stay_and_the_newest_goes(network: Network) -> None:
    first = [network.subscribe("") for _ in range(8)]
    late = network.subscribe("", now_s=100.0)
    network.table.sweep(100.0)
    assert all(map(is_open, first))
    assert not is_open(late)


def test_connections_of_one_key_are_bounded(network: Network) -> None:
    mine, others = [network.subscribe("listener A") for _ in range(6)], [network.subscribe("listener B")]
    network.table.sweep(0.1)
    assert [is_open(client) for client in mine] == [True] * 4 + [False] * 2
    assert all(map(is_open, others))
    assert network.table.closed_for == {"too many connections of one key": 2}


def test_listeners_keep_nobody_out_who_has_a_part_in_the_studio(network: Network) -> None:
    """Also where they connect and say nothing; whoever has just come is given time to say what it wants."""
    listeners = [network.subscribe(f"listener {number % 2}") for number in range(8)]
    silent = [network.connect("publish")[0] for _ in range(8)]
    network.table.sweep(0.1)
    own = [network.subscribe(name, now_s=10.0) for name in ("fusion", "viewer")]
    late, _ = network.connect("publish", now_s=10.0)
    network.table.sweep(10.1)
    assert all(map(is_open, own))
    assert is_open(late)
    assert [is_open(client) for client in listeners] == [True] * 4 + [False] * 4
    assert sum(map(is_open, silent)) == 1


def test_connections_that_send_too_fast_are_slowed_then_closed(network: Network) -> None:
    client, file = network.connect()
    used = [network.table.count(file, "", 10, 0.0) for _ in range(20)]
    assert used == [True] * 10 + [False] * 10
    assert is_open(client)
    assert network.table.count(file, "", 10, 3.0)  # refilled
    for _ in range(30):
        network.table.count(file, "", 10, 3.0)
    assert not is_open(client)


def test_connections_with_too_many_bytes_are_closed(network: Network) -> None:
    client, file = network.connect()
    assert not network.table.count(file, "", 15_000, 0.0)
    network.table.count(file, "", 15_000, 0.0)
    assert not is_open(client)


@linux
def test_message_without_end_is_cut_off(network: Network) -> None:
    client, file = network.connect()
    network.table.sweep(0.0)
    for step in range(1, 5):
        assert is_open(client)
        client.sendall(bytes(200_000))
        network.read(network.end(file), 200_000)
        network.table.sweep(0.01 * step)
    assert not is_open(client)
    assert network.table.closed_for == {"message without end": 1}


@linux
def test_connections_that_complete_their_messages_stay(network: Network) -> None:
    client, file = network.connect()
    for step in range(1, 20):
        client.sendall(bytes(200_000))
        network.read(network.end(file), 200_000)
        network.table.count(file, "", 100, step)
        network.table.sweep(step)
    assert is_open(client)


@linux
def test_bytes_that_wait_in_the_kernel_are_not_counted(network: Network) -> None:
    """As after a pause of the hub: nothing is wrong with the sender."""
    client, _ = network.connect()
    client.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 50_000_000:
            sent += client.send(bytes(100_000))
    assert 600_000 < sent < 50_000_000
    for step in range(5):
        network.table.sweep(step / 100)
    assert is_open(client)


def test_subscriptions_of_one_connection_are_bounded(network: Network) -> None:
    client, file = network.connect("publish")
    for _ in range(100):
        network.table.subscribed(file, b"poses", True)
        network.table.subscribed(file, b"poses", False)
    assert is_open(client)
    for number in range(300):
        network.table.subscribed(file, b"%d" % number, True)
    assert not is_open(client)


def test_subscriptions_are_bounded_by_their_bytes(network: Network) -> None:
    """libzmq keeps a node for each of them: 250 topics of 250 characters took 3 MB."""
    client, file = network.connect("publish")
    for number in range(8):
        network.table.subscribed(file, b"%0500d" % number, True)
        network.table.subscribed(file, b"%0500d" % number, True)  # the same again costs nothing
    assert is_open(client)
    network.table.subscribed(file, b"%0500d" % 8, True)
    assert not is_open(client)
    assert network.table.closed_for == {"too many subscriptions": 1}


def test_subscriptions_of_all_connections_are_bounded_together(network: Network) -> None:
    """Each of them within its limit; whoever asks for most goes first."""
    small, small_file = network.connect("publish")
    network.table.subscribed(small_file, b"poses", True)
    many = [network.connect("publish") for _ in range(30)]
    for number, (_, file) in enumerate(many):
        for part in range(4):
            network.table.subscribed(file, b"%04d" % (4 * number + part) * 200, True)
    left = sum(is_open(client) for client, _ in many)
    assert left == 32 * 1024 // (4 * 800)
    assert is_open(small)
    assert network.table.closed_for == {"too many subscriptions": 30 - left}
    client, file = network.connect("publish")  # those that went have made room
    network.table.subscribed(file, bytes(700), True)
    assert is_open(client)


@linux
def test_listeners_who_do_not_read_are_bounded(network: Network) -> None:
    """Who has been behind for longest goes first; whoever reads again, or has a part in the studio, stays."""
    names = ("listener A", "listener B", "listener C", "fusion", "listener D")
    ends, now_s = [network.subscribe(name) for name in names], 0.0
    for now_s, late in ((1.0, 0), (2.0, 1), (3.0, 2), (3.5, 3)):
        network.table.sweep(now_s)
        fill(network.peer(ends[late]))
    network.table.sweep(5.0)
    assert all(map(is_open, ends))  # A and B are behind
    ends[1].settimeout(0.0)
    with contextlib.suppress(BlockingIOError):
        while True:
            ends[1].recv(1 << 20)
    network.table.sweep(5.1)
    network.table.sweep(6.0)
    assert not network.table.closed_for  # A and C
    fill(network.peer(ends[4]))
    network.table.sweep(8.5)
    assert network.table.closed_for == {"too many who do not read": 1}
    assert not network.is_known(ends[0])
    assert all(map(network.is_known, ends[1:]))


@linux
def test_the_newest_connections_are_measured_first(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers who send without end do not wait until all others have been looked at."""
    monkeypatch.setattr("services.transport.connections.AT_ONCE", 3)
    for _ in range(20):
        network.connect("request")
    while not network.table.sweep(0.0):
        pass
    strangers = [network.connect("request") for _ in range(3)]
    for client, file in strangers:
        client.sendall(bytes(49_000))
        network.read(network.end(file), 49_000)
    assert not network.table.sweep(0.001)
    assert network.table.closed_for == {"message without end": 1}


def test_listeners_requests_are_bounded_together_and_keep_nobody_waiting(network: Network) -> None:
    """However many connections they come by."""
    listeners = [network.connect("request") for _ in range(8)]
    _, camera = network.connect("request")
    used = sum(network.table.count(file, "listener", 10, 1.0) for _ in range(10) for _, file in listeners)
    assert used == LIMITS["request"].listeners_s
    assert network.table.count(camera, "cam01", 10, 1.0)
    assert network.table.count(listeners[0][1], "listener", 10, 2.0)


@linux
def test_sweep_looks_at_a_share_of_many_connections_and_misses_none(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.transport.connections.AT_ONCE", 3)
    connected = [network.connect("request") for _ in range(7)]
    assert [network.table.sweep(step / 100) for step in range(3)] == [False, False, True]
    for client, file in connected:
        client.sendall(bytes(60_000))
        network.read(network.end(file), 60_000)
    calls = [network.table.sweep(1.0) for _ in range(3)]
    assert calls == [False, False, True]
    assert not any(is_open(client) for client, _ in connected)


@linux
def test_unfinished_messages_of_strangers_are_bounded_in_sum(network: Network) -> None:
    """Each of them within its limit; the longest goes first, and who has said something before stays."""
    speaker, file = network.connect()
    network.table.count(file, "", 10, 0.0)
    strangers = [network.connect() for _ in range(3)]
    network.table.sweep(0.0)
    for (client, end), size in zip([*strangers, (speaker, file)], (500_000, 350_000, 300_000, 450_000), strict=True):
        client.sendall(bytes(size))
        network.read(network.end(end), size)
    network.table.sweep(0.001)
    assert [is_open(client) for client, _ in strangers] == [False, True, True]
    assert is_open(speaker)
    assert network.table.closed_for == {"message without end": 1}


def test_connections_of_a_revoked_key_are_closed(network: Network) -> None:
    (bad, file), (good, other) = network.connect(), network.connect()
    network.table.count(file, "revoked", 1, 0.0)
    network.table.count(other, "valid", 1, 0.0)
    network.table.close_users({"revoked"})
    assert (is_open(bad), is_open(good)) == (False, True)


def test_connection_that_is_gone_already_is_no_error(network: Network) -> None:
    client, file = network.connect()
    network.table.gone(file)
    network.table.gone(file)
    network.table.close(file, "twice")
    assert network.table.count(file, "", 1, 0.0)
    network.table.accepted("ingest", 10_000, 0.0)
    assert len(network.table) == 0
    assert is_open(client)
