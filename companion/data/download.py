"""Files from the network, once: resumed where a connection broke, checked against a published checksum, in place whole.

Only a data set that no installed package carries comes this way. A file that is there already, fetched by hand or by
another machine, is checked and used, and the network is left alone.
"""

import hashlib
import http.client
import shutil
import ssl
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

_BROKEN = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, ConnectionError, TimeoutError)
_HEX_DIGITS = {"sha256": 64, "md5": 32}


def download(url: str, path: str | Path, *, digest: str, timeout: float = 30.0) -> Path:
    """Makes sure that ``path`` holds the file of ``url``, and returns it.

    Bytes go to ``path`` with ``.part`` behind its name. A call that finds such a part asks for the rest alone where the
    server can do that, and begins anew where it cannot. Only a file with the right checksum gets its name.

    Args:
        url: where the file is, by http or https.
        path: where it shall be.
        digest: what its publisher says of it, ``sha256:`` or ``md5:`` and the checksum in hexadecimal digits. The first
            also guards against malice; the second does not, and is for data whose publisher gives no other.
        timeout: seconds that the server may be silent.

    Raises:
        ConnectionError: where the network or the server does not give the file; it says how to fetch it by hand.
        ValueError: for another kind of address, a digest of another form, or a file with another checksum.

    Example:
        >>> import hashlib, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "weights.bin"
        >>> _ = path.write_bytes(b"some weights")
        >>> digest = "sha256:" + hashlib.sha256(b"some weights").hexdigest()
        >>> download("https://example.com/weights.bin", path, digest=digest) == path  # nothing is fetched
        True
    """
    path = Path(path)
    _check(url, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            _fetch(url, part, timeout)
        except _BROKEN as error:
            raise ConnectionError(
                f"expected to download {url}, got {error}; call again to go on, or fetch the file by hand and save it "
                f"as {path} ({digest})"
            ) from error
        found = _digest_of(part, digest)
        if found != digest.lower():
            part.unlink()
            raise ValueError(f"expected {url} to have {digest}, got {found}; what came is deleted: call again")
        part.replace(path)
        return path
    found = _digest_of(path, digest)
    if found != digest.lower():
        raise ValueError(f"expected {path} to have {digest}, got {found}; delete it, and it is fetched from {url}")
    return path


def download_archive(url: str, folder: str | Path, *, digest: str) -> Path:
    """The folder with what the tar archive of ``url`` holds: ``folder/unpacked``. Both are made where they are missing.

    Raises:
        ConnectionError: as :func:`download`.
        ValueError: as :func:`download`, and for an archive that would write outside of its folder, or is none.

    Example:
        >>> import hashlib, tarfile, tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "labels.txt").write_text("cat")
        >>> with tarfile.open(folder / "images.tar.gz", "w:gz") as archive:
        ...     archive.add(folder / "labels.txt", "labels.txt")
        >>> digest = "sha256:" + hashlib.sha256((folder / "images.tar.gz").read_bytes()).hexdigest()
        >>> unpacked = download_archive("https://example.com/images.tar.gz", folder, digest=digest)
        >>> [path.name for path in unpacked.iterdir()]
        ['labels.txt']
    """
    unpacked = Path(folder) / "unpacked"
    if not unpacked.is_dir():
        archive = download(url, Path(folder) / Path(urlsplit(url).path).name, digest=digest)
        part = unpacked.with_name("unpacked.part")
        shutil.rmtree(part, ignore_errors=True)  # what an interrupted call left
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(part, filter="data")
        except tarfile.TarError as error:
            raise ValueError(f"expected a tar archive that stays in its folder in {archive}, got {error}") from error
        part.rename(unpacked)
    return unpacked


def _fetch(url: str, part: Path, timeout: float) -> None:
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # there is no rest: the part is whole, or it is wrong, which its checksum tells
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        done = start if resumed else 0
        rest = response.headers["Content-Length"]
        total = None if rest is None else done + int(rest)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=part.stem, disable=None) as bar,
        ):
            while block := response.read(2**20):
                bar.update(file.write(block))
    if total is not None and part.stat().st_size < total:  # http.client does not tell a broken connection from the end
        raise ConnectionError(f"the connection ended after {part.stat().st_size} of {total} bytes")


def _digest_of(path: Path, digest: str) -> str:
    kind = digest.partition(":")[0].lower()
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


def _check(url: str, digest: str) -> None:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"expected an address that begins with http:// or https://, got {url!r}")
    kind, _, digits = digest.lower().partition(":")
    if len(digits) != _HEX_DIGITS.get(kind) or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"expected digest as sha256: and 64, or md5: and 32 hexadecimal digits, got {digest!r}")
