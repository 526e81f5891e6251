"""Make the pictures of the studio's pages, or of every page in every size and theme, to look at.

    python docs/make_studio_pictures.py                  docs/studio_live.webp, studio_take.webp
    python docs/make_studio_pictures.py --all pictures   each page, 360x780 and 1920x1080, light and dark

A simulated studio runs for it, and records a take. Needs Chromium (on Debian the package chromium) and the packages of
the extra `test`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from multiview.studio.config import HubOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio

DOCS = Path(__file__).parent
PORT = 17755
SIZES, THEMES = ((360, 780), (1920, 1080)), ("light", "dark")
PAGES = {"live": "/", "cameras": "/cameras", "calibrate": "/calibrate", "takes": "/takes", "health": "/health"}
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
QUALITY, WIDTH = 80, 1280
PEOPLE = "+document.querySelector('.mv-view')?.dataset.people > 0"


def run() -> None:
    """Serve a studio, record a take, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page in every size and theme, into a folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, _served(Path(name)) as link, _browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(240e3)
        page.goto(link)
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_function(PEOPLE)
        page.get_by_label("Take's name").fill("walk")
        page.get_by_role("button", name="Record").click()
        page.get_by_text(re.compile(r"● walk +[3-9] s")).wait_for()
        page.get_by_role("button", name="Stop recording").click()
        page.get_by_text("Saved take walk").wait_for()
        pages = {**PAGES, "take": "/takes/walk"}
        base = page.url.rstrip("/")
        if args.all is None:
            for what in ("live", "take"):
                _show(page, f"{base}{pages[what]}", what)
                _write(page.screenshot(), DOCS / f"studio_{what}.webp")
            return
        args.all.mkdir(parents=True, exist_ok=True)
        for (width, height), theme in itertools.product(SIZES, THEMES):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            for what, path in pages.items():
                _show(page, f"{base}{path}", what)
                page.screenshot(path=args.all / f"{what}-{width}-{theme}.png", full_page=True)


def _show(page: Any, address: str, what: str) -> None:
    """Go to a page, and wait until it shows something."""
    page.goto(address)
    if what in ("live", "take"):
        page.get_by_role("button", name="Both", exact=True).click()
        page.wait_for_function("[...document.querySelectorAll('.mv-wall canvas')].length > 1")
        page.wait_for_function(PEOPLE.replace(".mv-view", ".mv-view, .mv-player"))
    elif what == "takes":
        page.wait_for_function("document.querySelector('.mv-thumbnail img')?.naturalWidth > 0")
    page.wait_for_timeout(2500)  # for what comes bit by bit: pictures, figures, logs


def _write(png: bytes, path: Path) -> None:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    height = round(image.shape[0] * WIDTH / image.shape[1])
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), np.asarray(small), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The pages of a simulated studio; the link that lets a browser in."""
    hub = HubOptions(ingest_port=PORT, publish_port=PORT + 1, request_port=PORT + 2)
    options = {"cameras": 4, "people": 2, "seconds": 20.0, "size": [1280, 720], "person_px": 227.0}
    source = SyntheticSource(options=options, loop=True)
    write_studio(Studio(name="stage", source=source, hub=hub), folder / "studio.toml")
    log = folder / "pages.log"
    command = [sys.executable, "-m", "multiview", "studio", str(folder), "--no-browser", "--port", str(PORT + 3)]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        while not (links := re.findall(r"(http://127\.0\.0\.1:\d+/login\?token=[\w-]+)\n", log.read_text())):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield links[-1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SOFTWARE_GL)
        yield browser
        browser.close()


if __name__ == "__main__":
    run()
