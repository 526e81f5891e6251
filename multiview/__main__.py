"""The `multiview` command: a table of names, each imported only when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import NamedTuple

from multiview.errors import MultiviewError


class Command(NamedTuple):
    """A command's module has `add_arguments(parser)` and `run(args) -> int | None`."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "warm-up": Command("multiview.commands.warm_up", "Compile fusion's kernels now, once, so that it starts at once."),
    "demo": Command("services.demo", "Show a simulated studio, live, and how far from the truth it was."),
    "calibrate": Command("calib.cli", "Calibrate cameras with a printed board: board, detect, solve, check, convert."),
    "sync": Command("services.sync", "Find cameras whose stamps are late, from people who move."),
    "explain": Command("multiview.commands.explain", "Show why the detections of one frame were joined into people."),
    "fuse": Command("multiview.commands.fuse", "Fuse recorded 2D keypoints of several cameras into 3D people."),
    "viewer": Command("services.viewer", "Show people in 3D, live or from a take."),
    "synthesize": Command("multiview.commands.synthesize", "Make a studio with known truth, to try things on."),
    "export": Command("multiview.commands.export", "Write poses as TRC, CSV and other formats."),
    "plot": Command("multiview.commands.plot", "Draw a take: trajectories, speeds, bone lengths, coverage, errors."),
    "actor": Command("multiview.commands.actor", "Save a person's bone lengths under a name, so that they are known."),
    "evaluate": Command("multiview.commands.evaluate", "Show how far poses are from true joints."),
    "process": Command("multiview.commands.process", "Make 3D people from videos: 2D poses, then fusion."),
    "draw": Command("multiview.commands.draw", "Draw 3D people over the videos, as videos or pictures."),
    "models": Command("services.models", "List, fetch and check the networks for 2D poses."),
    "run": Command("services.run", "Run a whole studio: workers, hub, fusion, recorder, viewer."),
    "bridge": Command("services.bridge", "Send live people to another program: VMC, WebSocket, LSL."),
    "doctor": Command("services.doctor", "Check this machine and a studio file, and say what to do."),
    "capture": Command("services.capture", "Record video of every camera, in step, with true frame times."),
    "status": Command("services.status", "Show how a running studio is."),
    "hub": Command("services.hub", "Run the hub alone."),
    "worker": Command("services.worker", "Run one camera's worker alone."),
    "fusion": Command("services.fusion", "Run fusion alone."),
    "record": Command("services.recorder", "Run the recorder alone."),
    "metrics": Command("services.metrics", "Serve a running studio's figures to Prometheus."),
    "keys": Command("services.keyring", "Make the keys that a studio over a network needs."),
    "info": Command("services.info", "Show what is in a take."),
    "recover": Command("services.recover", "Make a take whole whose recording was cut off."),
    "replay": Command("services.replay", "Play a take again, or fuse it again."),
    "train": Command("multiview.commands.train", "Teach a 2D pose network by a recipe."),
    "evaluate2d": Command("multiview.commands.evaluate2d", "Show how good a 2D pose network is on labelled people."),
    "label": Command("services.label", "Make training data from recordings, or rendered."),
    "deploy": Command("multiview.commands.deploy", "Make a trained network small and fast, and measure it."),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on an error that the user can mend."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="multiview",
        description="Live, identified 3D skeletons of everyone in a room, from 2 to 16 calibrated cameras.",
    )
    parser.add_argument("--debug", action="store_true", help="show the whole trace of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.help, description=command.help)
        if name == chosen:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return args.run(args) or 0
    except MultiviewError as error:
        if args.debug:
            raise
        print(f"multiview: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
