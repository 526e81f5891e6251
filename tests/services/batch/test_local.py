"""What the engine of this machine gives its processes."""

import pytest

from multiview.errors import ConfigError
from services.batch.engine import EngineOptions
from services.batch.engines import local


def test_local_shares_graphics_cards(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    engine = local.Engine(EngineOptions(folder=tmp_path, jobs=6, gpus=0.5))
    assert engine.where == "6 processes, 4 with a graphics card"
    assert engine.room(0.5)
    assert engine.room(0.0)
    engine.close()


def test_local_says_that_there_is_no_graphics_card(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match="no graphics card"):
        local.Engine(EngineOptions(folder=tmp_path, jobs=2, gpus=0.5))
