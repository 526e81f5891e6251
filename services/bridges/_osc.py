"""OSC messages by UDP, for protocols of avatars: y up, left-handed, as Unity has them.

References:
    Open Sound Control 1.0, https://opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

import logging
import socket
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from multiview.errors import MultiviewError

__all__ = ["OscSender", "unity_place", "unity_quaternion"]

_TO_LEFT_HANDED = np.array([-1.0, 1.0, 1.0])  # x changes its sign; rotations about y and z change theirs


def unity_place(place: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
    """A position, y up and right-handed, in Unity's axes.

    Args:
        place: (..., 3) m.

    Returns:
        (..., 3) m.
    """
    return place * _TO_LEFT_HANDED


def unity_quaternion(R: Float64[np.ndarray, "*shape 3 3"]) -> Float64[np.ndarray, "*shape 4"]:
    """A rotation, y up and right-handed, in Unity's axes.

    Args:
        R: (..., 3, 3).

    Returns:
        (..., 4) x y z w.
    """
    quaternion: np.ndarray = Rotation.from_matrix(R).as_quat() * [1.0, -1.0, -1.0, 1.0]
    return quaternion


class OscSender:
    """Sends bundles to ports of one host; what cannot be sent is said once.

    Args:
        host: Where to.

    Raises:
        MultiviewError: python-osc is missing.
    """

    def __init__(self, host: str) -> None:
        try:
            from pythonosc import osc_bundle_builder, osc_message_builder
        except ModuleNotFoundError:
            raise MultiviewError("this bridge needs one more package: pip install multiview-mocap[vmc]") from None
        self._bundle, self._message, self._host = osc_bundle_builder, osc_message_builder, host
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._told: set[str] = set()

    def message(self, address: str, *arguments: str | float) -> Any:
        """One message, to be bundled.

        Args:
            address: "/VMC/Ext/OK" ...
            arguments: Texts, whole numbers and floats.

        Returns:
            As python-osc has it; `dgram` are its bytes.
        """
        builder = self._message.OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        return builder.build()

    def bundle(self, messages: list[Any]) -> bytes:
        """Messages as one packet.

        Args:
            messages: Of `message`.

        Returns:
            Its bytes.
        """
        builder = self._bundle.OscBundleBuilder(self._bundle.IMMEDIATELY)
        for message in messages:
            builder.add_content(message)
        return bytes(builder.build().dgram)

    def send(self, packet: bytes, port: int) -> None:
        """Send a packet; never waits.

        Args:
            packet: Of `bundle`.
            port: UDP.
        """
        try:
            self._socket.sendto(packet, (self._host, port))
        except OSError as error:  # nobody listens, or the network is full: the next frame comes soon
            self.tell_once(f"{self._host}:{port} takes no packets ({error.strerror}): they are dropped")

    def tell_once(self, words: str) -> None:
        """Log a warning, unless it has been logged.

        Args:
            words: One line.
        """
        if words not in self._told:
            self._told.add(words)
            logging.warning("%s", words)

    def close(self) -> None:
        """No more packets."""
        self._socket.close()
