"""The command table: help that is quick and complete, errors in one line."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from multiview import __main__ as cli
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
    assert "did you mean export?" in capsys.readouterr().err


def test_no_command_shows_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "calibrate" in capsys.readouterr().out


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        @staticmethod
        def add_arguments(parser: object) -> None:
            pass

        @staticmethod
        def run(args: object) -> int:
            raise ConfigError("rig.toml: camera 'a' has no K; add K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")

    monkeypatch.setitem(cli.COMMANDS, "fail", cli.Command("failing", "Always fails."))
    monkeypatch.setitem(sys.modules, "failing", Module())  # type: ignore[arg-type]


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
