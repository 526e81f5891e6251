"""The Blender extension as one zip: the add-on, and the wheels that following people live needs.

python examples/blender/make_extension.py [--out dist] [--platform linux-x64 windows-x64 macos-arm64]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_PYTHON = "3.11"  # of Blender 4.2 to 5.0
_TAGS = {
    "linux-x64": "manylinux_2_28_x86_64",
    "windows-x64": "win_amd64",
    "macos-arm64": "macosx_11_0_arm64",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=_REPOSITORY / "dist", help="folder for the zip (default: dist)")
    parser.add_argument("--platform", nargs="+", choices=sorted(_TAGS), default=sorted(_TAGS), help="default: all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheels = collect_wheels(Path(folder), args.platform)
        print(write_zip(args.out, wheels))


def collect_wheels(folder: Path, platforms: list[str]) -> list[Path]:
    """Our own wheel, and those of pyzmq and msgspec for each platform."""
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(_REPOSITORY))
    for platform in platforms:
        only = ("--only-binary", ":all:", "--no-deps", "--python-version", _PYTHON, "--platform", _TAGS[platform])
        constraints = ("--constraint", str(_REPOSITORY / "constraints.txt"))
        _pip("download", *only, *constraints, "--dest", str(folder), "pyzmq", "msgspec")
    return sorted(folder.glob("*.whl"))


def write_zip(out: Path, wheels: list[Path]) -> Path:
    """The zip that Blender installs (Preferences, Get Extensions, Install from Disk)."""
    manifest = (_HERE / "multiview_blender" / "blender_manifest.toml").read_text(encoding="utf-8")
    listed = ", ".join(f'"./wheels/{wheel.name}"' for wheel in wheels)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "multiview_blender.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("blender_manifest.toml", manifest.replace("wheels = []", f"wheels = [{listed}]"))
        for source in sorted((_HERE / "multiview_blender").glob("*.py")):
            file.write(source, source.name)
        for wheel in wheels:
            file.write(wheel, f"wheels/{wheel.name}")
    return path


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
