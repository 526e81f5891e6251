"""The `multiview` command: tables of names, each imported only when it is used."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import gc
import importlib
import io
import logging
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
from typing import Any, NamedTuple

from multiview import __version__
from multiview.common.blocked_threads import exit_with
from multiview.common.kernel_cache import use_kernel_cache
from multiview.common.ledger import ledger
from multiview.common.picture_file import bound_pictures
from multiview.common.printable import PrintableLines
from multiview.errors import MultiviewError, one_line, os_error_words

PARTLY = 3  # exit status: the command did its work on what could be read of its inputs, which was not all


class CommandParser(argparse.ArgumentParser):
    """Says what it does not know beside its own usage, and what comes near.

    argparse hands unknown arguments of a command up, where only the usage of `multiview` is known.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As in argparse, but nothing unknown is left to the caller."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = re.findall(r"--[\w-]+", self.format_usage())
            near = difflib.get_close_matches(unknown[0].partition("=")[0], options, 2)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown


class Command(NamedTuple):
    """A command's module has `add_arguments(parser)` and `run(args) -> int | None`."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "Begin": {
        "demo": Command(
            "services.demo.demo", "Run a simulated studio live and report the error against its ground truth."
        ),
        "new": Command("services.capture.new", "Find the cameras, and write a studio file that runs."),
        "doctor": Command("services.capture.doctor", "Check this machine and a studio file, and say what to fix."),
    },
    "Cameras": {
        "calibrate": Command(
            "calib.cli",
            "Calibrate cameras: board, detect, solve, check with a printed board, people without one; convert.",
        ),
        "capture": Command(
            "services.capture.capture", "Record synchronised video of every camera with true frame times."
        ),
        "time-offsets": Command(
            "multiview.commands.time_offsets", "Estimate the time offset of every camera from people who move."
        ),
    },
    "From recordings": {
        "process": Command("multiview.commands.process", "Compute 3D poses from videos: 2D detection, then fusion."),
        "fuse": Command("multiview.commands.fuse", "Fuse recorded 2D keypoints of several cameras into 3D people."),
        "lift": Command("multiview.commands.lift", "Lift recorded 2D keypoints of one camera to 3D people."),
        "batch": Command(
            "services.batch.batch", "Process every recording below a folder, here, on a Ray cluster or on Slurm."
        ),
        "evaluate": Command("multiview.commands.evaluate", "Compare poses with ground truth."),
        "explain": Command(
            "multiview.commands.explain", "Show why the detections of one frame were grouped into people."
        ),
        "synthesize": Command(
            "multiview.commands.synthesize",
            "Create a synthetic recording with ground truth, as keypoints or rendered film.",
        ),
    },
    "Live": {
        "studio": Command(
            "services.dashboard.studio", "Open the studio in a browser: cameras, calibration, live 3D, takes."
        ),
        "run": Command("services.supervise.run", "Run a whole studio: workers, hub, fusion, recorder, viewer."),
        "status": Command("services.supervise.status", "Show the state of a running studio."),
        "bridge": Command("services.bridges._serve", "Send live poses to another program: VMC, WebSocket, LSL."),
        "keys": Command("services.transport.keyring", "Create the keys that a studio over a network needs."),
        "metrics": Command("services.supervise.metrics", "Serve a running studio's metrics to Prometheus."),
    },
    "Takes": {
        "info": Command("multiview.commands.info", "Show the contents of a take."),
        "replay": Command("services.nodes.replay", "Play a take back, or rerun fusion on it."),
        "edit": Command("multiview.commands.edit", "Clean a take: trim, identities, bad joints, gaps; undo and redo."),
        "recover": Command("multiview.commands.recover", "Recover an interrupted recording."),
    },
    "View and export": {
        "viewer": Command("services.viewer.viewer", "Show people in 3D, live or from a take."),
        "draw": Command("multiview.commands.draw", "Draw 3D poses over the videos, as videos or images."),
        "plot": Command(
            "multiview.commands.plot", "Plot a take: trajectories, speeds, bone lengths, coverage, errors."
        ),
        "report": Command(
            "multiview.commands.report", "Report how people walk: steps, joint angles, centre of mass, on one page."
        ),
        "export": Command("multiview.commands.export", "Write poses as TRC, C3D, BVH, CSV and other formats."),
        "actor": Command(
            "services.nodes.actor",
            "Name a person of a take or live, and save their bone lengths for recognition.",
        ),
    },
    "2D networks": {
        "models": Command("multiview.commands.models", "List, download and check 2D pose networks."),
        "label": Command("multiview.commands.label", "Create training data from recordings or rendered images."),
        "train": Command("multiview.commands.train", "Train a 2D pose network from a recipe."),
        "evaluate2d": Command("multiview.commands.evaluate2d", "Evaluate a 2D pose network on labelled images."),
        "deploy": Command("multiview.commands.deploy", "Convert a trained network to ONNX and INT8, and measure it."),
    },
    "Parts of `run`, for several machines": {
        "hub": Command("services.nodes.hub", "Run the hub alone."),
        "worker": Command("services.nodes.worker", "Run one camera's worker alone."),
        "fusion": Command("services.nodes.fusion", "Run fusion alone."),
        "record": Command("services.nodes.recorder", "Run the recorder alone."),
        "compile": Command(
            "multiview.commands.compile", "Compile fusion's kernels ahead of time, so that it starts at once."
        ),
    },
}
COMMANDS: dict[str, Command] = {name: command for group in GROUPS.values() for name, command in group.items()}


def _overview() -> str:
    """Every command by what it is for, as wide as the terminal."""
    width = shutil.get_terminal_size().columns - 2
    margin = max(map(len, COMMANDS)) + 4
    parts = []
    for title, group in GROUPS.items():
        rows = [
            textwrap.fill(command.help, width, initial_indent=f"  {name}".ljust(margin), subsequent_indent=" " * margin)
            for name, command in group.items()
        ]
        parts.append("\n".join([f"{title}:", *rows]))
    return "\n\n".join([*parts, "`multiview COMMAND --help` explains one of them."])


class _ErrorLines(logging.Handler):
    """Prints warnings as lines of the command, to whatever stderr is then (a live table moves it)."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(self.format(record))


