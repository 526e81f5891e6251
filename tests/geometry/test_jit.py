import os
import time
from pathlib import Path

from multiview.geometry.jit import UNUSED_S, _forget_others


def test_what_older_versions_compiled_goes_when_nobody_used_it_for_long(tmp_path: Path) -> None:
    own, lately, long_ago, models = (tmp_path / name for name in ("0" * 12, "1" * 12, "a" * 12, "models"))
    for folder in (lately, long_ago, models):
        folder.mkdir()
        (folder / "file").touch()
    for folder, age in ((lately, 0.9), (long_ago, 1.1), (models, 1.1)):
        os.utime(folder, (time.time() - age * UNUSED_S,) * 2)
    _forget_others(own)
    assert {folder.name for folder in tmp_path.iterdir()} == {own.name, lately.name, models.name}
