"""A recording reads back as it was written; one of another schema version is rejected with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcap.writer import Writer

from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.errors import SourceError
from multiview.recordings.mcap_log import ENCODING, Record, RecordingReader, RecordingWriter
from multiview.synthetic import StudioOptions, make_rig
from multiview.wire.messages import SCHEMA_VERSION, Heartbeat, Stamp, encode

RECORD = Record("heartbeat", Stamp(0, 0, 5), encode(Heartbeat(boot_id=1, hub_ns=5, utc_ns=6)))


def write_recording(path: Path, schema: str) -> None:
    """One message, as a program with a schema of this name writes it."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="multiview", library="multiview")
        channel = writer.register_channel(RECORD.topic, ENCODING, writer.register_schema(schema, "jsonschema", b"{}"))
        writer.add_message(channel, 5, RECORD.stamp.encode() + RECORD.body, 5)
        writer.finish()  # type: ignore[no-untyped-call]


def test_recording_reads_back_as_written(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "take.mcap", {"rig.toml": b"x"})
    writer.write(RECORD)
    writer.close()
    reader = RecordingReader(tmp_path / "take.mcap")
    assert list(reader) == [RECORD]
    assert (reader.attachments, reader.torn) == ({"rig.toml": b"x"}, "")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("multiview", f"version 1, this one reads {SCHEMA_VERSION}.*record again.*`multiview replay TAKE --out DIR`"),
        (f"multiview-{SCHEMA_VERSION + 1}", f"newer.*schema version {SCHEMA_VERSION + 1}.*update multiview"),
    ],
)
def test_recording_of_another_schema_version_is_rejected(tmp_path: Path, schema: str, expected: str) -> None:
    write_recording(tmp_path / "take.mcap", schema)
    with pytest.raises(SourceError, match=f"take.mcap.*{expected}"):
        list(RecordingReader(tmp_path / "take.mcap"))


@pytest.mark.parametrize("command", [["info"], ["replay", "--check"], ["recover"], ["time-offsets"]])
def test_recording_of_version_1_ends_every_command_in_one_line(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(tmp_path / "take.mcap", "multiview")
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    (tmp_path / "studio.toml").write_text('cast = ["amy"]\n[source]\ntype = "synthetic"\n')
    assert main([command[0], str(tmp_path), *command[1:]]) == 2
    error = capsys.readouterr().err
    assert "schema version 1" in error
    assert error.count("\n") == 1
