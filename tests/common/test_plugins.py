"""Plugins of every package are found by the names of their files; their options are TOML values or text."""

import pytest

from multiview.common.plugins import load_plugin, plugin_names, plugin_options
from multiview.errors import ConfigError


def test_plugins_are_files(tmp_path):
    assert "blazepose" in plugin_names("multiview.detect")
    with pytest.raises(ConfigError, match='did you mean "blazepose"'):
        load_plugin("multiview.detect", "blazpose")
    with pytest.raises(ConfigError, match="there is no file"):
        load_plugin("multiview.detect", str(tmp_path / "my.py"))
    (tmp_path / "my.py").write_text("import nothing_of_that_name")
    with pytest.raises(ConfigError, match=r"my.py fails when it is loaded: ModuleNotFoundError"):
        load_plugin("multiview.detect", str(tmp_path / "my.py"))
    (tmp_path / "good.py").write_text("ANSWER = 42")
    assert load_plugin("multiview.detect", str(tmp_path / "good.py")).ANSWER == 42
    with pytest.raises(ConfigError, match=r'good.py has no "Options"; a file of multiview/detect has'):
        load_plugin("multiview.detect", str(tmp_path / "good.py"), "Options", "Detector")


def test_plugin_options_are_toml_values_or_text():
    assert plugin_options(["a=1", "b=true", "c=rtmpose-m", 'd="x"', "e=[1, 2]"]) == {
        "a": 1, "b": True, "c": "rtmpose-m", "d": "x", "e": [1, 2],
    }  # fmt: skip
