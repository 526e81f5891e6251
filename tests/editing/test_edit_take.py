"""Edits undone and done again give the same bits, the recording stays as it is, and a replay is edited alike."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.commands.edit_run import fuse_anew
from multiview.editing.edit_list import EDITS
from multiview.editing.edit_take import add_edit, move_edits, new_person
from multiview.editing.edits import DeletePerson, Edit, Trim, make_edit
from multiview.editing.take_poses import take_poses
from multiview.errors import ConfigError, SourceError
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.recordings.take import Take
from multiview.synthetic import Studio
from tests.editing.recorded import bits, record, recorded_bits

SEQUENCES, LENGTH = 20, 3


@pytest.fixture(scope="module")
def recorded(small_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Take:
    return record(tmp_path_factory.mktemp("recorded"), small_studio)


@pytest.fixture
def take(recorded: Take, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded.folder, tmp_path / "walk"))


def random_edit(folder: Path, poses: Poses, rng: np.random.Generator) -> Edit:
    """Any edit, of somebody who is there; it may be of a time at which they are not."""
    people = [int(person) for person in rng.permutation(poses.people)]
    from_s = round(float(rng.uniform(0, 0.5)), 2)
    span = {"from_s": from_s, "to_s": from_s + round(float(rng.uniform(0.08, 0.4)), 2)}
    some = [{}, {"from_s": span["from_s"]}, {"to_s": span["to_s"]}, span][rng.integers(4)]
    joints = [str(joint) for joint in rng.choice(poses.joints, 3, replace=False)]
    kinds = ("trim", "cut", "swap", "merge", "split", "delete", "name", "mark_bad", "fill_gaps", "smooth", "fuse")
    match str(rng.choice(kinds)):
        case "trim" | "cut" as kind:
            return make_edit(kind, some or span)
        case "swap":
            return make_edit("swap", some | {"people": people[:2]})
        case "merge":
            return make_edit("merge", {"people": people})
        case "split":
            return make_edit("split", some | {"person": people[0], "into": new_person(folder, poses)})
        case "delete":
            return make_edit("delete", span | {"person": people[0]})
        case "name":
            return make_edit("name", {"person": people[0], "name": str(rng.choice(["amy", "bo", "é <b>"]))})
        case "mark_bad":
            return make_edit("mark_bad", span | {"person": people[0], "joints": joints})
        case "fill_gaps":
            return make_edit("fill_gaps", some | {"max_s": 0.3, "people": people[: rng.integers(2)]})
        case "smooth":
            return make_edit("smooth", some | {"hz": 6.0, "people": people[: rng.integers(2)]})
        case _:
            return fuse_anew(folder, bool(rng.integers(2)))


@pytest.mark.slow
def test_undo_and_redo_give_the_same_bits_and_the_recording_is_as_it_was(take: Path, recorded: Take) -> None:
    before, untouched, seen = recorded_bits(take), take_poses(take)[0], set[str]()
    for sequence in range(SEQUENCES):
        rng, poses, states = np.random.default_rng(sequence), untouched, [bits(untouched)]
        while len(states) <= LENGTH:
            try:
                _, poses = add_edit(take, random_edit(take, poses, rng))
            except ConfigError:  # of what is not there
                continue
            states.append(bits(poses))
        seen.update(states)
        some = int(rng.integers(1, LENGTH))
        for steps, state in ((-some, LENGTH - some), (some - LENGTH, 0), (some, some), (LENGTH - some, LENGTH)):
            assert move_edits(take, steps).applied == state
            assert bits(take_poses(take)[0]) == states[state]
        assert recorded_bits(take) == before
        with pytest.raises(ConfigError, match="nothing to redo"):
            move_edits(take, 1)
        move_edits(take, -LENGTH)
    assert len(seen) > SEQUENCES * LENGTH / 2  # edits that change nothing are few
    assert recorded_bits(recorded.folder) == before


@pytest.mark.slow
def test_edits_are_the_same_on_a_copy_that_computes_them_itself(take: Path, recorded: Take) -> None:
    for words in (["fuse", "--smooth"], ["smooth", "--hz", "6"], ["cut", "--from", "0.2", "--to", "0.4"]):
        assert main(["edit", str(take), *words]) == 0
    other = Path(shutil.copytree(recorded.folder, take.parent / "other"))
    shutil.copy(take / EDITS, other / EDITS)
    with pytest.raises(SourceError, match="--remake"):
        take_poses(other)
    assert main(["edit", str(other), "--remake"]) == 0
    assert bits(take_poses(other)[0]) == bits(take_poses(take)[0])


def test_fusion_anew_of_an_edited_take_gives_the_same_edited_poses(take: Path, tmp_path: Path) -> None:
    """`replay --out` elsewhere, `replay --out` in the take, and the edit `fuse`: the same bits, with the same edits."""
    original = bits(take_poses(take)[0])
    people = take_poses(take)[0].people.tolist()
    edits: list[Edit] = [Trim(from_s=0.08), make_edit("swap", {"people": people[:2], "from_s": 0.4})]
    for edit in edits:
        add_edit(take, edit)
    edited = bits(take_poses(take)[0])
    assert edited != original
    assert main(["replay", str(take), "--out", str(tmp_path / "out")]) == 0
    assert bits(read_poses(tmp_path / "out" / "poses.parquet")) == original
    assert bits(take_poses(tmp_path / "out")[0]) == edited
    assert main(["replay", str(take), "--out", str(take)]) == 0
    assert (take / "poses.parquet").is_file()
    assert bits(take_poses(take)[0]) == edited
    move_edits(take, -2)
    for edit in (fuse_anew(take), *edits):
        add_edit(take, edit)
    assert bits(take_poses(take)[0]) == edited
    assert main(["replay", str(take), "--out", str(tmp_path / "again")]) == 0
    assert bits(take_poses(tmp_path / "again")[0]) == edited


def test_edits_of_time_stay_when_keypoints_are_fused_anew(take: Path) -> None:
    whole = take_poses(take)[0]
    person = int(whole.people[0])
    assert main(["edit", str(take), "trim", "--from", "0.2"]) == 0
    assert main(["edit", str(take), "delete", str(person)]) == 0
    assert main(["edit", str(take), "fuse"]) == 0
    poses = take_poses(take)[0]
    assert poses.time_ns.min() >= whole.time_ns.min() + 200_000_000
    assert person in poses.people


def test_everyone_who_reads_a_take_sees_its_edits(take: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = take_poses(take)[0].people.tolist()
    assert main(["edit", str(take), "name", str(people[1]), "amy"]) == 0
    assert main(["edit", str(take), "delete", str(people[0])]) == 0
    assert main(["export", str(take), "--to", "csv"]) == 0
    lines = (take / "poses.csv").read_text().splitlines()
    assert {line.split(",")[3] for line in lines[1:]} == {str(people[1])}
    capsys.readouterr()
    assert main(["info", str(take)]) == 0
    assert "2 of 2 edits in force" in capsys.readouterr().out
    assert take_poses(take)[0].names == {people[1]: "amy"}
    assert main(["edit", str(take), "--undo", "2"]) == 0
    assert take_poses(take)[0].people.tolist() == people


def test_list_says_who_is_there_and_what_was_done(take: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = take_poses(take)[0].people.tolist()
    assert main(["edit", str(take), "name", str(people[0]), "amy"]) == 0
    assert main(["edit", str(take), "swap", "amy", str(people[1]), "--from", "0.4", "--to", "0.6"]) == 0
    assert main(["edit", str(take), "--undo"]) == 0
    capsys.readouterr()
    assert main(["edit", str(take)]) == 0
    said = capsys.readouterr().out
    assert "  1  name person" in said
    assert f"  2  swap amy and person{people[1]} from 0.4 to 0.6 s   (undone)" in said
    assert main(["edit", str(take), "cut", "--to", "0.2"]) == 0
    assert "1 undone edit forgotten" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trim"], "trim: give --from, --to or both"),
        (["trim", "--from", "9", "--to", "10"], "nobody would be left: people are there from 0.000 to 0."),
        (["cut", "--from", "0.5", "--to", "0.2"], "a span that ends at 0.2 s and begins at 0.5 s is empty"),
        (["cut", "--from", "5"], "nothing would go"),
        (["delete", "nobody"], "no person nobody; there are "),
        (["swap", "99", "1"], "no person 99; there are "),
        (["merge", "WHO", "WHO"], "cannot be merged with themselves"),
        (["merge", "WHO"], "merge: people: "),
        (["mark-bad", "WHO", "--joints", "nase", "--from", "0.1"], "no joint nase; there are "),
        (["split", "WHO", "--from", "7"], "is not there then, but from 0.000 to "),
        (["name", "WHO", "a/b"], "a name is 1 to 64 characters"),
        (["smooth", "--hz", "20"], "a low pass of 20 Hz needs more than 25 frames per second"),
        (["--undo"], "nothing to undo"),
        (["--redo"], "nothing to redo"),
    ],
)
def test_edits_of_what_is_not_there_are_one_line(
    take: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    who = str(take_poses(take)[0].people[0])
    assert main(["edit", str(take), *(who if word == "WHO" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (take / EDITS).exists()


def test_edits_of_other_poses_are_refused(take: Path) -> None:
    poses = take_poses(take)[0]
    add_edit(take, DeletePerson(person=int(poses.people[0])))
    write_poses(replace(poses, person=poses.person + 1), take / "poses.parquet")
    with pytest.raises(SourceError, match="its edits are of other poses"):
        take_poses(take)
    move_edits(take, -1)
    assert len(take_poses(take)[0]) == len(poses)
    add_edit(take, DeletePerson(person=int(poses.people[0]) + 1))  # the list begins anew
    assert len(take_poses(take)[0]) < len(poses)


def test_take_without_a_stream_is_edited_but_not_fused_anew(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_poses(take_poses(take)[0], tmp_path / "bare" / "poses.parquet")
    assert main(["edit", str(tmp_path / "bare"), "trim", "--from", "0.2"]) == 0
    assert main(["edit", str(tmp_path / "bare"), "fuse"]) == 2
    assert "no keypoints to fuse anew" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "bare" / "poses.parquet"), "--to", "csv"]) == 0
    assert "is read as it is" in caplog.text
    assert main(["edit", str(tmp_path), "trim", "--from", "0.2"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("applied = 2", "2 edits are said to be applied, and there are 1"),
        ("applied = 1\nkind = 1", 'unknown key "kind"'),
        ("applied = -1", "must be from 0"),
        ("applied = 1\n[[edits]]\nkind = 'trim'\nfrom_s = nan", "from_s: must be from 0"),
        ("applied = 1\n[[edits]]\nkind = 'burn'", "edits[0].kind"),
    ],
)
def test_wrong_edits_file_is_one_line(take: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    tail = "" if "[[edits]]" in text else "\n[[edits]]\nkind = 'cut'\nto_s = 0.1"
    (take / EDITS).write_text(f"poses = 'ab'\nstart_ns = 0\n{text}{tail}\n")
    assert main(["export", str(take), "--to", "csv"]) == 2
    assert said in capsys.readouterr().err
