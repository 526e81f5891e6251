"""`multiview actor NAME TAKE`: save a person's bone lengths and rest pose under a name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.ranges import ranged
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.body.actor import Actor
    from multiview.recordings.pose_table import Poses

__all__ = ["add_arguments", "compare", "run", "show"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Save a person's bone lengths and rest pose under a name. The name is written beside the take's poses, and "
        "studios that list it in `known_actors` recognise the person. With the file of a running studio, name and "
        "measure a person in the room. Without a take, show the saved actors."
    )
    parser.add_argument("name", nargs="?", help="what the person is called")
    parser.add_argument(
        "take",
        nargs="?",
        type=Path,
        help="a take, its poses.parquet, or the output of `fuse`; or the file of a running studio",
    )
    parser.add_argument(
        "--person",
        type=ranged(int),
        metavar="ID",
        help="number of the person, as the viewer shows it; required if there are several",
    )
    parser.add_argument(
        "--recognise", type=Path, metavar="TAKE", help="recognise the people of a take and write their names"
    )
    parser.add_argument("--folder", type=Path, help="folder of the actors (default: this user's)")


def run(args: argparse.Namespace) -> int:
    from multiview.body.actor import load_actor

    if args.recognise is not None:
        return _recognise(args.recognise, args.folder)
    if args.name is None:
        return _list(args.folder)
    if args.take is None:
        show(load_actor(args.name, args.folder))
        return 0
    return _save(args)


def _save(args: argparse.Namespace) -> int:
    from multiview.body.actor import measure, save_actor
    from multiview.editing.take_poses import take_poses

    poses, path = take_poses(args.take)
    person = _choose(poses, args.person, args.take)
    own = poses.select(poses.person == person)
    actor = measure(args.name, poses.skeleton, poses.joints, own.xyz, own.filled, args.take.resolve().name)
    show(actor)
    compare(actor, args.folder)
    print(f"saved {save_actor(actor, args.folder)}")
    _name(poses, path, {person: args.name})
    return 0


def _name(poses: Poses, table: Path, names: dict[int, str]) -> None:
    """Write the names beside the poses; a name is removed from the person who had it before."""
    from multiview.editing.edit_list import EDITS, read_edits
    from multiview.editing.edit_take import add_edit
    from multiview.editing.edits import NamePerson
    from multiview.recordings.identities import write_identities

    said = ", ".join(f"person {person} is {name}" for person, name in sorted(names.items()))
    edits = read_edits(table.parent)
    if edits is not None and edits.applied:  # whose people are not those of the poses beside which names are written
        for person, name in sorted(names.items()):
            add_edit(table.parent, NamePerson(person=person, name=name))
        print(f"{table.parent / EDITS}: {said}")
        return
    kept = {person: name for person, name in poses.names.items() if name not in names.values()}
    path = write_identities(kept | names, table.parent, poses.frame, poses.person)
    print(f"{path}: {said}")


def _choose(poses: Poses, person: int | None, take: Path) -> int:
    """The requested person, or the only one present for long; ConfigError lists the people present."""
    seconds = {int(p): float((poses.person == p).sum()) / poses.frames_per_second for p in poses.people}
    there = ", ".join(f"{p} ({s:.0f} s)" for p, s in seconds.items())
    if not seconds:
        raise ConfigError(f"{take} holds no people")
    if person is not None:
        if person not in seconds:
            raise ConfigError(f"no person {person} in {take}; use one of {there}")
        return person
    long = [p for p, s in seconds.items() if s > 0.3 * max(seconds.values())]
    if len(long) != 1:
        raise ConfigError(f"{take} has several people: name one with --person, one of {there}")
    return long[0]


def compare(actor: Actor, folder: Path | None) -> None:
    """Warn if the new actor could be confused with another one."""
    from multiview.body.actor import actor_names, actor_probabilities, load_actor

    others = [load_actor(name, folder) for name in actor_names(folder) if name != actor.name]
    for other in others:
        if other.skeleton == actor.skeleton:
            alike = float(actor_probabilities(actor.lengths, [other])[0])
            if alike > 0.05:
                print(f"warning: bone lengths like those of {other.name} ({alike:.0%}); the two may be confused")


def _recognise(take: Path, folder: Path | None) -> int:
    import numpy as np

    from multiview.body.actor import actor_names, actor_probabilities, load_actor, median_bone_lengths
    from multiview.body.recognition import ASSIGN_PROBABILITY, assign
    from multiview.editing.take_poses import take_poses

    poses, path = take_poses(take)
    actors = [a for a in (load_actor(name, folder) for name in actor_names(folder)) if a.skeleton == poses.skeleton]
    if not actors:
        how = "save one with `multiview actor NAME TAKE`"
        raise ConfigError(f"no actor was measured with skeleton {poses.skeleton}: {how}")
    probabilities = {}
    for person in poses.people.tolist():
        own = poses.measured_only().select(poses.person == person)
        lengths = median_bone_lengths(poses.joints, own.xyz)
        probabilities[person] = actor_probabilities(lengths, actors) if lengths else np.zeros(len(actors))
        best = sorted(zip(probabilities[person].tolist(), (a.name for a in actors), strict=True), reverse=True)[:3]
        words = ", ".join(f"{name} {share:.0%}" for share, name in best)
        print(f"person {person}: {words}, somebody else {1 - probabilities[person].sum():.0%}")
    names = assign(probabilities, actors, {})
    if names:
        _name(poses, path, names)
    else:
        hint = "to assign a name nevertheless: `multiview actor NAME TAKE --person ID`"
        print(f"nobody is recognised with {ASSIGN_PROBABILITY:.0%}; {hint}")
    return 0


def _list(folder: Path | None) -> int:
    from multiview.body.actor import actor_names, actors_folder, load_actor

    names = actor_names(folder)
    for name in names:
        actor = load_actor(name, folder)
        print(f"{name:20} {actor.skeleton:12} from {actor.take or 'an unknown take'}, {actor.frames} frames")
    if not names:
        try:
            print(f"no actors in {folder or actors_folder()}: `multiview actor NAME TAKE` saves one")
        except ConfigError as error:
            print(f"no actors: {error}")
    return 0


def show(actor: Actor) -> None:
    print(f"{actor.name}: {actor.skeleton}, {actor.frames} frames of {actor.take or 'an unknown take'}")
    for name, length in actor.lengths.items():
        print(f"  {name.replace('_', ' '):16} {1e3 * length:5.0f} mm")
