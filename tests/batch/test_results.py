"""Results appear whole, replace what is out of date, and give way to nothing else."""

import pytest

from multiview.batch.jobs import Export, Job
from multiview.batch.results import Done, Failed, check_folder, install, read_outcome
from multiview.common.json_file import write_json
from multiview.errors import ConfigError


def made(tmp_path, name, key, kind=Done, text=""):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "data.txt").write_text(text)
    if kind is Done:
        write_json(folder / "done.json", Done(job="a/poses", key=key, seconds=1.0, tries=1, host="h", version="0"))
    else:
        job = Job(recording="a", stage="poses", key=key, work=Export("trc"))
        failed = Failed(job="a/poses", key=key, reason=text, tries=1, command="", last_lines=[], host="h", spec=job)
        write_json(folder / "failed.json", failed)
    return folder


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (("k", Done), ("k", Done), "first"),  # another batch was faster
        (("k", Done), ("k", Failed), "first"),
        (("old", Done), ("k", Done), "second"),
        (("old", Done), ("k", Failed), "second"),
        (("k", Failed), ("k", Done), "second"),
        (("k", Failed), ("k", Failed), "second"),
    ],
)
def test_install_keeps_what_holds(tmp_path, first, second, stays):
    place = tmp_path / "poses"
    assert install(made(tmp_path, ".poses.tmp-a+1", *first, text="first"), place, first[0])
    assert install(made(tmp_path, ".poses.tmp-b+1", *second, text="second"), place, "k") == (stays == "second")
    assert (place / "data.txt").read_text() == stays
    assert [path.name for path in tmp_path.iterdir()] == ["poses"]
    expected = second if stays == "second" else first
    outcome = read_outcome(place)
    assert (outcome.key, type(outcome)) == expected


def test_read_outcome_believes_whole_files_only(tmp_path):
    assert read_outcome(tmp_path / "absent") is None
    (tmp_path / "done.json").write_text('{"job": "a/poses", "ke')
    assert read_outcome(tmp_path) is None


def test_check_folder_refuses_what_is_not_a_batch(tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(ConfigError, match="among the recordings"):
        check_folder(tmp_path / "root", tmp_path / "root")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(ConfigError, match="something else"):
        check_folder(tmp_path / "root", tmp_path / "thesis")
    check_folder(tmp_path / "root", tmp_path / "new")
