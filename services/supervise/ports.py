"""Whether the ports of a hub are free, and who has them if not."""

from __future__ import annotations

import errno
import socket

from multiview.errors import ConfigError
from multiview.studio.config import HubOptions
from services.transport.bus import RequestClient
from services.transport.requests import Status, StatusReply, request

__all__ = ["PORTS", "check_ports", "port_trouble"]

PORTS = ("ingest_port", "publish_port", "request_port")
REPLY_TIMEOUT_S = 0.5


def port_trouble(host: str, port: int) -> str:
    """Why a hub could not listen there; empty if it can."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return "in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return ""


def check_ports(hub: HubOptions) -> None:
    """See that the hub of a new studio can have its ports, before anything is begun.

    Args:
        hub: Where it will listen; ports that are 0 are free ones.

    Raises:
        ConfigError: Another studio runs there, or another program uses a port.
    """
    host = hub.bind or hub.host
    taken = [(name, getattr(hub, name)) for name in PORTS if port_trouble(host, getattr(hub, name)) == "in use"]
    if not taken:
        return  # another trouble is said by the hub
    client = RequestClient(hub)
    other = request(client, Status(), StatusReply, REPLY_TIMEOUT_S)
    client.close()
    name, port = taken[0]
    if other is not None:
        raise ConfigError(
            f'another studio is running: port {port} on {host} is in use by the hub of "{other.studio_name}". End it, '
            "or give this studio other ports in [hub] (0: any free port)"
        )
    raise ConfigError(f"port {port} on {host} is in use by another program: end it, or set another [hub] {name}")
