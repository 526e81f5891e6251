"""Damaged takes: every chunk that is whole is read, and what is missing is said, neither more nor less."""

from __future__ import annotations

import random
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multiview.__main__ import main
from multiview.commands.recover import recover
from multiview.data import VideoFrame
from multiview.errors import ConfigError
from multiview.recordings.mcap_log import RecordingReader
from multiview.recordings.take import Take, begin_take
from multiview.recordings.take_stream import TakeStream
from services.nodes.video_log import VideoLog
from tests.footage import SIZE, picture
from tests.recordings.damage import PART, ChunkAt, chunks_of, flipped, two_parts

FLIPS, CUTS = 60, 20  # `python -m tests.recordings.test_damage` tries a thousand


class Damaged:
    """A take whose files are damaged one at a time."""

    def __init__(self, folder: Path) -> None:
        self.take, records = two_parts(folder)
        self.records = {record.stamp.sequence: record for record in records}
        self.parts = self.take.recordings()
        self.content = [path.read_bytes() for path in self.parts]
        self.chunks = [chunks_of(path) for path in self.parts]

    def damage(self, part: int, content: bytes) -> None:
        for path, whole in zip(self.parts, self.content, strict=True):
            path.write_bytes(whole)
        self.parts[part].write_bytes(content)

    def check(self, hit: list[ChunkAt]) -> set[int]:
        """Numbers that are missing, after a check that they are of damaged chunks and are said."""
        stream = self.take.stream()
        read = list(stream)
        assert [self.records[record.stamp.sequence] for record in read] == read
        numbers = [record.stamp.sequence for record in read]
        assert numbers == sorted(set(numbers))
        missing = self.records.keys() - set(numbers)
        assert missing <= {number for chunk in hit for number in chunk.sequences}
        self._is_said(stream, missing)
        return missing

    def _is_said(self, stream: TakeStream, missing: set[int]) -> None:
        assert bool(stream.lines()) == bool(missing)
        assert sum(part.missing or 0 for part in stream.parts) == len(missing)
        assert sum(part.missing_ticks or 0 for part in stream.parts) == sum(
            self.records[number].topic == "poses" for number in missing
        )
        spans = [(gap.after_ns, gap.before_ns) for part in stream.parts for gap in part.gaps]
        for number in missing:
            at = self.records[number].stamp.arrival_ns
            assert any((after is None or after < at) and (before is None or at <= before) for after, before in spans)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    return Damaged(tmp_path_factory.mktemp("damaged"))


