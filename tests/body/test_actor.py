"""Actors: who is known gets their name, who is not does not, and nobody is sure where the lengths do not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.actor import BONE_LENGTHS, Actor, actor_probabilities, load_actor, measure, save_actor
from multiview.body.recognition import ASSIGN_PROBABILITY, IdentityLabels, Recogniser, assign
from multiview.body.skeleton import load_skeleton
from multiview.data import Track, Tracks
from multiview.editing.take_poses import take_poses
from multiview.errors import ConfigError
from multiview.export import load_exporter
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.studio.studio_file import load_studio, write_studio
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import PosesMessage, decode, encode
from multiview.wire.packing import pack_tracks, unpack_tracks
from tests.figures import figure

COCO17 = load_skeleton("coco17")


def somebody(rng: np.random.Generator) -> dict[str, float]:
    """Lengths (m) of a person out of a population like that of the model."""
    base = dict.fromkeys(BONE_LENGTHS, 0.3) | {"hips": 0.2}
    stature = rng.normal(0.0, 0.045)
    return {name: length * np.exp(stature + rng.normal(0.0, 0.03)) for name, length in base.items()}


def test_actor_replaces_no_file_of_another_kind(tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text("squares = [7, 5]  # measured with a ruler\n")
    with pytest.raises(ConfigError, match=r"board\.toml exists, and is no actor"):
        save_actor(Actor(name="board", skeleton="coco17", lengths=somebody(np.random.default_rng(1))), tmp_path)
    assert "ruler" in board.read_text()


def again(lengths: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Measured another day."""
    scale = rng.normal(0.0, 0.01)
    one = {name: 0.05 if name in ("shoulders", "hips") else 0.02 for name in lengths}
    return {name: length * np.exp(scale + rng.normal(0.0, one[name])) for name, length in lengths.items()}


def test_probabilities_are_as_often_right_as_they_say() -> None:
    """Among actors and strangers of the model's own population, as many are who they are said to be as is said."""
    rng = np.random.default_rng(0)
    said, right, trials = [], [], 400
    for _ in range(trials):
        cast = [Actor(name=f"a{i}", skeleton="coco17", lengths=somebody(rng)) for i in range(3)]
        who = int(rng.integers(4))  # 3: somebody else
        lengths = again(cast[who].lengths, rng) if who < 3 else somebody(rng)
        share = actor_probabilities(lengths, cast)
        best = int(np.argmax(share))
        if share[best] > 0.5:
            said.append(float(share[best]))
            right.append(best == who)
    assert len(said) > 0.6 * trials
    for least in (0.5, ASSIGN_PROBABILITY):
        often, true = (np.array(x)[np.array(said) >= least] for x in (said, right))
        bound = 3 * np.sqrt(np.sum(often * (1 - often))) + 1  # of a sum of independent draws
        assert len(often) > 0.4 * trials
        assert abs(true.sum() - often.sum()) < bound


def walk(seed: int = 0, people: int = 3, seconds: float = 4.0) -> list[Tracks]:
    truth = make_studio(StudioOptions(people=people, seconds=seconds, skeleton="coco17", seed=seed)).truth
    rng, ticks = np.random.default_rng(seed), []
    for frame in np.unique(truth.frame):
        rows = np.flatnonzero(truth.frame == frame)
        tracks = []
        for row in rows:
            pose = msgspec.structs.replace(
                figure(COCO17), xyz=truth.xyz[row] + rng.normal(0.0, 0.006, truth.xyz[row].shape)
            )
            tracks.append(Track(int(truth.actor[row]), pose))
        ticks.append(Tracks(int(frame), round(int(frame) * 1e9 / 30), tuple(tracks)))
    return ticks


def actor_of(ticks: list[Tracks], person: int, name: str) -> Actor:
    own = [t.pose for tick in ticks for t in tick.tracks if t.person == person]
    xyz, filled = np.stack([p.xyz for p in own]), np.stack([p.filled for p in own])
    return measure(name, "coco17", COCO17.joints, xyz, filled)


def test_known_people_get_their_names_and_strangers_none() -> None:
    ticks = walk()
    cast = [actor_of(ticks[:60], 0, "amy"), actor_of(ticks[:60], 2, "bo")]
    recogniser = Recogniser(cast, COCO17, 30.0)
    moved = [
        Tracks(t.tick, t.time_ns, tuple(msgspec.structs.replace(x, person=x.person + 7) for x in t.tracks))
        for t in ticks[60:]
    ]
    named = [recogniser.with_names(tick) for tick in moved]
    assert [t.name for t in named[0].tracks] == ["", "", ""]  # nobody is known at first sight
    assert [t.name for t in named[-1].tracks] == ["amy", "", "bo"]
    assert recogniser.probabilities[8].sum() < 0.5
    for before, after in zip(moved[-1].tracks, named[-1].tracks, strict=True):
        assert after.pose is before.pose


def test_a_name_is_given_once_and_kept_while_it_may_be_right() -> None:
    cast = [Actor(name=name, skeleton="coco17", lengths={}) for name in ("amy", "bo")]
    sure, unsure, other = np.array([0.985, 0.0]), np.array([0.6, 0.1]), np.array([0.99, 0.0])
    assert assign({1: sure, 2: np.array([0.0, 0.9])}, cast, {}) == {1: "amy"}
    assert assign({1: unsure}, cast, {1: "amy"}) == {1: "amy"}
    assert assign({1: unsure}, cast, {}) == {}
    assert assign({1: np.array([0.3, 0.1])}, cast, {1: "amy"}) == {}
    assert assign({1: sure, 2: other}, cast, {}) == {2: "amy"}
    assert assign({1: sure, 2: other}, cast, {1: "amy"}) == {1: "amy"}  # who has it, keeps it