def _say(line: str) -> None:
    """On stderr; where nobody reads that (a closed pipe, a full disk), the work goes on, and the exit status tells."""
    with contextlib.suppress(OSError):
        print(f"multiview: {line}", file=sys.stderr)


def _end_as_ctrl_c() -> None:
    """Told to end (SIGTERM), or left without a terminal (SIGHUP), a command ends as by Ctrl-C: it tidies up.

    Only the first such signal counts: those that follow it, often at once, must not cut the tidying off.
    """
    told: list[int] = []

    def interrupt(number: int, _: object) -> None:
        told.append(number)
        if len(told) == 1:
            raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # ignored by nohup: left so
            signal.signal(number, interrupt)


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on an error that the user can mend, 3 if an input could be read in part only."""
    argv = sys.argv[1:] if argv is None else argv
    _print_any_character()
    parser = CommandParser(
        prog="multiview",
        usage="multiview [-h] [--version] [--debug] COMMAND ...",
        description="Live, identified 3D skeletons of everyone in a room, from 2 to 16 calibrated cameras.\n\n"
        + _overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multiview {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the whole trace of an error")
    subparsers = parser.add_subparsers(dest="command", prog="multiview", help=argparse.SUPPRESS)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    if chosen is not None and chosen not in COMMANDS:
        spoken = [
            name for name, command in COMMANDS.items() if chosen.lower() in re.findall(r"\w+", command.help.lower())
        ]
        near = list(dict.fromkeys([*spoken, *difflib.get_close_matches(chosen, COMMANDS, 3)]))[:3]
        hint = f"did you mean {' or '.join(near)}?" if near else "`multiview --help` lists them"
        parser.error(f"there is no command {chosen!r}; {hint}")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, description=command.help)
        if name == chosen:
            use_kernel_cache()
            bound_pictures()
            module = _imported(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    if chosen is None:
        parser.print_help()
        return 2
    if threading.current_thread() is threading.main_thread():
        _end_as_ctrl_c()
    lines = _ErrorLines()
    lines.setFormatter(PrintableLines("%(message)s"))
    logging.basicConfig(handlers=[lines])
    try:
        with ledger() as entries:
            code: int = args.run(args) or 0
        for line in entries.missing:
            _say(f"partly: {line}")
        return PARTLY if entries.missing and code in (0, 1) else code
    except BrokenPipeError:  # who reads our output has closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 141
    except (MultiviewError, OSError, MemoryError) as error:
        if args.debug:
            raise
        _say(_words(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _imported(name: str) -> Any:
    """A module; meanwhile the collector does not look for garbage among what is imported, nearly all of which stays."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if collecting:
            gc.enable()


def _words(error: MultiviewError | OSError | MemoryError) -> str:
    if isinstance(error, OSError):
        return os_error_words(error)
    if isinstance(error, MemoryError):
        return "not enough memory for this; close other programs, or take fewer cameras or frames"
    return one_line(error)


def _print_any_character() -> None:
    """Names may have any characters: what the terminal's encoding lacks is escaped rather than an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def script() -> int:
    """The program `multiview`."""
    return exit_with(main)


if __name__ == "__main__":
    sys.exit(script())
