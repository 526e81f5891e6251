"""FBX by the user's own Blender, which writes it from our glTF: one file per person, bones and a figure of sticks.

Blender's is the only free writer of the format. It is found as `blender` on the PATH, or where MULTIVIEW_BLENDER says;
that may also be a Python that has `bpy` (`pip install bpy`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError, MultiviewError
from multiview.export import Progress, part, silent
from multiview.export._naming import person_path
from multiview.export.gltf import Exporter as GltfExporter
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import Character

__all__ = ["Exporter"]

_END = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")  # of a whole file
_SCRIPT = Path(__file__).with_name("_blender_fbx.py")


class Exporter:
    def __init__(self) -> None:
        self.character: Character | None = None

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        blender = _blender()
        gltf = GltfExporter()
        gltf.character = self.character
        paths = []
        for done, number in enumerate(poses.people):
            told = part(progress, done, len(poses.people))
            one = person_path(stem, poses, int(number), ".fbx")
            with tempfile.TemporaryDirectory() as folder:
                glb, intervals = gltf.write(poses.select(poses.person == number), Path(folder) / stem.name)
                told(0.2)
                fbx = Path(folder) / "take.fbx"
                _convert(blender, glb, fbx, poses.frames_per_second)
                for path, content in ((one, fbx), (one.with_name(f"{one.name}.intervals.json"), intervals)):
                    with replacing(path) as temporary:
                        shutil.copyfile(content, temporary)
                    paths.append(path)
            told(1.0)
        return paths


def _blender() -> list[str]:
    """The command that runs a script in Blender."""
    named = os.environ.get("MULTIVIEW_BLENDER", "")
    program = shutil.which(named or "blender")
    if program is None:
        wrong = f"MULTIVIEW_BLENDER is {named!r}, which is no program" if named else "there is no blender on the PATH"
        raise ConfigError(
            f"FBX is written by Blender, and {wrong}: install it from blender.org, or set MULTIVIEW_BLENDER to "
            "where it is; --to gltf needs no Blender"
        )
    if "python" in Path(program).name.lower():
        return [program, "-P", str(_SCRIPT), "--"]
    return [program, "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(_SCRIPT), "--"]


def _convert(blender: list[str], glb: Path, fbx: Path, rate: float) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    command = [*blender, str(glb), str(fbx), f"{rate:.6f}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    if done.returncode or not fbx.is_file() or not fbx.read_bytes().endswith(_END):
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise MultiviewError(
            f"{blender[0]} wrote no whole FBX: {last[0] if last else f'exit status {done.returncode}'}"
        )
