"""`multiview status` says in a line what is wrong: what the recorder cannot write, what the hub rejects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console

from multiview.wire.messages import ServiceHealth, Stamp, encode
from services.supervise.status import StatusTable
from services.transport.bus import Received
from tests.processes import free_hub


@pytest.fixture
def table() -> Iterator[StatusTable]:
    with StatusTable(free_hub(), ["cam01"], live=False) as table:
        yield table


def lines(table: StatusTable, health: ServiceHealth) -> list[str]:
    """What is shown after a service has said this of itself."""
    table.watcher.take(Received(f"service_health/{health.service}", Stamp(0, 0, 0), encode(health)))
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table.table())
    return [line.strip() for line in shown.get().splitlines()]


def test_status_shows_what_is_not_recorded(table: StatusTable) -> None:
    texts = {
        "take": "takes/a",
        "error": "cannot write: No space left on device",
        "disk": "full in about 0 min: make room",
    }
    counts = {"messages": 100, "missed": 7}
    shown = lines(table, ServiceHealth(service="recorder", boot_id=1, state="error", counts=counts, texts=texts))
    assert "recorder error: 100 messages, 7 missed" in shown
    assert "error: cannot write: No space left on device" in shown
    assert "disk: full in about 0 min: make room" in shown


def test_status_shows_what_the_hub_rejects_and_why(table: StatusTable) -> None:
    counts = {"received": 100, "rejected": 5, "malformed": 3, "too fast: camera/cam01": 2}
    shown = lines(table, ServiceHealth(service="hub", boot_id=1, counts=counts))
    assert "hub      running: 100 received, 5 rejected, 3 malformed, 2 too fast: camera/cam01" in shown
    many = {"received": 100, "rejected": 45} | {f"schema 1.{n}": 9 - n for n in range(9)}
    (line,) = [
        line for line in lines(table, ServiceHealth(service="hub", boot_id=1, counts=many)) if "rejected" in line
    ]
    assert line.endswith("5 schema 1.4, 4 schema 1.5, 3 other reasons")


def test_status_waits_for_the_first_message_of_a_busy_computer(table: StatusTable) -> None:
    """The first message comes with the third look, long after the first; then there is no more to wait for."""
    heartbeat = Received("service_health/hub", Stamp(0, 0, 0), encode(ServiceHealth(service="hub", boot_id=1)))
    coming = iter([[], [], [heartbeat], [heartbeat]])
    table._subscriber.drain = lambda: next(coming)  # type: ignore[method-assign]
    table.update_for(3600.0, until_first=True)
    assert table.watcher.received == 1
