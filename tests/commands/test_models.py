"""Fetching from a real (local) server: whole, resumed, zipped, wrong, gone; never half a file in place."""

import hashlib
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from multiview.__main__ import main
from multiview.commands import models

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CARD = """
title = "a test's"
homepage = "http://localhost"
plugin = "blazepose"
skeleton = "coco17"
code_license = "x"
weights_license = "x"
training_data = "x"
input_size = [8, 8]
colour = "rgb"
mean = [0, 0, 0]
std = [1, 1, 1]
crop = "person"
decoder = "argmax"
[[files]]
name = "net.onnx"
url = "{url}"
sha256 = "{sha256}"
member = "{member}"
"""


class Server(BaseHTTPRequestHandler):
    """Serves with ranges; cuts a path that begins with /cut in the middle, once."""

    def __init__(self, files, log, *args):
        self.files, self.log = files, log
        super().__init__(*args)

    def do_GET(self):
        content = self.files.get(self.path.removeprefix("/cut"))
        wanted = self.headers.get("Range")
        self.log.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.path.startswith("/cut") and not wanted
        self.wfile.write(content[start : len(content) // 2] if cut else content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("deep/end2end.onnx", CONTENT)
    log = []
    files = {"/net.onnx": CONTENT, "/net.zip": archive.read_bytes(), "/text.zip": b"no zip"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, files, log))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def card(path, sha256=SHA256, member=""):
        text = CARD.format(url=f"http://127.0.0.1:{server.server_port}{path}", sha256=sha256, member=member)
        (tmp_path / "mine.toml").write_text(text)
        return str(tmp_path / "mine.toml")

    yield card, tmp_path / "cache" / "models" / "mine", log
    server.shutdown()
    server.server_close()


def test_fetch_check_and_not_again(served, capsys):
    card, place, log = served
    assert main(["models", "fetch", card("/net.onnx")]) == 0
    assert (place / "net.onnx").read_bytes() == CONTENT
    assert main(["models", "fetch", card("/net.onnx")]) == 0
    assert log == [None]
    assert main(["models", "check", card("/net.onnx")]) == 0
    assert "as published" in capsys.readouterr().out
    (place / "net.onnx").write_bytes(b"other")
    assert main(["models", "check", card("/net.onnx")]) == 2
    assert "sha256 differs" in capsys.readouterr().out


def test_out_of_a_zip(served, capsys):
    card, place, _ = served
    assert main(["models", "fetch", card("/net.zip", member="end2end.onnx")]) == 0
    assert (place / "net.onnx").read_bytes() == CONTENT
    (place / "net.onnx").unlink()
    assert main(["models", "fetch", card("/net.zip", member="other.onnx")]) == 2
    assert main(["models", "fetch", card("/text.zip", member="other.onnx")]) == 2
    assert "cannot be unpacked" in capsys.readouterr().err
    assert list(place.iterdir()) == []


def test_an_unpublished_hash_is_recorded(served, capsys):
    card, place, _ = served
    assert main(["models", "fetch", card("/net.onnx", sha256="")]) == 0
    assert hashlib.sha256(CONTENT).hexdigest() in capsys.readouterr().err
    assert main(["models", "check", card("/net.onnx", sha256="")]) == 0
    assert "as first fetched" in capsys.readouterr().out
    (place / "net.onnx").write_bytes(b"changed")
    assert main(["models", "check", card("/net.onnx", sha256="")]) == 2


def test_a_broken_download_is_gone_on_with(served, capsys):
    card, place, log = served
    assert main(["models", "fetch", card("/cut/net.onnx")]) == 2
    assert "run it again" in capsys.readouterr().err
    assert not (place / "net.onnx").exists()
    assert main(["models", "fetch", card("/cut/net.onnx")]) == 0
    assert log[1] == f"bytes={len(CONTENT) // 2}-"
    assert (place / "net.onnx").read_bytes() == CONTENT
    assert [path.name for path in place.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    ("path", "sha256", "complaint"),
    [
        ("/net.onnx", "0" * 64, "should have 000"),
        ("/absent.onnx", "", "404"),
    ],
)
def test_wrong_or_absent_is_one_line_and_nothing_in_place(served, capsys, path, sha256, complaint):
    card, place, _ = served
    assert main(["models", "fetch", card(path, sha256=sha256)]) == 2
    assert complaint in capsys.readouterr().err
    assert not (place / "net.onnx").exists()


def test_offline_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    (tmp_path / "mine.toml").write_text(CARD.format(url="http://127.0.0.1:9/net.onnx", sha256="", member=""))
    assert main(["models", "fetch", str(tmp_path / "mine.toml")]) == 2
    assert "cannot be fetched" in capsys.readouterr().err


def test_list_names_every_card(capsys):
    assert main(["models", "list"]) == 0
    assert "blazepose" in capsys.readouterr().out
    assert models.card_names()
