"""Bridges that pages start and stop: poses for other programs, each a process of its own. Only a session that controls.

A browser names a bridge and its numbers, never a file: neither a bridge of its own nor an option that is a path.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import msgspec

from multiview.common.plugins import load_plugin, plugin_names
from multiview.common.toml import convert
from multiview.errors import ConfigError, MultiviewError
from services.dashboard.access import Role, Session
from services.dashboard.control import FOLDER, Control, check_control
from services.dashboard.detached import Detached

__all__ = ["Bridges", "Option"]

STOP_S = 10.0
TEXTS = (
    "host",
    "name",
    "origins",
    "token",
    "url",
)  # options that are words; all others are offered only if they are numbers


class Option(NamedTuple):
    """One option of a bridge, and its default."""

    name: str
    default: Any


class Bridges:
    """The bridges of one studio.

    Args:
        control: Of the studio.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._processes = {
            name: Detached(control.folder / FOLDER, f"bridge-{name}") for name in plugin_names("services.bridges")
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Of all there are."""
        return tuple(self._processes)

    def running(self, name: str) -> str | None:
        """With which options a bridge runs; None if it does not."""
        found = self._processes[name].running()
        return found.note if found is not None else None

    def failure(self, name: str) -> str:
        """Why a bridge has ended, if it failed."""
        return self._processes[name].failure()

    def options(self, name: str) -> list[Option]:
        """What can be chosen of a bridge: numbers, addresses and names."""
        module = load_plugin("services.bridges", name, "Options", "Bridge")
        fields = msgspec.structs.fields(module.Options)
        return [
            Option(field.name, field.default)
            for field in fields
            if field.name in TEXTS or (isinstance(field.default, int | float) and not isinstance(field.default, bool))
        ]

    def start(self, session: Session, name: str, chosen: dict[str, Any]) -> None:
        """Run a bridge until it is stopped; ConfigError if there is none, or it cannot be so."""
        check_control(session, "start a bridge")
        if name not in self._processes:
            raise ConfigError(f"there is no bridge {name[:40]!r}; there are {', '.join(self._processes)}")
        if self._control.studio() is None:
            raise ConfigError("there is no studio yet")
        offered = {option.name: option.default for option in self.options(name)}
        if other := sorted(set(chosen) - set(offered)):
            raise ConfigError(f"a page cannot set {other[0][:40]!r}: start the bridge in a terminal")
        changed = {key: _like(offered[key], value) for key, value in chosen.items() if value != offered[key]}
        module = load_plugin("services.bridges", name, "Options", "Bridge")
        convert(changed, module.Options, f"bridge {name}")
        words = [f"--option={key}={value}" for key, value in changed.items()]
        note = ", ".join(f"{key} {value}" for key, value in changed.items() if key != "token")
        self._processes[name].start(["bridge", name, str(self._control.file), *words], note)
        logging.info("started bridge %s", name)

    def stop(self, session: Session, name: str) -> None:
        """End a bridge."""
        check_control(session, "stop a bridge")
        if name in self._processes and not self._processes[name].stop(STOP_S):
            raise MultiviewError(f"bridge {name} has not ended within {STOP_S:g} s: see {self._processes[name].log}")
        logging.info("stopped bridge %s", name)

    def close(self) -> None:
        """End all that run."""
        for name in self.names:
            if self.running(name) is not None:
                self.stop(Session("", Role.CONTROL), name)


def _like(default: Any, value: Any) -> Any:
    """What a field gave, as the option's kind: a browser's numbers are all decimals."""
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