def try_flips(damaged: Damaged, rng: random.Random, flips: int) -> None:
    """Half of them in the few bytes that are no messages: lengths, kinds of records, attachments, the index."""
    for number in range(flips):
        part = number % 2
        content = damaged.content[part]
        inside = [chunk for chunk in damaged.chunks[part] if number % 4 < 2]
        while True:
            bit = rng.randrange(8 * len(content))
            if not any(chunk.begin + 45 <= bit // 8 < chunk.end for chunk in inside):
                break
        damaged.damage(part, flipped(content, bit))
        damaged.check([chunk for chunk in damaged.chunks[part] if chunk.begin <= bit // 8 < chunk.end])


def try_cuts(damaged: Damaged, rng: random.Random, cuts: int) -> None:
    for number in range(cuts):
        content = damaged.content[number % 2]
        size = rng.randrange(len(content))
        damaged.damage(number % 2, content[:size])
        lost = [chunk for chunk in damaged.chunks[number % 2] if chunk.end > size]
        assert damaged.check(lost) == {number for chunk in lost for number in chunk.sequences}


@pytest.mark.slow
def test_one_flipped_bit_costs_one_chunk_at_most(damaged: Damaged) -> None:
    try_flips(damaged, random.Random(1), FLIPS)


@pytest.mark.parametrize("place", [1, 44], ids=["of the record", "of what is packed"])
def test_flipped_bit_in_a_size_of_a_chunk_costs_no_message(damaged: Damaged, place: int) -> None:
    """One that became a little larger would begin the next chunk too late; the other says what it was."""
    chunk = damaged.chunks[0][2]
    for bit in range(16):
        damaged.damage(0, flipped(damaged.content[0], 8 * (chunk.begin + place) + bit))
        assert damaged.check([chunk]) == set()


def test_cut_costs_what_stood_behind_it(damaged: Damaged) -> None:
    try_cuts(damaged, random.Random(2), CUTS)


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"something else entirely" * 100])
@pytest.mark.parametrize("part", [0, 1])
def test_part_without_a_message_does_not_hide_the_other(damaged: Damaged, part: int, content: bytes) -> None:
    damaged.damage(part, content)
    assert len(damaged.check(damaged.chunks[part])) == PART


def test_lost_first_chunk_takes_no_channel_with_it_even_without_the_index(damaged: Damaged) -> None:
    first, second, last = damaged.chunks[1][0], damaged.chunks[1][1], damaged.chunks[1][-1]
    content = damaged.content[1][: last.begin]  # the index repeats the channels, and is cut off
    damaged.damage(1, flipped(content, 8 * (first.begin + 1000)))
    missing = damaged.check([first, last])
    assert missing == first.sequences | last.sequences
    assert second.sequences.isdisjoint(missing)


def test_recover_copies_all_that_is_whole_and_changes_nothing(damaged: Damaged, tmp_path: Path) -> None:
    chunk = damaged.chunks[0][3]
    damaged.damage(0, flipped(damaged.content[0], 8 * (chunk.begin + 500)))
    before = {path: path.read_bytes() for path in damaged.take.folder.rglob("*") if path.is_file()}
    take, rows = recover(damaged.take, tmp_path / "copy")
    assert {path: path.read_bytes() for path in damaged.take.folder.rglob("*") if path.is_file()} == before
    assert [name for name, _, trouble in rows if trouble] == ["take.mcap"]
    kept = [record for number, record in sorted(damaged.records.items()) if number not in chunk.sequences]
    assert list(take.records()) == kept
    assert not take.stream().lines()
    assert [RecordingReader(path).torn for path in take.recordings()] == ["", ""]
    assert {path.name for path in take.folder.iterdir()} == {path.name for path in damaged.take.folder.iterdir()}


def test_commands_say_what_is_missing_and_exit_with_3(damaged: Damaged, capsys: pytest.CaptureFixture[str]) -> None:
    chunk = damaged.chunks[0][2]
    damaged.damage(0, flipped(damaged.content[0], 8 * (chunk.begin + 500)))
    assert main(["info", str(damaged.take.folder)]) == 3
    said = capsys.readouterr()
    assert f"{len(chunk.sequences)} messages" in said.out
    assert said.err.startswith("multiview: partly: ")
    damaged.damage(0, damaged.content[0])
    assert main(["info", str(damaged.take.folder)]) == 0


def test_records_that_were_never_written_are_told_from_damage(tmp_path: Path) -> None:
    take, records = two_parts(tmp_path)
    stream = take.stream()
    assert len(list(stream)) == len(records)
    assert (stream.unrecorded, stream.lines()) == (0, [])
    take.recordings()[0].unlink()
    (take.folder / "contents.toml").unlink()  # nothing says that there was a part before
    later = Take(take.folder).stream()
    assert [record.stamp.sequence for record in later] == list(range(PART, 2 * PART))
    assert later.lines() == []


@pytest.mark.parametrize("gone", [0, 1])
def test_part_that_was_removed_is_missing_and_said(tmp_path: Path, gone: int) -> None:
    take, records = two_parts(tmp_path)
    name = take.recordings()[gone].name
    take.recordings()[gone].unlink()
    left = records[PART:] if gone == 0 else records[:PART]
    stream = Take(take.folder).stream()
    assert list(stream) == left
    ticks = sum(record.topic == "poses" for record in records) - sum(record.topic == "poses" for record in left)
    assert [f"{name}: it is not there: {PART} messages ({ticks} of them poses) are missing" in line
            for line in stream.lines()] == [True]  # fmt: skip
    assert stream.unrecorded == 0
    copy, _ = recover(take)
    assert copy.folder != take.folder
    assert list(copy.records()) == left


def test_parts_that_were_exchanged_copied_or_brought_from_elsewhere_are_said(tmp_path: Path) -> None:
    take, _ = two_parts(tmp_path)
    first, second = take.recordings()
    list(whole := take.stream())
    assert whole.lines() == []
    contents = first.read_bytes(), second.read_bytes()
    for here, there, named in ((1, 0, ["take.mcap", "take.1.mcap"]), (0, 0, ["take.1.mcap"])):
        first.write_bytes(contents[here])
        second.write_bytes(contents[there])
        list(stream := take.stream())
        assert [line.partition(":")[0] for line in stream.lines()] == named
        assert all("not the file that the take had" in line for line in stream.lines())
    first.write_bytes(contents[0])
    second.write_bytes(contents[1])
    shutil.copyfile(second, take.next_recording())
    list(stream := take.stream())
    assert [line.partition(":")[0] for line in stream.lines()] == ["take.2.mcap"]


def test_contents_of_a_foreign_take_name_no_file_elsewhere(tmp_path: Path) -> None:
    take, records = two_parts(tmp_path)
    other = tmp_path / "other.mcap"
    shutil.copyfile(take.recordings()[0], other)
    contents = take.folder / "contents.toml"
    contents.write_text(contents.read_text().replace('"take.mcap"', '"../other.mcap"'))
    assert list(take.stream()) == records


def test_two_recoveries_at_once_make_one_whole_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one runs from beginning to end while the first is at work."""
    take, records = two_parts(tmp_path)
    target, copy2, others = tmp_path / "copy", shutil.copy2, list[Take]()

    def meanwhile(source: Path, place: Path) -> None:
        if not others:
            others.append(take)
            others.append(recover(take, target)[0])
        copy2(source, place)

    monkeypatch.setattr(shutil, "copy2", meanwhile)
    with pytest.raises(ConfigError, match="copy exists"):
        recover(take, target)
    assert list(others[1].records()) == records
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "two"]
    with pytest.raises(ConfigError, match="lies in the take itself"):
        recover(take, take.folder / "videos" / "copy")


def test_recover_names_the_videos_that_hold_no_picture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Cut off before their first picture: empty, with nothing but a header, or not even there."""
    take = begin_take(tmp_path, "night", datetime(2026, 1, 1, tzinfo=UTC), "", "")
    log = VideoLog(take.videos, "cam01", SIZE, 25.0, 0)
    for number in range(10):
        log.add(VideoFrame(picture(number), number, number * 40_000_000, "cam01"), wait=True)
    log.close()
    whole = (take.videos / "cam01.mp4").read_bytes()
    for name, content in (("cam02", b""), ("cam03", whole[:700]), ("cam04", None)):
        (take.videos / f"{name}.timestamps.csv").write_text("frame,time\n")
        if content is not None:
            (take.videos / f"{name}.mp4").write_bytes(content)

    assert main(["recover", str(take.folder)]) == 3
    said = capfd.readouterr()
    assert "cam01.mp4: plays as far as it was written" in said.out
    lines = [line for line in said.err.splitlines() if "holds" in line]
    for line, name in zip(lines, ("cam02", "cam03", "cam04"), strict=True):
        assert f"{name}.mp4 holds no picture" in line


def main_with_many(flips: int = 1000, cuts: int = 200) -> None:
    """As the tests, and each time also what `recover` keeps."""
    with tempfile.TemporaryDirectory() as folder:
        damaged = Damaged(Path(folder))
        try_flips(damaged, random.Random(11), flips)
        try_cuts(damaged, random.Random(12), cuts)
        rng = random.Random(13)
        for number in range(cuts):
            content = damaged.content[number % 2]
            damaged.damage(number % 2, flipped(content, rng.randrange(8 * len(content))))
            read = list(damaged.take.stream())
            take, _ = recover(damaged.take, Path(folder) / f"copy{number}")
            assert list(take.records()) == read
            assert not take.stream().lines()
            shutil.rmtree(take.folder)
    print(f"{flips} flips, {cuts} cuts, {cuts} recoveries: nothing whole is lost, what is missing is said")


if __name__ == "__main__":
    main_with_many()
