"""companion.data.download against a server of this test's own, which can resume, refuse to, break off, and lie."""

import hashlib
import io
import re
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from companion.data import download, download_archive

CONTENT = bytes(range(256)) * 4_111  # more than one block of a megabyte
SHA256, MD5 = (f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}" for kind in ("sha256", "md5"))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers["Range"]
        server.requests.append((self.path, asked))
        if self.path == "/silent":
            server.released.wait()
            return
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.resumes else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : server.breaks_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.files, server.requests, server.released = {"/file": CONTENT}, [], threading.Event()
    server.resumes, server.says_length, server.breaks_after = True, True, None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("digest", [SHA256, MD5, SHA256.upper()])
def test_a_file_comes_whole_and_once(server, tmp_path, digest, says_length):
    server.says_length = says_length
    path = tmp_path / "new" / "folder" / "file.bin"
    assert download(f"{server.url}/file", path, digest=digest) == path
    assert path.read_bytes() == CONTENT
    assert download(f"{server.url}/file", str(path), digest=digest) == path
    assert server.requests == [("/file", None)]
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_file_fetched_by_hand_needs_no_network(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert download("http://nowhere.invalid/file", tmp_path / "file", digest=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_connection_is_resumed_where_the_server_can(server, tmp_path, resumes):
    server.resumes, server.breaks_after = resumes, 700_001
    with pytest.raises(ConnectionError, match=rf"ended after 700001 of {len(CONTENT)} bytes; call again to go on"):
        download(f"{server.url}/file", tmp_path / "file", digest=SHA256)
    assert [p.name for p in tmp_path.iterdir()] == ["file.part"]
    server.breaks_after = None
    assert download(f"{server.url}/file", tmp_path / "file", digest=SHA256).read_bytes() == CONTENT
    assert server.requests == [("/file", None), ("/file", "bytes=700001-")]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_whole_part_only_needs_its_name(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert download(f"{server.url}/file", tmp_path / "file", digest=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"other bytes", CONTENT + b"and more"])
def test_a_wrong_part_is_deleted_and_the_next_call_begins_anew(server, tmp_path, part):
    (tmp_path / "file.part").write_bytes(part)
    with pytest.raises(
        ValueError, match=f"expected {server.url}/file to have {SHA256}, got sha256:.* deleted: call again"
    ):
        download(f"{server.url}/file", tmp_path / "file", digest=SHA256)
    assert not list(tmp_path.iterdir())
    assert download(f"{server.url}/file", tmp_path / "file", digest=SHA256).read_bytes() == CONTENT


def test_another_file_under_the_address_is_refused(server, tmp_path):
    server.files["/file"] = b"something else"
    got = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ValueError, match=f"to have {SHA256}, got sha256:{got}"):
        download(f"{server.url}/file", tmp_path / "file", digest=SHA256)
    assert not list(tmp_path.iterdir())


def test_another_file_under_the_path_is_left_alone(server, tmp_path):
    (tmp_path / "file").write_bytes(b"somebody's work")
    with pytest.raises(ValueError, match=f"expected {tmp_path / 'file'} to have {SHA256}, got .* delete it"):
        download(f"{server.url}/file", tmp_path / "file", digest=SHA256)
    assert (tmp_path / "file").read_bytes() == b"somebody's work"
    assert not server.requests


def test_what_the_server_does_not_have(server, tmp_path):
    with pytest.raises(ConnectionError, match=f"expected to download {server.url}/other, got HTTP Error 404"):
        download(f"{server.url}/other", tmp_path / "file", digest=SHA256)
    assert not list(tmp_path.iterdir())


def test_a_silent_server(server, tmp_path):
    with pytest.raises(ConnectionError, match="got timed out; call again"):
        download(f"{server.url}/silent", tmp_path / "file", digest=SHA256, timeout=0.05)


def test_no_network_says_what_to_fetch_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # bound but not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file"
        by_hand = (
            f"expected to download {url}, got .*refused.*by hand and save it as {tmp_path / 'file'} \\({SHA256}\\)"
        )
        with pytest.raises(ConnectionError, match=by_hand):
            download(url, tmp_path / "file", digest=SHA256)


def test_a_full_disk_is_not_taken_for_the_network(server, tmp_path):
    (tmp_path / "file.part").mkdir()  # any error of the file system
    with pytest.raises(IsADirectoryError):
        download(f"{server.url}/file", tmp_path / "file", digest=SHA256)


@pytest.mark.parametrize(
    ("url", "digest", "message"),
    [
        ("file:///etc/hostname", SHA256, "begins with http:// or https://, got 'file:///etc/hostname'"),
        ("ftp://example.org/file", SHA256, "begins with http:// or https://"),
        ("example.org/file", SHA256, "begins with http:// or https://"),
        ("http://example.org/file", "sha256:abc", "got 'sha256:abc'"),
        ("http://example.org/file", MD5.replace("md5", "sha1"), "sha256: and 64, or md5: and 32"),
        ("http://example.org/file", "md5:" + 32 * "g", "hexadecimal digits"),
        ("http://example.org/file", SHA256.removeprefix("sha256:"), "hexadecimal digits"),
    ],
)
def test_what_is_refused(tmp_path, url, digest, message):
    with pytest.raises(ValueError, match=message):
        download(url, tmp_path / "file", digest=digest)


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_an_archive_is_unpacked_once(server, tmp_path):
    content = archive(**{"inner/file": b"text"})
    server.files["/data.tar.gz"] = content
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    (tmp_path / "unpacked.part").mkdir()
    (tmp_path / "unpacked.part" / "half").write_text("of an interrupted call")
    for _ in range(2):
        folder = download_archive(f"{server.url}/data.tar.gz", tmp_path, digest=digest)
        assert {p.relative_to(folder).as_posix() for p in folder.rglob("*")} == {"inner", "inner/file"}
        (tmp_path / "data.tar.gz").unlink(missing_ok=True)  # the second call does not need it
    assert server.requests == [("/data.tar.gz", None)]


def test_an_archive_that_leaves_its_folder_is_refused(server, tmp_path):
    content = archive(**{"inside": b"text", "../outside": b"text"})
    server.files["/data.tar.gz"] = content
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with pytest.raises(ValueError, match="stays in its folder in .*data.tar.gz, got .*outside the destination"):
        download_archive(f"{server.url}/data.tar.gz", tmp_path / "folder", digest=digest)
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "folder" / "unpacked").exists()


def test_a_file_that_is_no_archive_is_refused(server, tmp_path):
    with pytest.raises(ValueError, match="expected a tar archive .* in .*/file, got"):
        download_archive(f"{server.url}/file", tmp_path, digest=SHA256)
