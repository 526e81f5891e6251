"""Mutated messages over real sockets: nobody dies, nothing is lost from sight, true cameras are used afterwards."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzz_socket import attack
from tests.processes import free_hub


def test_every_mutated_message_is_accounted_for(tmp_path: Path) -> None:
    """The long run is `make fuzz`."""
    account = attack(tmp_path, free_hub(), 3000, 1500.0, seed=7)
    assert account.complete(), account
    assert account.sent == 3000
    assert account.at_hub.total() > 1000
    assert account.received > account.rejected
