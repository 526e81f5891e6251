"""Mutated files of every format that is read: each gives a value or one line, within five seconds, and writes nothing.

    python -m benchmarks mutated_files --files 10000
    python -m benchmarks mutated_files --files 2000 --formats rig studio

Text is changed byte by byte and by what people do to it: wild numbers, other types, lines lost, repeated or exchanged,
another encoding, cut. Tables and arrays are also written anew with columns of other types and wild values.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import file_formats, keypoint_files, recorded_formats
from benchmarks.file_formats import FileFormat
from benchmarks.peak_memory import forget_peak, peak_mb
from multiview.errors import MultiviewError

FORMATS = file_formats.FORMATS | recorded_formats.FORMATS | keypoint_files.FORMATS
MAX_SECONDS, MAX_MEGABYTES, LONGEST_LINE = 5.0, 500.0, 1200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--files", type=int, default=10_000, help="mutated files of each format (default 10000)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="default: all")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Print a row for each format, and what went wrong."""
    print(f"{'format':14} {'files':>6} {'read':>6} {'refused':>7} {'faults':>6} {'slowest, s':>10} {'MB grown':>8}")
    faults = 0
    for name in args.formats:
        outcome = attack(FORMATS[name], args.files, args.seed)
        print(
            f"{name:14} {args.files:6} {outcome.read:6} {outcome.refused:7} {outcome.faults.total():6} "
            f"{outcome.slowest_s:10.2f} {outcome.grown_mb:8.0f}",
            flush=True,
        )
        for fault, count in outcome.faults.most_common(20):
            print(f"    {count} x {fault}\n        {outcome.examples[fault]}")
        faults += outcome.faults.total()
    return 1 if faults else 0


@dataclass
class Outcome:
    """What became of the files of one format."""

    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    grown_mb: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def fault(self, what: str, example: str) -> None:
        self.faults[what] += 1
        self.examples.setdefault(what, example)


_watched: list[tuple[Path, Outcome]] = []  # the folder that may be written, and who hears of other writes


def attack(kind: FileFormat, files: int, seed: int) -> Outcome:
    """Read `files` mutations of a good file."""
    outcome, rng = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy about wild numbers; commands print none
        logging.disable()
        folder = Path(scratch)
        good = kind.write(folder)
        content = good.read_bytes()
        kind.read(good)
        forget_peak()
        before = peak_mb()
        for number in range(files):
            good.write_bytes(content)
            if kind.rewrite is not None and number % 2:
                kind.rewrite(rng, good)
            else:
                good.write_bytes(mutated(rng, content, kind.text))
            _read_one(kind, good, folder, outcome, f"seed {seed}, file {number}")
        outcome.grown_mb = peak_mb() - before
    logging.disable(logging.NOTSET)
    if outcome.grown_mb > MAX_MEGABYTES:
        outcome.fault(f"memory grew by {outcome.grown_mb:.0f} MB", "")
    return outcome


def _read_one(kind: FileFormat, path: Path, folder: Path, outcome: Outcome, name: str) -> None:
    _watched.append((folder, outcome))
    began = time.process_time()  # readers wait for nobody, and other programs may be busy
    try:
        kind.read(path)
        outcome.read += 1
    except MultiviewError as error:
        outcome.refused += 1
        text = str(error)
        if "\n" in text or len(text) > LONGEST_LINE or not (str(path) in text or str(path.parent) in text):
            outcome.fault("a message of several lines, too long, or without the file's name", f"{name}: {text[:300]}")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        own = next((frame for frame in reversed(where) if "site-packages" not in frame.filename), where[-1])
        place = f"{Path(own.filename).name}:{own.lineno}"
        outcome.fault(f"{type(error).__name__} at {place}", f"{name}: {str(error)[:200]}")
    finally:
        seconds = time.process_time() - began
        _watched.pop()
    outcome.slowest_s = max(outcome.slowest_s, seconds)
    if seconds > MAX_SECONDS:
        outcome.fault("slower than five seconds", f"{name}: {seconds:.1f} s")


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's own account of what is opened, removed or started."""
    if not _watched or event not in ("open", "os.remove", "os.rename", "os.mkdir", "subprocess.Popen", "os.system"):
        return
    folder, outcome = _watched[-1]
    if event == "open":
        path, mode = arguments[0], arguments[1]
        written = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        if not written or not isinstance(path, str) or path.startswith((str(folder), "/dev/null")):
            return
    outcome.fault(f"{event} of {str(arguments[0])[:80]}", "")


sys.addaudithook(_hear)


WILD = (
    b"nan", b"inf", b"-inf", b"0", b"-1", b"1e300", b"-1e300", b"1e-300", b"0.0", b"70000", b"2147483648", b"1e18",
    b"9" * 25, b"9" * 400, b'""', b'"x"', b"[]", b"{}", b"[[]]", b"true", b"null", b"None", b"-0.0", b"1979-05-27",
    b"[" * 600 + b"]" * 600, b"0x" + b"f" * 300, b'"' + "ä相\u202e".encode() + b'"', b'"../../x"', b'"/etc/passwd"',
    b'"\\u0000"', b"1e", b"--5",
)  # fmt: skip


def mutated(rng: random.Random, content: bytes, text: bool) -> bytes:
    """The content, changed once to a few times."""
    changed = content
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        changed = _changed_text(rng, changed) if text and rng.random() < 0.8 else _changed_bytes(rng, changed)
    return changed


def _changed_text(rng: random.Random, content: bytes) -> bytes:
    kind = rng.randrange(9)
    if kind <= 3:
        return _with_wild_value(rng, content)
    lines = content.splitlines(keepends=True) or [b""]
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 4:
        del lines[place]
    elif kind == 5:
        lines.insert(other, lines[place])
    elif kind == 6:
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == 7:
        other = content.decode(errors="replace").encode(rng.choice(("utf-16", "utf-8-sig", "utf-16-be")))
        return content + content if rng.random() < 0.2 else other
    else:
        return content.replace(b"\n", b"\r\n") if rng.random() < 0.5 else content[: rng.randrange(len(content) + 1)]
    return b"".join(lines)


def _with_wild_value(rng: random.Random, content: bytes) -> bytes:
    """A number or a quoted text becomes something else."""
    places = [m.span() for m in re.finditer(rb'-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|"[^"\n]*"', content)]
    if not places:
        return content
    begin, end = rng.choice(places)
    return content[:begin] + rng.choice(WILD) + content[end:]


def _changed_bytes(rng: random.Random, content: bytes) -> bytes:
    changed, place = bytearray(content), rng.randrange(len(content) + 1)
    kind = rng.randrange(6)
    if kind == 0 and place < len(changed):
        changed[place] = rng.randrange(256)
    elif kind == 1 and place < len(changed):
        changed[place] ^= 1 << rng.randrange(8)
    elif kind == 2:
        changed[place:place] = rng.randbytes(rng.randrange(1, 20))
    elif kind == 3:
        del changed[place : place + rng.randrange(1, 200)]
    elif kind == 4:
        changed[place : place + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80"))
    else:
        del changed[place:]
    return bytes(changed)
