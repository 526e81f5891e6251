"""A training killed outright goes on to the very same curve."""

from __future__ import annotations

import contextlib
import copy
import csv
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from multiview.common.toml import decode_toml
from multiview.errors import MultiviewError, SourceError
from multiview.learn.all_reduce import AllReduce
from multiview.learn.model_file import open_model
from multiview.learn.recipe import Data, Network, Recipe, Schedule
from multiview.learn.train import learning_rate, train
from multiview.learn.weights import load_weights

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
TINY = """
[network]
widths = [8, 8, 8, 16]
depths = [1, 1, 1]
input = [32, 64]
[data]
pool = 24
reuse = 2
validation = 4
[schedule]
steps = 24
batch = 4
warmup = 4
validate_every = 12
save_every = 4
log_every = 2
precision = "float32"
"""


def curve(folder: Path) -> list[tuple[str, str]]:
    with (folder / "curve.csv").open() as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("more", ["", "processes = 2\nlow_res_steps = 8\nlow_res_input = [32, 32]\n"])
def test_killed_and_resumed_is_the_same_curve(tmp_path, more):
    (tmp_path / "tiny.toml").write_text(TINY + more)
    command = [sys.executable, "-m", "multiview", "train", str(tmp_path / "tiny.toml"), "--threads", "1", "--out"]
    process = subprocess.Popen([*command, str(tmp_path / "killed")], cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = torch.load(checkpoint, weights_only=True)["step"]
    assert killed_at < 24
    subprocess.run([*command, str(tmp_path / "killed")], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    recipe = decode_toml(tmp_path / "tiny.toml", Recipe)
    train(recipe, tmp_path / "whole", tmp_path, threads=1)
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert (tmp_path / "killed" / "pictures" / "0000024.png").stat().st_size > 1000
    crops = [np.zeros((64, 32, 3), np.uint8)]
    xy, score = open_model(tmp_path / "killed" / "last.pt").predict_crops(crops)
    same, _ = open_model(tmp_path / "whole" / "last.pt").predict_crops(crops)
    np.testing.assert_array_equal(xy, same)
    assert ((score >= 0) & (score <= 1)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes by /proc")
def test_train_interrupted_while_its_workers_start_shows_no_trace(tmp_path):
    """Ctrl-C reaches every process of the terminal, also one that still imports."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("SIGINT is ignored here, as in the background of a shell")
    (tmp_path / "tiny.toml").write_text(TINY + "processes = 2\n")
    command = [sys.executable, "-m", "multiview", "train", str(tmp_path / "tiny.toml"), "--threads", "1", "--out"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*command, str(tmp_path / "out")], cwd=REPOSITORY, start_new_session=True, **streams)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    started = lambda: any("spawn_main" in _command(int(child)) for child in children.read_text().split())
    deadline = time.monotonic() + 120
    while not started() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120.0)
    assert process.returncode == 130
    assert err == ""
    assert "loss nan" not in out
    assert "the same command goes on" in out


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_an_exchange_gives_everyone_the_mean():
    mine = [torch.randn(4, 3, generator=torch.Generator().manual_seed(n)) for n in range(6)]
    first = AllReduce(2, 12)
    second = copy.copy(first)  # as another process has it: the same memory, its own turn

    def three_times(all_reduce: AllReduce, number: int) -> list[torch.Tensor]:
        given = [tensor.clone() for tensor in mine[number::2]]
        for tensor in given:
            all_reduce.average(number, [tensor[:1], tensor[1:]])
        return given

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(three_times, (first, second), (0, 1))
    for turn in range(3):
        mean = (mine[2 * turn] + mine[2 * turn + 1]) / 2
        torch.testing.assert_close(one[turn], mean, rtol=0, atol=0)
        torch.testing.assert_close(two[turn], mean, rtol=0, atol=0)


def test_a_training_whose_helper_died_says_so():
    all_reduce = AllReduce(2, 3)
    all_reduce.barrier.abort()
    with pytest.raises(MultiviewError, match="start the same command again"):
        all_reduce.average(0, [torch.zeros(3)])


@pytest.mark.parametrize("name", ["hrnet", "simple_baseline"])
def test_the_larger_networks_train_by_the_same_recipe(name, tmp_path):
    torch.set_num_threads(1)
    recipe = Recipe(
        network=Network(name=name, width=8, depth=18, input=(32, 64)),
        data=Data(pool=8, validation=2),
        schedule=Schedule(steps=2, batch=2, validate_every=2),
    )
    weights = train(recipe, tmp_path, tmp_path)
    assert load_weights(weights)[0] == recipe


def test_the_finder_trains_by_the_same_recipe(tmp_path):
    torch.set_num_threads(1)
    small = Network(widths=(8, 8, 8, 16), depths=(1, 1, 1), input=(96, 64))
    recipe = Recipe(
        task="finder",
        network=small,
        data=Data(pool=16, validation=4),
        schedule=Schedule(steps=6, batch=4, validate_every=6, log_every=2),
    )
    train(recipe, tmp_path, tmp_path)
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"recall", "precision", "f1"} <= set(rows[-1])


def test_the_rate_warms_up_stays_and_cools_down():
    recipe = Recipe(schedule=Schedule(steps=100, learning_rate=1.0, warmup=10, cooldown=0.2))
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] > 0


def test_mistakes_are_named(tmp_path):
    with pytest.raises(msgspec.ValidationError, match="spatial_cross_entropy"):
        msgspec.convert({"loss": {"mse": 1.0}}, Recipe)
    with pytest.raises(ValueError, match="multiples of 32"):
        Recipe(network=Network(input=(100, 128)))
    with pytest.raises(ValueError, match="does not divide"):
        Recipe(schedule=Schedule(batch=32, processes=3))
    with pytest.raises(SourceError, match="no such file"):
        open_model(tmp_path / "best.pt")
    (tmp_path / "best.pt").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="not the weights"):
        open_model(tmp_path / "best.pt")
