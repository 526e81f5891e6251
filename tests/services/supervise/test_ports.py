"""Who has the ports of a new studio."""

from __future__ import annotations

import socket

import msgspec
import pytest

from multiview.errors import ConfigError
from services.supervise.ports import check_ports, port_trouble
from tests.processes import free_hub


def test_check_ports_accepts_free_ones() -> None:
    check_ports(free_hub())
    check_ports(msgspec.structs.replace(free_hub(), publish_port=0))


def test_check_ports_names_the_port_that_another_program_uses() -> None:
    hub = free_hub()
    with socket.create_server(("127.0.0.1", hub.publish_port)):
        assert port_trouble("127.0.0.1", hub.publish_port) == "in use"
        with pytest.raises(ConfigError, match=f"port {hub.publish_port} .* another program.*publish_port"):
            check_ports(hub)