def test_a_given_name_goes_before_a_recognised_one_and_is_given_once() -> None:
    tick = walk(seconds=0.2)[0]
    people = [track.person for track in tick.tracks]
    known = msgspec.structs.replace(
        tick, tracks=tuple(msgspec.structs.replace(t, name="amy" if t.person == people[0] else "") for t in tick.tracks)
    )
    labels = IdentityLabels()
    assert labels.with_names(known) is known
    labels.set_name(people[1], "amy")
    assert [track.name for track in labels.with_names(known).tracks][:2] == ["", "amy"]
    labels.set_name(people[2], "amy")
    assert [track.name for track in labels.with_names(known).tracks][:3] == ["", "", "amy"]
    labels.set_name(people[2], "")
    assert [track.name for track in labels.with_names(known).tracks] == [track.name for track in known.tracks]


def test_names_travel_on_the_wire_and_in_tables(tmp_path: Path) -> None:
    tick = walk(seconds=0.2)[0]
    named = msgspec.structs.replace(
        tick, tracks=tuple(msgspec.structs.replace(t, name="amy" if t.person == 1 else "") for t in tick.tracks)
    )
    message = decode(encode(pack_tracks(named, 17, skeleton="coco17", cameras=[], missing=[])))
    assert isinstance(message, PosesMessage)
    assert [t.name for t in unpack_tracks(message).tracks] == ["", "amy", ""]
    assert pack_tracks(tick, 17, skeleton="coco17", cameras=[], missing=[]).names == []
    poses = Poses.from_tracks([named], COCO17)
    write_poses(poses, tmp_path / "poses.parquet")
    assert read_poses(tmp_path).names == {1: "amy"}
    assert [poses.label(person) for person in (0, 1)] == ["person0", "amy"]


def test_the_file_gives_the_actor_back_and_exports_use_their_skeleton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path / "actors"))
    ticks = walk()
    actor = actor_of(ticks, 0, "amy")
    save_actor(actor)
    assert load_actor("amy") == actor
    with pytest.raises(ConfigError, match=r"no actor bo in .*there are: amy"):
        load_actor("bo")
    poses = replace(Poses.from_tracks(ticks[:5], COCO17), names={0: "amy"})
    path = load_exporter("bvh").write(poses, tmp_path / "take")[0]
    assert path.name == "take_amy.bvh"
    shank = next(bone for bone in actor.humanoid().bones if bone.name == "LeftFoot").offset * 100
    assert f"OFFSET {shank[0]:.6g} {shank[1]:.6g} {shank[2]:.6g}" in path.read_text()


def test_the_command_saves_shows_and_recognises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path / "actors"))
    for take in ("one", "two"):
        poses = Poses.from_tracks(walk(), COCO17)
        poses = replace(poses, person=poses.person + (3 if take == "two" else 0))
        write_poses(poses, tmp_path / take / "poses.parquet")
    assert main(["actor"]) == 0
    assert "no actors" in capsys.readouterr().out
    assert main(["actor", "amy", str(tmp_path / "one")]) == 2
    assert "--person" in capsys.readouterr().err
    assert main(["actor", "amy", str(tmp_path / "one"), "--person", "1"]) == 0
    assert "left upper arm" in capsys.readouterr().out
    assert read_poses(tmp_path / "one").names == {1: "amy"}
    assert main(["actor", "--recognise", str(tmp_path / "two")]) == 0
    assert "person 4 is amy" in capsys.readouterr().out
    assert read_poses(tmp_path / "two").names == {4: "amy"}
    assert main(["edit", str(tmp_path / "two"), "split", "amy", "--from", "1"]) == 0
    assert main(["actor", "bo", str(tmp_path / "two"), "--person", "6"]) == 0  # who is there since the edit
    assert take_poses(tmp_path / "two")[0].names == {4: "amy", 6: "bo"}
    assert read_poses(tmp_path / "two").names == {4: "amy"}
    assert main(["actor", "a/b", str(tmp_path / "one"), "--person", "1"]) == 2
    assert "a name is 1 to 64 characters" in capsys.readouterr().err


def test_known_actors_of_a_studio_are_carried_into_its_takes(tmp_path: Path) -> None:
    actor = actor_of(walk(), 0, "amy")
    save_actor(actor, tmp_path / "actors")
    text = 'skeleton = "coco17"\nknown_actors = ["amy"]\n[source]\ntype = "synthetic"\n'
    (tmp_path / "studio.toml").write_text(text)
    studio = load_studio(tmp_path / "studio.toml", check=False)
    assert studio.actors == [actor]
    (tmp_path / "other.toml").write_text(text.replace('known_actors = ["amy"]\n', ""))
    assert load_studio(tmp_path / "other.toml", check=False).actors == []  # though she is kept: nobody is guessed
    (tmp_path / "take").mkdir()
    write_studio(studio, tmp_path / "take" / "studio.toml")
    assert load_studio(tmp_path / "take" / "studio.toml", check=False).actors == [actor]
    with pytest.raises(ConfigError, match="body25"):
        Recogniser(studio.actors, load_skeleton("body25"), 30.0)
