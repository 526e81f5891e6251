"""Open the studio in a browser: cameras, calibration, people live in 3D, recording, takes to edit and export.

    multiview studio                the studio of this folder (studio.toml); without one, the page makes one
    multiview studio stage          that of another folder, or of a studio file

The address that it prints, also as a QR code for a phone, lets one browser in; the page makes links for others, to
view or to control. Ctrl-C ends what the pages have started, takes first.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
from collections.abc import Callable
from pathlib import Path

from multiview.common.ranges import Port, ranged
from multiview.errors import ConfigError, MultiviewError
from services.transport.bus import is_loopback

__all__ = ["add_arguments", "run"]

PORT = 8420


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="the studio's folder or file (default: here)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine alone)"
    )
    parser.add_argument("--port", type=ranged(Port), default=PORT, help=f"TCP port (default {PORT}; 0: any free port)")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="TLS certificate, needed for other machines")
    parser.add_argument("--key", type=Path, metavar="PEM", help="the certificate's private key")
    parser.add_argument(
        "--name", action="append", default=[], help="what this machine is called in addresses, if not by its host name"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser of this machine")


def run(args: argparse.Namespace) -> None:
    if os.name != "posix":
        raise MultiviewError("`multiview studio` needs Linux or macOS; `multiview viewer` shows a studio here")
    if not is_loopback(args.host) and not (args.certificate and args.key):
        raise ConfigError(
            f"on {args.host} everybody in the network could listen in: give a TLS certificate with --certificate and "
            "--key"
        )
    if bool(args.certificate) != bool(args.key):
        raise ConfigError("--certificate and --key belong together: give both")
    for path in (args.certificate, args.key):
        if path is not None and not path.is_file():
            raise ConfigError(f"{path}: no such file")
    folder, file = (args.folder.parent, args.folder) if args.folder.suffix == ".toml" else (args.folder, None)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; make it first")
    serve = _import_server()
    serve(folder, file, _listen(args.host, args.port), args.certificate, args.key, args.name, not args.no_browser)


def _import_server() -> Callable[..., None]:
    """The server, without looking for garbage meanwhile: of modules that are loaded everything stays."""
    gc.disable()
    try:
        try:
            import nicegui  # noqa: F401
            import segno  # noqa: F401
            import uvicorn  # noqa: F401
        except ModuleNotFoundError:
            raise MultiviewError("the pages need more packages: pip install multiview-mocap[studio]") from None
        from services.dashboard.server import serve

        gc.freeze()
        return serve
    finally:
        gc.enable()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port} ({error.strerror}): set another --port") from None
