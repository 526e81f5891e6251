"""Which studio this is: one short text for hubs, bridges and whoever must not take one studio for another."""

from __future__ import annotations

import hashlib
import platform

import msgspec

from multiview.studio.config import Studio

__all__ = ["studio_id"]


def studio_id(studio: Studio) -> str:
    """The same for every run of a studio on this machine, another for every other studio.

    It depends on the studio's name, sources, cameras and rig file, and on the machine's name; not on ports. The hub
    computes it and tells it to everyone, so that processes on other machines know the same.
    """
    known = [studio.name, studio.rig, studio.source, studio.cameras]
    text = msgspec.json.encode([known, platform.node()], order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]
