"""The systemd units start commands that there are, never give up, and let a recording end whole."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from multiview.__main__ import COMMANDS
from multiview.common.package_data import package_file

UNITS = sorted(package_file("systemd").glob("*.service"))


def sections(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_is_started_again_for_ever(unit: Path) -> None:
    """By itself systemd gives up after five starts in ten seconds: a camera that is not plugged in would stay away."""
    read = sections(unit)
    assert read["Unit"]["StartLimitIntervalSec"] == "0"
    assert (read["Service"]["Restart"], read["Service"]["KillSignal"]) == ("always", "SIGTERM")
    assert read["Service"]["ExecStart"].split()[1] in COMMANDS


def test_unit_of_a_worker_knows_its_camera_by_any_name() -> None:
    """`%i` of "cam 1" is `cam\\x201`, `%I` is the name; and what a camera's own process does ends with the worker."""
    read = sections(next(unit for unit in UNITS if "worker@" in unit.name))
    assert read["Service"]["ExecStart"].endswith("--camera %I")
    assert read["Service"]["KillMode"] == "mixed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_is_one_that_systemd_understands(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name.replace("@.", "@cam01.")
    copy.write_text(unit.read_text().replace("/usr/local/bin/multiview", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if copy.stem in line]
    assert (done.returncode, said) == (0, [])
