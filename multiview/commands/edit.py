"""`multiview edit TAKE ...`: clean a take, without changing what was recorded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from multiview.common.ranges import Seconds, above, between, ranged

if TYPE_CHECKING:
    from multiview.editing.edit_list import EditsFile
    from multiview.editing.edits import Edit
    from multiview.recordings.pose_table import Poses

__all__ = ["add_arguments", "run"]

_ABOUT = """Clean a take: remove time, correct identities, mark joints as bad, fill gaps, smooth, fuse anew.

  multiview edit takes/walk                          list the people and the edits
  multiview edit takes/walk trim --from 1.5 --to 20
  multiview edit takes/walk swap amy 3 --from 6.2
  multiview edit takes/walk --undo

Nothing that was recorded is changed: the edits are a list in TAKE/edits.toml, and are done wherever the take is read
(export, viewer, plot, draw, evaluate). Times are seconds from the take's start. A span without --from begins there, one
without --to goes on to the end. People are given by number or name."""

_TIME, _STEPS, _HERTZ = (
    Annotated[float, between(0, 1e7, "s")],
    Annotated[int, between(1, 1_000_000)],
    Annotated[float, above(0, 1000, "Hz")],
)
_ANEW = "Trims and cuts before it stay; other edits before it were of other poses, and no longer show."
_EDITS = {
    "trim": ("keep only a span", "Keep only a span of the take."),
    "cut": ("remove a span", "Remove a span; what follows keeps its times."),
    "merge": (
        "make several numbers one person",
        "Several numbers are one person, who gets the first. Where several are in a frame, the first of them counts.",
    ),
    "split": (
        "make one person two",
        "From a time on, or in a span, a person is somebody else, who gets a new number.",
    ),
    "swap": ("exchange two identities", "Two people exchange their identities, from a time on or in a span."),
    "delete": ("delete a person", "Delete a person, altogether or in a span."),
    "name": ("name a person", "Name a person; an empty name takes it away."),
    "mark-bad": (
        "mark joints as bad",
        "Joints of a person are wrong in a span: they become unknown, and `fill-gaps` may place them.",
    ),
    "fill-gaps": (
        "fill gaps by interpolation",
        "Place joints that are unknown for a while by a spline through their neighbours in time; they count as filled.",
    ),
    "smooth": ("smooth positions", "Filter positions with a fourth-order Butterworth filter without delay."),
    "fuse": ("fuse the keypoints anew", f"Fuse the recorded 2D keypoints anew. {_ANEW}"),
    "refine-cameras": (
        "correct the cameras",
        "Correct the cameras from the people in the take, if frames that are held out confirm it, and fuse the "
        f"recorded 2D keypoints anew. {_ANEW}",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = _ABOUT
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("take", type=Path, help="the take's folder")
    moves = parser.add_mutually_exclusive_group()
    moves.add_argument("--list", action="store_true", help="list the people and the edits (also without an edit)")
    steps = ranged(_STEPS)
    moves.add_argument("--undo", nargs="?", type=steps, const=1, metavar="N", help="undo the last edit, or N of them")
    moves.add_argument("--redo", nargs="?", type=steps, const=1, metavar="N", help="do undone edits again")
    moves.add_argument("--remake", action="store_true", help="compute again what edits that fuse anew have computed")
    kinds = parser.add_subparsers(dest="edit", metavar="EDIT", title="edits")
    for name, (help_, description) in _EDITS.items():
        _add_edit(name, kinds.add_parser(name, help=help_, description=description))


def _add_edit(name: str, parser: argparse.ArgumentParser) -> None:
    if name in ("merge", "swap"):
        count: int | str = 2 if name == "swap" else "+"
        words = "number or name" if name == "swap" else "numbers or names; the first one stays"
        parser.add_argument("people", nargs=count, metavar="PERSON", help=words)
    if name in ("split", "delete", "name", "mark-bad"):
        parser.add_argument("person", metavar="PERSON", help="number or name")
    if name == "name":
        parser.add_argument("name", help="what they are called")
    if name == "mark-bad":
        parser.add_argument("--joints", nargs="+", required=True, metavar="JOINT", help="names, such as left_wrist")
    if name == "fill-gaps":
        parser.add_argument("--max", type=ranged(Seconds), required=True, metavar="S", help="longest gap to fill, s")
    if name == "smooth":
        parser.add_argument("--hz", type=ranged(_HERTZ), default=6.0, metavar="HZ", help="cut-off (default 6)")
    if name in ("fill-gaps", "smooth"):
        parser.add_argument("--person", nargs="+", default=[], metavar="PERSON", help="only these (default: everybody)")
    if name in ("fuse", "refine-cameras"):
        parser.add_argument("--smooth", action="store_true", help="let the whole take correct each pose")
    elif name not in ("merge", "name"):
        time = ranged(_TIME)
        parser.add_argument("--from", dest="from_s", type=time, metavar="S", help="where the span begins, s")
        parser.add_argument("--to", dest="to_s", type=time, metavar="S", help="where it ends, s")


def run(args: argparse.Namespace) -> int:
    from multiview.common.counted import counted
    from multiview.editing.edit_list import read_edits
    from multiview.editing.edit_take import add_edit, move_edits
    from multiview.editing.take_poses import take_poses
    from multiview.errors import ConfigError
    from multiview.recordings.take import open_take

    folder = open_take(args.take).folder
    told = [option for option in ("undo", "redo", "remake", "list") if getattr(args, option)]
    if args.edit and told:
        raise ConfigError(f"--{told[0]} and the edit {args.edit}: one at a time")
    if args.edit:
        before = read_edits(folder)
        edits, poses = add_edit(folder, _edit(args, folder))
        if before is not None and before.undone:
            print(f"{counted(len(before.undone), 'undone edit')} forgotten")
        _show_last(edits, poses)
        return 0
    if args.undo or args.redo:
        edits = move_edits(folder, args.redo or -args.undo)
        print(f"{folder}: {edits.applied} of {counted(len(edits.edits), 'edit')} in force")
        return 0
    if args.remake:
        from multiview.commands.edit_run import remake

        found = read_edits(folder)
        print(f"{folder}: {counted(remake(folder, found) if found is not None else 0, 'edit')} computed again")
        return 0
    _list(folder, read_edits(folder), take_poses(folder)[0])
    return 0


def _edit(args: argparse.Namespace, folder: Path) -> Edit:
    """What was asked for; ConfigError if it makes no sense."""
    from multiview.editing import edits as kinds
    from multiview.editing.edit_take import new_person, person_number
    from multiview.editing.take_poses import take_poses
    from multiview.errors import ConfigError

    if args.edit == "fuse":
        from multiview.commands.edit_run import fuse_anew

        return fuse_anew(folder, args.smooth)
    if args.edit == "refine-cameras":
        return _refined(folder, args.smooth)
    poses, _ = take_poses(folder)
    own: dict[str, Any] = {}
    if args.edit in ("trim", "cut", "mark-bad") and args.from_s is None and args.to_s is None:
        raise ConfigError(f"{args.edit}: give --from, --to or both")
    if args.edit not in ("merge", "name"):
        own |= {"from_s": args.from_s, "to_s": args.to_s}
    if args.edit in ("merge", "swap"):
        own["people"] = [person_number(poses, who) for who in args.people]
    if args.edit in ("split", "delete", "name", "mark-bad"):
        own["person"] = person_number(poses, args.person)
    if args.edit in ("fill-gaps", "smooth"):
        own["people"] = [person_number(poses, who) for who in args.person]
    match args.edit:
        case "split":
            own["into"] = new_person(folder, poses)
        case "name":
            own["name"] = args.name
        case "mark-bad":
            own["joints"] = args.joints
        case "fill-gaps":
            own["max_s"] = args.max
        case "smooth":
            own["hz"] = args.hz
    return kinds.make_edit(args.edit.replace("-", "_"), own)


def _refined(folder: Path, smooth: bool) -> Edit:
    from multiview.commands.edit_run import refine_cameras
    from multiview.commands.refine_run import REFINED_HEAD

    edit, found = refine_cameras(folder, smooth)
    print(REFINED_HEAD)
    for line in found.changes:
        print(f"  {line}")
    if found.doubt:
        print(found.doubt)
    return edit


def _show_last(edits: EditsFile, poses: Poses) -> None:
    from multiview.common.counted import counted
    from multiview.editing.edits import edit_words

    seconds = (int(poses.time_ns.max()) - int(poses.time_ns.min())) / 1e9 if len(poses) else 0.0
    people = counted(len(poses.people), "person", "people")
    print(f"{edits.applied}  {edit_words(edits.in_force[-1], poses.label)}")
    print(f"now {people}, {seconds:.2f} s; `--undo` takes it back")


def _list(folder: Path, edits: EditsFile | None, poses: Poses) -> None:
    """Who is there, and what was edited."""
    from multiview.editing.edits import edit_words
    from multiview.editing.take_poses import take_start_ns

    start_ns = take_start_ns(folder, poses)
    for person in poses.people.tolist():
        times = (poses.time_ns[poses.person == person][[0, -1]] - start_ns) / 1e9
        print(f"person {person:<4} {poses.names.get(person, ''):16} from {times[0]:.2f} to {times[1]:.2f} s")
    if edits is None or not edits.edits:
        print(f"{folder}: no edits")
        return
    for number, edit in enumerate(edits.edits, start=1):
        undone = "   (undone)" if number > edits.applied else ""
        print(f"{number:3}  {edit_words(edit, poses.label)}{undone}")
