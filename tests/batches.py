"""Small recordings for batches, and a detector that does as its option says: work, fail, or die."""

from __future__ import annotations

from pathlib import Path

from multiview.batch.jobs import Detect, Job, Options, plan_jobs
from multiview.batch.recordings import MARKER, find_recordings
from multiview.cameras.rig_file import save_rig
from multiview.synthetic import StudioOptions, make_studio
from services.batch.engine import Ended
from services.batch.worker import perform
from tests.footage import SIZE, write_video

DETECTOR = """
import os, signal
from pathlib import Path
import msgspec, numpy as np
from multiview.body.skeleton import load_skeleton
from multiview.data import Keypoints2D

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log: str = ""  # a file that gets a line for each job
    die_once: str = ""  # a file: while it is not there, make it and die
    full_while: str = ""  # a file: while it is there, the disk is full

class Detector:
    def __init__(self, options):
        self.options, self.skeleton, self.stage_ns, self.state = options, load_skeleton("coco17"), {}, {}

    def detect(self, frames):
        return [self.one(frame) for frame in frames]

    def one(self, frame):
        options = self.options
        if frame.index == 0 and options.log:
            with open(options.log, "a") as file:
                file.write(f"{frame.camera}\\n")
        if options.full_while and Path(options.full_while).exists():
            raise OSError(28, "No space left on device")
        if options.die_once and not Path(options.die_once).exists():
            Path(options.die_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        # What was seen before fades by half from frame to frame.
        seen = float(frame.image[:, :8].mean())
        self.state[frame.camera] = (self.state.get(frame.camera, 0.0) + seen) / 2
        xy = np.full((1, 17, 2), self.state[frame.camera]) + np.arange(17)[:, None]
        return Keypoints2D(xy, np.full((1, 17), 0.5))
"""


def write_recordings(root: Path, count: int, cameras: int = 2, frames: int = 5) -> Path:
    """Folders `a0`, `a1` ... of tiny videos below one rig; the detector's file beside the root."""
    rig = make_studio(StudioOptions(cameras=cameras, people=1, seconds=0.1, size=SIZE)).rig
    root.mkdir(parents=True)
    save_rig(rig, root / "rig.toml")
    for number in range(count):
        (root / f"a{number}").mkdir()
        for name in rig.names:
            write_video(root / f"a{number}" / f"{name}.avi", frames)
    detector = root.parent / "mine.py"
    detector.write_text(DETECTOR)
    return detector


def planned(root: Path, detector: Path, **options: object) -> list[Job]:
    """The jobs of all recordings below a folder."""
    found = find_recordings(root)
    assert not found.rejected
    return plan_jobs(found.recordings, Options(detector=str(detector), **options))  # type: ignore[arg-type]


def detections(jobs: list[Job]) -> list[Job]:
    """Those of 2D poses, which are quick."""
    return [job for job in jobs if isinstance(job.work, Detect)]


def results_folder(path: Path) -> Path:
    """A folder that is one of a batch."""
    path.mkdir()
    (path / MARKER).write_text("{}")
    return path


class Here:
    """An engine without processes: what is submitted is done when it is waited for; `lose` names jobs that are lost."""

    where = "here"

    def __init__(self, most: int = 2, lose: dict[str, int] | None = None) -> None:
        self.most, self.lose, self.tasks = most, dict(lose or {}), dict[str, str]()
        self.done: list[str] = []

    def room(self, gpus: float) -> bool:
        return len(self.tasks) < self.most

    def submit(self, name: str, task: str, gpus: float) -> None:
        self.tasks[name] = task

    def wait(self, timeout_s: float) -> list[Ended]:
        name, task = self.tasks.popitem()
        if self.lose.get(name, 0):
            self.lose[name] -= 1
            return [Ended(name, None, "its process was killed by SIGKILL")]
        self.done.append(name)
        return [Ended(name, perform(task))]

    def close(self) -> None:
        self.tasks.clear()
