"""Importing a module does nothing but define: no file, variable, process, socket, thread or setting of others changes.

A process of its own imports every module twice and watches itself (PEP 578) the second time, when all libraries are
there. What a library does, on import or when we decorate a kernel with it (numba makes its cache's folder), is its own
affair: an event counts if the nearest frame outside the standard library is ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_files import REPOSITORY, repository_files

WATCH = """
import importlib, json, os, random, sys, sysconfig, threading

import numba
import numpy as np

modules = sys.argv[1].split(":")
watched = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime",
           "os.chmod", "os.putenv", "os.unsetenv", "os.system", "shutil.", "subprocess.Popen", "socket.bind",
           "socket.connect", "signal.", "tempfile.")
standard, here = sysconfig.get_paths()["stdlib"] + os.sep, os.getcwd() + os.sep
current, found = "", []

def by_us():
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith("<") and (not path.startswith(standard) or "site-packages" in path):
            return path.startswith(here) and "site-packages" not in path
        frame = frame.f_back
    return False

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if current and (writes or event.startswith(watched)) and by_us():
        found.append(f"{current}: {event} {arguments[0] if arguments else ''}")

def compiler():
    return {f"numba.config.{name}": repr(getattr(numba.config, name)) for name in dir(numba.config) if name.isupper()}

def others():
    return {"random": repr(random.getstate()), "numpy.random": repr(np.random.get_state()), "folder": os.getcwd(),
            "numpy's errors": repr(np.geterr()), "the number of threads": threading.active_count()}

def changes(before, after):
    return [f"{current}: changes {name}" for name in before if before[name] != after[name]]

for module in modules:  # first, with all that they need
    before = compiler()
    importlib.import_module(module)
    found += [f"{module}:{change[1:]}" for change in changes(before, compiler())]
packages = {module.split(".")[0] for module in modules}
for module in [name for name in sys.modules if name.split(".")[0] in packages]:
    del sys.modules[module]
sys.addaudithook(watch)
for current in modules:
    random.random(), np.random.random()  # so that a fixed seed is a change
    before = others()
    importlib.import_module(current)
    found += changes(before, others())
print(json.dumps(found))
"""


def side_effects(folder: Path, modules: list[str]) -> list[str]:
    """What importing these modules, which lie in `folder`, changes."""
    command = [sys.executable, "-B", "-c", WATCH, ":".join(modules)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_imports_have_no_side_effects() -> None:
    paths = (path.removesuffix(".py").removesuffix("/__init__") for path in repository_files())
    assert side_effects(REPOSITORY, [path.replace("/", ".") for path in paths]) == []


def test_side_effects_finds_them(tmp_path: Path) -> None:
    sources = {
        "writes": 'open("here.txt", "w")',
        "removes": 'import shutil\nshutil.rmtree("nowhere", ignore_errors=True)',
        "sets": 'import os\nos.environ["MULTIVIEW_CELLAR"] = "wine"',
        "configures": 'import numba\nnumba.config.CACHE_DIR = "elsewhere"',
        "seeds": "import numpy\nnumpy.random.seed(1)",
        "starts": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "defines": "import numpy\nx = numpy.zeros(3)",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    found = side_effects(tmp_path, list(sources))
    assert {one.split(":")[0] for one in found} == set(sources) - {"defines"}
