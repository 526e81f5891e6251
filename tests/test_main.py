"""The command table: help that is quick and complete, errors in one line."""

from __future__ import annotations

import errno
import importlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from multiview import __main__ as cli
from multiview.common.package_data import package_file
from multiview.errors import ConfigError

HEAVY = ("cv2", "matplotlib", "networkx", "numba", "onnxruntime", "open3d", "pyarrow", "scipy", "torch", "zmq")


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from multiview.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', *[name for name in {HEAVY} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "HEAVY"
    for name, command in cli.COMMANDS.items():
        assert name in result.stdout
        assert command.help in " ".join(result.stdout.split())


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(cli.COMMANDS[name].module)
    assert callable(module.run)
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"multiview {name}" in capsys.readouterr().out


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["dance"])
    assert stop.value.code == 2
    assert "dance" in capsys.readouterr().err


def test_a_mistyped_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["exprt"])
    assert "did you mean export" in capsys.readouterr().err


@pytest.mark.parametrize(("part", "whole"), [("convert", "calibrate"), ("solve", "calibrate"), ("VMC", "bridge")])
def test_a_part_of_a_command_leads_to_the_command(part: str, whole: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([part])
    assert f"did you mean {whole}" in capsys.readouterr().err


def test_a_mistyped_option_is_guessed_beside_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["calibrate", "convert", "a.toml", "b.toml", "--units", "mm"])
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert "usage: multiview calibrate convert" in printed
    assert "unrecognized arguments: --units mm; did you mean --unit?" in printed


def test_no_command_shows_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "calibrate" in capsys.readouterr().out


def command_that_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    class Module:
        @staticmethod
        def add_arguments(parser: object) -> None:
            pass

        @staticmethod
        def run(args: object) -> int:
            raise error

    monkeypatch.setitem(cli.COMMANDS, "fail", cli.Command("failing", "Always fails."))
    monkeypatch.setitem(sys.modules, "failing", Module())  # type: ignore[arg-type]


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ConfigError("rig.toml: camera 'a' has no K; add K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    command_that_raises(monkeypatch, error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            OSError(errno.EROFS, "Read-only file system", "/out/rig.toml"),
            "/out/rig.toml: Read-only file system; ch",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "a file stands where a folder should be"),
        (PermissionError(errno.EACCES, "Permission denied", "x\ny"), "x y: Permission denied; change its permissions"),
        (MemoryError(), "not enough memory"),
        (ConfigError("studio.toml: key 'a\x1b[31m\nb'"), "studio.toml: key 'a\\x1b[31m b'"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: BaseException, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(monkeypatch, error)
    assert cli.main(["fail"]) == 2
    printed = capsys.readouterr().err
    assert expected in printed
    assert printed.count("\n") == 1
    assert "\x1b" not in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "synthesize --out {file}/new",
        "calibrate board --out {file}/new",
        "calibrate convert {rig} {file}/new.toml",
        "fuse --rig {rig} --keypoints {keypoints} --out {file}/new",
        "export {file}/poses.parquet --to csv",
        "plot {file} --out {file}/new",
        "info {file}",
        "keys {studio} --out {file}/keys",
    ],
)
def test_file_where_a_folder_should_be_is_one_line(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user who may do anything (as in containers) meets no denied permission, but a file in the way always."""
    (tmp_path / "file").write_text("text")
    cli.main(["synthesize", "--out", str(tmp_path / "there"), "--seconds", "0.2", "--cameras", "2", "--people", "1"])
    capsys.readouterr()
    named = {
        "file": tmp_path / "file",
        "rig": tmp_path / "there" / "rig.toml",
        "keypoints": tmp_path / "there" / "keypoints",
        "studio": package_file("studio.toml"),
    }
    assert cli.main([word.format(**named) for word in words.split()]) == 2
    printed = capsys.readouterr().err
    assert [line for line in printed.splitlines() if line.startswith("multiview: ")] == printed.splitlines()[-1:]
    assert "Traceback" not in printed


def test_reader_that_stops_listening_ends_the_command_quietly() -> None:
    script = f"{sys.executable} -m multiview --help | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("failing_command")
def test_exit_status_is_the_same_where_nobody_reads_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    assert cli.main(["fail"]) == 2


@pytest.mark.usefixtures("failing_command")
def test_an_error_of_ours_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fail"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("multiview: rig.toml: camera 'a'")
    assert printed.err.count("\n") == 1


@pytest.mark.usefixtures("failing_command")
def test_debug_shows_the_trace() -> None:
    with pytest.raises(ConfigError):
        cli.main(["--debug", "fail"])
