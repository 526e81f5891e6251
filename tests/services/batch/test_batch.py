"""What the command `batch` says and refuses."""

import json

import pytest

from multiview.__main__ import main
from services.batch import batch
from services.batch.batch import SOME_FAILED
from services.batch.engine import EngineOptions
from tests.batches import Here, write_recordings


@pytest.fixture
def folders(tmp_path, monkeypatch):
    detector = write_recordings(tmp_path / "root", 3, frames=2)
    monkeypatch.setattr("services.batch.engine.make_engine", lambda name, options: Here())
    monkeypatch.setattr("services.batch.driver.WAIT_S", 0.001)
    assert EngineOptions(folder=tmp_path).jobs == 0
    words = [str(tmp_path / "root"), "--out", str(tmp_path / "out"), "--detector", str(detector), "--no-report"]
    return tmp_path, ["batch", *words]


def test_dry_run_prints_the_plan_and_writes_nothing(folders, capsys):
    folder, words = folders
    (folder / "root" / "b").mkdir()
    (folder / "root" / "b" / "cam01.avi").touch()
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "a0: videos" in said.out
    assert "2d/cam01, 2d/cam02, poses" in said.out
    assert "9 jobs: 9 to do, 0 done before" in said.out
    assert "b: " in said.err
    assert "two are needed" in said.err
    assert not (folder / "out").exists()


def test_batch_ends_with_a_page_worst_first_and_status_3(folders, capsys):
    folder, words = folders
    (folder / "root" / "a1" / "cam02.avi").write_bytes(b"<script>alert(1)</script>")
    assert main(words) == SOME_FAILED
    said = capsys.readouterr()
    assert "7 of 9 jobs done, 2 failed" in said.out
    assert "a1/2d/cam02" in said.err
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["rows"][0]["recording"] == "a1"
    assert list(summary["rows"][0]["failures"]) == ["2d/cam02"]
    assert summary["rows"][0]["not_begun"] == ["poses"]
    page = (folder / "out" / "index.html").read_text()
    assert page.index("a1") < page.index("a0")
    assert "not begun: poses" in page
    for link in ("a1/2d/cam02/failed.json", "a0/poses/"):
        assert f'href="{link}"' in page
        assert (folder / "out" / link).exists()
    assert main(words) == SOME_FAILED  # it stands
    assert "9 jobs: 0 to do, 7 done before, 2 failed before (--retry" in capsys.readouterr().out


def test_batch_names_causes_first_and_says_how_many_it_leaves_out(folders, capsys, monkeypatch):
    folder, words = folders
    monkeypatch.setattr(batch, "MOST_LINES", 2)
    for recording in ("a0", "a1"):
        (folder / "root" / recording / "cam01.avi").write_bytes(b"no video")
    assert main(words) == SOME_FAILED
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("multiview: ")]
    named = [line.split(": ")[1] for line in lines[-3:]]
    assert named[:2] == ["a0/2d/cam01", "a1/2d/cam01"]
    assert named[2].startswith("2 more failed")


def test_shards_share_the_recordings(folders, capsys):
    folder, words = folders
    plans = []
    for index in (1, 2):
        main([*words, "--dry-run", "--shard", f"{index}/2"])
        plans.append([line.split(":")[0] for line in capsys.readouterr().out.splitlines() if ": videos" in line])
    assert plans == [["a0", "a2"], ["a1"]]
    states = []
    for index in (1, 2):  # each writes the page of all
        main([*words, "--shard", f"{index}/2"])
        rows = json.loads((folder / "out" / "summary.json").read_text())["rows"]
        states.append({row["recording"]: row["state"] for row in rows})
    assert states == [{"a0": "done", "a1": "unfinished", "a2": "done"}, dict.fromkeys(("a0", "a1", "a2"), "done")]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--shard", "3/2"], "--shard 3/2: write I/N"),
        (["--shard", "half"], "--shard half: write I/N"),
        (["--detector", "blazepos"], 'did you mean "blazepose"'),
        (["--to", "xyz"], "xyz"),
        (["--smooth", "--independent"], "exclude each other"),
        (["--volume", "1", "0", "0", "0", "1", "1"], "must be below max"),
        (["--out", "ROOT"], "cannot lie among the recordings"),
        (["--option", "nothing"], "KEY=VALUE"),
    ],
)
def test_mistakes_are_one_line(folders, capsys, change, complaint):
    folder, words = folders
    assert main([*words, *(str(folder / "root") if word == "ROOT" else word for word in change)]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.strip().splitlines()) == 1


def test_batch_needs_recordings(folders, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert main(["batch", str(tmp_path / "empty"), "--out", str(tmp_path / "o")]) == 2
    assert "no recordings in it" in capsys.readouterr().err
    assert main(["batch"]) == 2
    assert "multiview batch ROOT --out FOLDER" in capsys.readouterr().err
